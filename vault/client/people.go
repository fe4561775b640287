package client

import (
	"context"
	"io"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

func person(method string, r repeat, subject string, more ...string) *call {
	return newCall(method, r, append([]string{"v1", "subjects", subject}, more...)...)
}

// Reenrol lets an erased person come back, as a new generation.
func (c *Client) Reenrol(ctx context.Context, subject string, opts ...Option) (generation uint32, err error) {
	var out api.Generation
	err = c.send(ctx, person(http.MethodPost, never, subject, "reenrolment"), &out, opts...)
	return out.Generation, err
}

// Hold puts a person under legal hold.
func (c *Client) Hold(ctx context.Context, subject, reason string, opts ...Option) error {
	return c.sendJSON(ctx, person(http.MethodPut, safely, subject, "hold"), api.Reason{Reason: reason}, nil, opts...)
}

// Release lifts a legal hold.
func (c *Client) Release(ctx context.Context, subject string, opts ...Option) error {
	return c.send(ctx, person(http.MethodDelete, never, subject, "hold"), nil, opts...)
}

// Restrict restricts the processing of a person's data to storage.
func (c *Client) Restrict(ctx context.Context, subject, reason string, opts ...Option) error {
	return c.sendJSON(ctx, person(http.MethodPut, safely, subject, "restriction"), api.Reason{Reason: reason}, nil, opts...)
}

// Unrestrict lifts a restriction.
func (c *Client) Unrestrict(ctx context.Context, subject string, opts ...Option) error {
	return c.send(ctx, person(http.MethodDelete, never, subject, "restriction"), nil, opts...)
}

// LayBait makes a made-up person bait: whoever is shown anything of them raises an alarm.
func (c *Client) LayBait(ctx context.Context, subject string, opts ...Option) error {
	return c.send(ctx, person(http.MethodPut, safely, subject, "honey"), nil, opts...)
}

// TakeBait ends that a person is bait.
func (c *Client) TakeBait(ctx context.Context, subject string, opts ...Option) error {
	return c.send(ctx, person(http.MethodDelete, safely, subject, "honey"), nil, opts...)
}

// PortalLink gives a link that lets a person into their control panel, or to a consent
// form: good once. It is not retried.
func (c *Client) PortalLink(ctx context.Context, subject string, in api.PortalLinkRequest) (out api.PortalLink, err error) {
	return out, c.sendJSON(ctx, person(http.MethodPost, never, subject, "portal-links"), in, &out)
}

// Consents says what a person agreed to, for each purpose.
func (c *Client) Consents(ctx context.Context, subject string) ([]api.Consent, error) {
	var out api.Consents
	err := c.send(ctx, person(http.MethodGet, safely, subject, "consents"), &out)
	return out.Consents, err
}

// Decisions lists all that a person ever decided, oldest first, each with its receipt.
func (c *Client) Decisions(ctx context.Context, subject string) ([]api.Consent, error) {
	var out api.Decisions
	err := c.send(ctx, person(http.MethodGet, safely, subject, "decisions"), &out)
	return out.Decisions, err
}

// RecordConsent records a person's decision about one purpose, and gives the signed
// receipt. A withdrawal is retried like any safe call, a grant is not: between the
// first sending and the second the person may have withdrawn.
func (c *Client) RecordConsent(ctx context.Context, subject, purpose string, d api.Decision, opts ...Option) (out api.Receipt, err error) {
	r := never
	if d.Decision == api.Withdrawn || d.Decision == api.Refused || d.Decision == api.Objected {
		r = safely
	}
	return out, c.sendJSON(ctx, person(http.MethodPut, r, subject, "consents", purpose), d, &out, opts...)
}

// Export gives everything that is held on a person: with values on the person's
// own token, else the manifest.
func (c *Client) Export(ctx context.Context, subject string) (out api.Export, err error) {
	return out, c.send(ctx, person(http.MethodGet, safely, subject, "export"), &out)
}

// ExportCSV writes the same as a table, one line a field.
func (c *Client) ExportCSV(ctx context.Context, subject string, w io.Writer) error {
	k := person(http.MethodGet, safely, subject, "export")
	k.accept = "text/csv"
	var b []byte
	if err := c.send(ctx, k, &b); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}
