package client

import (
	"context"
	"net/http"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Tokenise makes tokens that stand for up to [api.MaxItems] stored fields of a collection,
// in order, for the client's purpose. [ItemError] says how each went. Only deterministic ones
// are asked for again by itself after an answer was lost: others would be made anew.
func (c *Client) Tokenise(ctx context.Context, in api.TokenRequest, opts ...Option) ([]api.TokenResult, error) {
	var out api.TokenAnswer
	again := never
	if in.Kind == "deterministic" {
		again = safely
	}
	err := c.sendJSON(ctx, newCall(http.MethodPost, again, "v1", "tokens"), in, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(in.Items))
}

// Detokenise reads the fields for which up to [api.MaxItems] tokens stand, in order. Each is
// plain, masked or hidden as reading the field is. Code not_found for what stands for nothing;
// a *[WaitingError] beyond the people that one person may see alone. A single-use token whose
// answer is lost is lost, too: the call is never repeated by itself.
func (c *Client) Detokenise(ctx context.Context, tokens []string, opts ...Option) ([]api.TokenValue, error) {
	var out api.TokenValues
	err := c.sendJSON(ctx, newCall(http.MethodPost, never, "v1", "tokens", "reveal"), api.Tokens{Tokens: tokens}, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(tokens))
}

// RevokeTokens takes up to [api.MaxItems] tokens back, in order: nothing stands for them
// from then on. Code not_found for what stands for nothing.
func (c *Client) RevokeTokens(ctx context.Context, tokens []string, opts ...Option) ([]api.Outcome, error) {
	var out api.TokensRevoked
	err := c.sendJSON(ctx, newCall(http.MethodPost, never, "v1", "tokens", "revoke"), api.Tokens{Tokens: tokens}, &out, opts...)
	return out.Results, counted(err, len(out.Results), len(tokens))
}
