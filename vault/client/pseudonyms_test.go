package client_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

func TestPseudonyms(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	if _, err := as("app", "support").Put(ctx, self, map[string]any{"email": "luisg@embraer.com.br"}); err != nil {
		t.Fatal(err)
	}
	if _, err := as("dpo", "").RecordConsent(ctx, self.Subject, "analytics", api.Decision{Decision: "granted"}); err != nil {
		t.Fatal(err)
	}
	made, err := as("app", "analytics").Pseudonyms(ctx, "Analysts", []string{self.Subject, "c-99"})
	if err != nil || !made[0].OK() || made[1].Code != api.NotFound {
		t.Fatal(made, err)
	}
	back, err := as("dpo", "analytics").Resolve(ctx, "Analysts", []string{"fp1:", made[0].Pseudonym})
	if err != nil || back[0].Code != api.NotFound || back[1].Subject != self.Subject {
		t.Error(back, err)
	}
	if _, err := as("app", "analytics").Resolve(ctx, "Analysts", []string{made[0].Pseudonym}); !client.IsCode(err, api.Denied) {
		t.Errorf("the application resolves: %v", err)
	}
	if _, err := as("app", "analytics").Pseudonyms(ctx, "Nobody", []string{self.Subject}); !client.IsCode(err, api.Invalid) {
		t.Errorf("a recipient that is none: %v", err)
	}
}
