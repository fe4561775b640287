package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// FileRequest files a person's request. It is not retried by itself, unless it has an
// idempotency key.
func (c *Client) FileRequest(ctx context.Context, subject string, f api.Filing, opts ...Option) (out api.Request, err error) {
	return out, c.sendJSON(ctx, person(http.MethodPost, never, subject, "requests"), f, &out, opts...)
}

// SubjectRequests lists a person's requests, oldest first, without words.
func (c *Client) SubjectRequests(ctx context.Context, subject string) ([]api.Request, error) {
	var out api.Requests
	err := c.send(ctx, person(http.MethodGet, safely, subject, "requests"), &out)
	return out.Requests, err
}

// A RequestQuery selects requests. Zero members select all.
type RequestQuery struct {
	DueBefore time.Time // open ones whose answer is late by then
	State     string
	Kind      string
	Cursor    string // of the page before
	Limit     int    // up to 1,000; 0: 100
}

// Requests lists requests to officers, those due first at the beginning. Cursor of the
// answer, if not empty, is that of the next page.
func (c *Client) Requests(ctx context.Context, q RequestQuery) (out api.Requests, err error) {
	k := newCall(http.MethodGet, safely, "v1", "requests")
	k.query = url.Values{}
	if !q.DueBefore.IsZero() {
		k.query.Set("due_before", q.DueBefore.UTC().Format(time.RFC3339Nano))
	}
	for name, text := range map[string]string{"state": q.State, "kind": q.Kind, "cursor": q.Cursor} {
		if text != "" {
			k.query.Set(name, text)
		}
	}
	if q.Limit != 0 {
		k.query.Set("limit", strconv.Itoa(q.Limit))
	}
	return out, c.send(ctx, k, &out)
}

// Request is a request with its words, to the person or to an officer.
func (c *Client) Request(ctx context.Context, id string) (out api.Request, err error) {
	return out, c.send(ctx, newCall(http.MethodGet, safely, "v1", "requests", id), &out)
}

// StepRequest takes a request a step further. Code conflict if the step is not possible:
// the detail says what is. It is not retried by itself, unless it has an idempotency key.
func (c *Client) StepRequest(ctx context.Context, id string, s api.RequestStep, opts ...Option) (out api.Request, err error) {
	return out, c.sendJSON(ctx, newCall(http.MethodPatch, never, "v1", "requests", id), s, &out, opts...)
}

// RequestBundle is the evidence of a request that has ended: a ZIP file. Code conflict
// for one that has not.
func (c *Client) RequestBundle(ctx context.Context, id string) (b []byte, err error) {
	k := newCall(http.MethodGet, safely, "v1", "requests", id, "bundle")
	k.accept = mediaZip
	return b, c.send(ctx, k, &b)
}

const mediaZip = "application/zip"
