package client_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

func TestTokens(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	app := as("app", "support")
	if _, err := app.Put(ctx, self, map[string]any{"email": "luisg@embraer.com.br"}); err != nil {
		t.Fatal(err)
	}
	in := api.TokenRequest{
		Collection: self.Collection, Kind: "deterministic",
		Items: []api.TokenItem{{Subject: self.Subject, Record: self.Record, Field: "email"}, {Subject: "c-99", Record: "self", Field: "email"}},
	}
	made, err := app.Tokenise(ctx, in)
	if err != nil || !made[0].OK() || made[1].Code != api.NotFound {
		t.Fatal(made, err)
	}
	again, err := app.Tokenise(ctx, in)
	if err != nil || again[0].Token != made[0].Token {
		t.Error(again, err)
	}
	in.Kind = "random"
	if other, err := app.Tokenise(ctx, in); err != nil || other[0].Token == made[0].Token {
		t.Error(other, err)
	}
	seen, err := app.Detokenise(ctx, []string{"fvt_", made[0].Token})
	if err != nil || seen[0].Code != api.NotFound || seen[1].View != "plain" || string(seen[1].Value) != `"luisg@embraer.com.br"` {
		t.Error(seen, err)
	}
	if _, err := as("billing", "billing").Detokenise(ctx, []string{made[0].Token}); !client.IsCode(err, api.Denied) {
		t.Errorf("billing: %v", err)
	}
	gone, err := app.RevokeTokens(ctx, []string{made[0].Token, made[0].Token, "x"})
	if err != nil || !gone[0].OK() || client.ItemError(2, gone[2]) == nil {
		t.Error(gone, err)
	}
	if seen, err = app.Detokenise(ctx, []string{made[0].Token}); err != nil || seen[0].Code != api.NotFound {
		t.Error(seen, err)
	}
}
