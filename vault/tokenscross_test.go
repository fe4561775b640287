package vault_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A passing store is one in which something happens, once, before or after a request reads
// what decides.
type passing struct {
	vault.Store
	vault.Settler
	before, after func()
	first         sync.Once
}

func (s *passing) LoadForReveal(ctx context.Context, q vault.LoadQuery) (l *vault.Loaded, err error) {
	if len(q.Items) == 0 {
		return s.Store.LoadForReveal(ctx, q)
	}
	s.first.Do(func() {
		if s.before != nil {
			s.before()
		}
		l, err = s.Store.LoadForReveal(ctx, q)
		if s.after != nil {
			s.after()
		}
	})
	if l == nil && err == nil {
		return s.Store.LoadForReveal(ctx, q)
	}
	return l, err
}

func passingNode(t *testing.T, v *vaulttest.Vault, s *passing) *vault.Vault {
	t.Helper()
	settler, ok := v.Store.(vault.Settler)
	if !ok {
		t.Fatal("the store does not settle")
	}
	s.Store, s.Settler = v.Store, settler
	return node(t, v, s, v.KEK)
}

func eraseAndSweep(t *testing.T, v *vaulttest.Vault, subject string) {
	t.Helper()
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: subject}); err != nil {
		t.Error(err)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
}

// I6, I8: what changes between the decision and the commit is seen: no token is stored for a
// person who was erased meanwhile, or for a value that went meanwhile.
func TestATokenIsMadeOfWhatStands(t *testing.T) {
	for what, change := range map[string]func(v *vaulttest.Vault){
		"erased and swept": func(v *vaulttest.Vault) { eraseAndSweep(t, v, "c-1") },
		"restricted": func(v *vaulttest.Vault) {
			if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
				t.Error(err)
			}
		},
		"deleted": func(v *vaulttest.Vault) {
			if err := v.Delete(t.Context(), v.As("app", ""), "c-1", "customer", "self", 0); err != nil {
				t.Error(err)
			}
		},
	} {
		for _, kind := range []vault.TokenKind{vault.TokenRandom, vault.TokenDeterministic} {
			v := withTokens(t, vaulttest.Options{})
			n := passingNode(t, v, &passing{after: func() { change(v) }})
			is(t, what+", "+string(kind), tokenOf(t, n, v.As("app", "billing"), tokensAs(kind, emailOf("c-1"))), "not found")
			if rows := allTokens(t, v); len(rows) != 0 {
				t.Errorf("%s, %s: %d rows are stored", what, kind, len(rows))
			}
		}
	}
}

// A value that changes between the decision and the commit has no token of the old value.
func TestADeterministicTokenOfAValueThatChanges(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	n := passingNode(t, v, &passing{after: func() { patched(t, v, "c-1", map[string]string{"email": "other@example.org"}) }})
	app := v.As("app", "billing")
	text := tokenOf(t, n, app, tokensAs(vault.TokenDeterministic, emailOf("c-1")))
	is(t, "the token of what stands", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), text)
}

// I1: a person who is erased and comes back while a token of the first life is looked up is
// not shown by it.
func TestATokenLookedUpBeforeAnErasure(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	text := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	n := passingNode(t, v, &passing{before: func() {
		eraseAndSweep(t, v, "c-1")
		if _, err := v.Reenrol(t.Context(), v.As("dpo", ""), "c-1"); err != nil {
			t.Error(err)
		}
		v.Put(t, "c-1", "customer", "self", map[string]string{"email": "next@example.org"})
	}})
	is(t, "the next life", behindToken(t, n, app, text), "not found")
}

// The right to use tokens is one of each field, beside the right to see it.
func TestTheRightToUseTokensIsOfTheField(t *testing.T) {
	v := newVault(t, vaulttest.Options{Policy: string(sample.Policy()) + `
@id("test-one") permit (principal in Role::"billing", action in [Action::"tokenise", Action::"detokenise"], resource == Field::"customer.email");`})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	app, billing := v.As("app", "billing"), v.As("billing", "billing")
	one, two := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1")))
	is(t, "the field", behindToken(t, v.Vault, billing, one), "plain "+email)
	is(t, "another field, which billing may read", behindToken(t, v.Vault, billing, two), "hidden policy")
	is(t, "another field, made", tokenOf(t, v.Vault, billing, tokensAs(vault.TokenRandom, phoneIn("c-1"))), "not found")
	if errs, err := v.RevokeTokens(t.Context(), billing, []string{two, one}); err != nil || name(errs[0]) != "not found" || errs[1] != nil {
		t.Error(errs, err)
	}
	if got := behindToken(t, v.Vault, app, two); !strings.HasPrefix(got, "plain") {
		t.Error(got)
	}
}

// Tokens that are made together are each of their own value, group and epoch: those of
// people whose values are in different groups, and those of a group that was erased and
// written again for one of them.
func TestTokensOfABatchAreEachTheirOwn(t *testing.T) {
	of := func(subject, field string) vault.TokenItem {
		return vault.TokenItem{Subject: subject, Record: "self", Field: field}
	}
	for _, other := range []string{"email", "note"} {
		v := newVault(t, vaulttest.Options{Catalog: twoGroups, Policy: plainPolicy})
		value := map[string]string{"email": email, "note": "asthma"}[other]
		v.Put(t, "c-1", "customer", "self", map[string]string{"note": "allergic"})
		v.Put(t, "c-2", "customer", "self", map[string]string{"note": "old"})
		eraseGroups(t, v, "c-2", "care")
		v.Put(t, "c-2", "customer", "self", map[string]string{other: value})
		app := v.As("app", "support")
		out, err := v.Tokenise(t.Context(), app, tokensAs(vault.TokenRandom, of("c-1", "note"), of("c-2", other)))
		if err != nil || out[0].Err != nil || out[1].Err != nil {
			t.Fatal(out, err)
		}
		is(t, "the first token", behindToken(t, v.Vault, app, out[0].Token), "plain allergic")
		is(t, "the second", behindToken(t, v.Vault, app, out[1].Token), "plain "+value)
		eraseGroups(t, v, "c-1", "care")
		v.Put(t, "c-1", "customer", "self", map[string]string{"note": "later"})
		is(t, "the first, after its group was erased", behindToken(t, v.Vault, app, out[0].Token), "not found")
		is(t, "the second, still", behindToken(t, v.Vault, app, out[1].Token), "plain "+value)
	}
}
