package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

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

// Notices lists what people were told, newest first, without a token; before is that
// of the page before, or 0.
func (c *Client) Notices(ctx context.Context, tenant string, before int64) (out api.Notices, err error) {
	k := notices(tenant)
	if before > 0 {
		k.query.Set("before", strconv.FormatInt(before, 10))
	}
	return out, c.send(ctx, k, &out)
}

// Notice gives what people were told by one version, without a token.
func (c *Client) Notice(ctx context.Context, tenant string, version int64) (out api.Notice, err error) {
	return out, c.send(ctx, notices(tenant, strconv.FormatInt(version, 10)), &out)
}

// NoticeDiff says what changed between two notices, in words, without a token.
func (c *Client) NoticeDiff(ctx context.Context, tenant string, from, to int64) (out api.NoticeDiff, err error) {
	k := notices(tenant, "diff")
	k.query.Set("from", strconv.FormatInt(from, 10))
	k.query.Set("to", strconv.FormatInt(to, 10))
	return out, c.send(ctx, k, &out)
}

func notices(tenant string, more ...string) *call {
	k := newCall(http.MethodGet, safely, append([]string{"v1", "notices"}, more...)...)
	k.public, k.query = true, url.Values{}
	setIf(k.query, "tenant", tenant)
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
