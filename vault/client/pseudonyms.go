package client

import (
	"context"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Pseudonyms gives up to [api.MaxItems] people, in order, the names under which a
// recipient of the client's purpose knows them. [ItemError] says how each went: code
// not_found where there is none, whatever the cause.
func (c *Client) Pseudonyms(ctx context.Context, recipient string, subjects []string, opts ...Option) ([]api.PseudonymResult, error) {
	var out api.PseudonymAnswer
	in := api.PseudonymRequest{Recipient: recipient, Subjects: subjects}
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "pseudonyms"), in, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(subjects))
}

// Resolve says whom up to [api.MaxItems] pseudonyms stand for, in order. Each person is
// on record. Code not_found for what stands for nobody now; a *[WaitingError] beyond
// the people that one person may see alone.
func (c *Client) Resolve(ctx context.Context, recipient string, pseudonyms []string, opts ...Option) ([]api.ResolveResult, error) {
	var out api.ResolveAnswer
	in := api.ResolveRequest{Recipient: recipient, Pseudonyms: pseudonyms}
	err := c.sendJSON(ctx, newCall(http.MethodPost, safely, "v1", "pseudonyms", "resolve"), in, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(pseudonyms))
}
