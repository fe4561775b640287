package vault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// I8: a search tells nothing of people whose values the caller may not see now: neither
// what a value begins with, nor that it is there, nor by where a page ends.
func TestADeniedCandidateIsNobody(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: matchingCatalog, Policy: matchingPolicy})
	for i := range 5 {
		subject := fmt.Sprint("c-", i)
		v.Put(t, subject, "customer", "self", map[string]string{"name": "Gonçalves", "note": manyGrams(), "born": "1980-05-17"})
		if err := v.SetRestriction(t.Context(), v.As("dpo", ""), subject, true, ""); err != nil {
			t.Fatal(err)
		}
	}
	pages := func(what string, want int) {
		t.Helper()
		for way, q := range map[string]vault.Query{
			"equals": {Field: "name", Equals: text("Gonçalves")}, "prefix": {Field: "name", Prefix: text("gonç")},
			"contains": {Field: "name", Contains: text("alves")}, "any part": {Field: "note", Contains: text("no such")},
			"range": {Field: "born", From: text("1980-05-01"), To: text("1980-05-31")},
		} {
			q.Collection, q.Limit = "customer", 1
			n := 0
			for {
				m, err := v.Search(t.Context(), v.As("app", "support"), q)
				if err != nil {
					t.Fatal(err)
				}
				if q.Cursor = m.Cursor; q.Cursor == "" {
					break
				}
				n++
			}
			if n != want {
				t.Errorf("%s, by %s: %d pages before the last, want %d", what, way, n, want)
			}
		}
	}
	pages("all restricted", 0)
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-3", false, ""); err != nil {
		t.Fatal(err)
	}
	pages("all but one", 1)
}

// RevokeTokens tells no more of an erased person, or group, than Detokenise.
func TestATokenOfTheErasedIsNotTakenBack(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	text := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	errs, err := v.RevokeTokens(t.Context(), app, []string{text})
	if err != nil || !errors.Is(errs[0], vault.ErrNotFound) {
		t.Errorf("%v, %v", errs, err)
	}
}
