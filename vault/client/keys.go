package client

import (
	"context"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Keys says how the key-encryption keys stand.
func (c *Client) Keys(ctx context.Context) ([]api.Key, error) {
	var out api.Keys
	err := c.send(ctx, newCall(http.MethodGet, safely, "v1", "keys"), &out)
	return out.Keys, err
}

// RotateKey asks for a new version of the tenant's key-encryption key, to which
// everything is then moved. It gives the job, which goes on by itself.
func (c *Client) RotateKey(ctx context.Context) (api.Job, error) { return c.askKey(ctx, "rotation") }

// RetireKey asks that earlier versions open no more.
func (c *Client) RetireKey(ctx context.Context) (api.Job, error) { return c.askKey(ctx, "retirement") }

// TrimKey asks that retired versions be destroyed, for ever.
func (c *Client) TrimKey(ctx context.Context) (api.Job, error) { return c.askKey(ctx, "trim") }

func (c *Client) askKey(ctx context.Context, what string) (out api.Job, err error) {
	k := newCall(http.MethodPost, never, "v1", "keys", what)
	k.accepted = true
	return out, c.send(ctx, k, &out)
}

// RotateSubjectKeys gives a person new data keys, after a compromise. The job seals
// anew what stands; ciphertexts that you keep are moved with [Client.Reencrypt].
func (c *Client) RotateSubjectKeys(ctx context.Context, subject string) (out api.SubjectKeyRotation, err error) {
	k := person(http.MethodPost, never, subject, "key-rotation")
	k.accepted = true
	return out, c.send(ctx, k, &out)
}

// RetireSubjectKeys removes a person's earlier data keys for ever: ciphertexts that
// were not moved open no more. Code conflict while the job of the rotation is not
// done, held under a legal hold.
func (c *Client) RetireSubjectKeys(ctx context.Context, subject string) ([]api.SubjectKey, error) {
	var out api.SubjectKeys
	err := c.send(ctx, person(http.MethodPost, never, subject, "key-retirement"), &out)
	return out.Keys, err
}

// Jobs lists background work, newest first.
func (c *Client) Jobs(ctx context.Context) ([]api.Job, error) {
	var out api.Jobs
	err := c.send(ctx, newCall(http.MethodGet, safely, "v1", "jobs"), &out)
	return out.Jobs, err
}

// Job says how far a job is.
func (c *Client) Job(ctx context.Context, id string) (out api.Job, err error) {
	return out, c.send(ctx, newCall(http.MethodGet, safely, "v1", "jobs", id), &out)
}
