package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Catalog says what is collected and why, without a token; an empty tenant is the
// service's default.
func (c *Client) Catalog(ctx context.Context, tenant string) (out api.Catalog, err error) {
	k := newCall(http.MethodGet, safely, "v1", "catalog")
	k.public, k.query = true, url.Values{}
	setIf(k.query, "tenant", tenant)
	return out, c.send(ctx, k, &out)
}

// ApplyCatalog makes the YAML source the tenant's catalog, or with dryRun says what
// would change. Code invalid names everything that is wrong with it, by line.
func (c *Client) ApplyCatalog(ctx context.Context, source []byte, dryRun bool, opts ...Option) (out api.CatalogApplied, err error) {
	return out, c.send(ctx, document("catalog", "application/yaml", source, dryRun), &out, opts...)
}

// document sends a catalog or policy as it was written.
func document(name, media string, source []byte, dryRun bool) *call {
	k := newCall(http.MethodPut, never, "v1", name)
	k.media, k.body = media, append([]byte{}, source...)
	if dryRun {
		k.repeat, k.query = safely, url.Values{"dry_run": {"true"}}
	}
	return k
}

// Policy gives the policy in force.
func (c *Client) Policy(ctx context.Context) (out api.Policy, err error) {
	return out, c.send(ctx, newCall(http.MethodGet, safely, "v1", "policy"), &out)
}

// ApplyPolicy makes the Cedar source the tenant's policy, or with dryRun says what
// would be found. Code invalid names its errors.
func (c *Client) ApplyPolicy(ctx context.Context, source []byte, dryRun bool, opts ...Option) (out api.PolicyApplied, err error) {
	return out, c.send(ctx, document("policy", "text/plain; charset=utf-8", source, dryRun), &out, opts...)
}

// Explain says why a caller with some roles would see a field so.
func (c *Client) Explain(ctx context.Context, q api.ExplainRequest, opts ...Option) (out api.Explanation, err error) {
	return out, c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "policy", "explain"), q, &out, opts...)
}

// VerifierKeys gives the public keys that certificates and receipts verify with,
// without a token. Whoever checks evidence against the service itself should have
// them from elsewhere.
func (c *Client) VerifierKeys(ctx context.Context) ([]api.VerifierKey, error) {
	var out api.VerifierKeys
	k := newCall(http.MethodGet, safely, "v1", "audit", "key")
	k.public = true
	err := c.send(ctx, k, &out)
	return out.Keys, err
}

// Alive asks whether the process answers. It is not retried.
func (c *Client) Alive(ctx context.Context) error {
	k := newCall(http.MethodGet, never, "healthz")
	k.public = true
	return c.send(ctx, k, nil)
}

// Ready asks whether the service can do its work, and which part cannot. It is not
// retried, and that a part is not ready is no error.
func (c *Client) Ready(ctx context.Context) (out api.Health, err error) {
	k := newCall(http.MethodGet, never, "readyz")
	k.public = true
	body, _, err := c.attempt(ctx, k, c.address(k))
	var e *Error
	if err != nil && !errors.As(err, &e) {
		return out, err
	}
	return out, decode(body, &out)
}

// OpenAPI gives the document that describes the API.
func (c *Client) OpenAPI(ctx context.Context) (out json.RawMessage, err error) {
	k := newCall(http.MethodGet, safely, "openapi.json")
	k.public = true
	return out, c.send(ctx, k, &out)
}
