package vault_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/token"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const phoneOfOne = "+55 (12) 3923-5555"

// withTokens is a vault with one person, in which marketing may make and use tokens, too.
func withTokens(t *testing.T, opts vaulttest.Options) *vaulttest.Vault {
	t.Helper()
	opts.Policy = string(sample.Policy()) + `
@id("test-tokens") permit (principal in Role::"marketing", action in [Action::"tokenise", Action::"detokenise"], resource) when { context.purpose == "marketing" };`
	v := newVault(t, opts)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne, "city": "Kiel"})
	return v
}

func tokensAs(kind vault.TokenKind, items ...vault.TokenItem) vault.Tokenising {
	return vault.Tokenising{Kind: kind, Collection: "customer", Items: items}
}

func emailOf(subject string) vault.TokenItem {
	return vault.TokenItem{Subject: subject, Record: "self", Field: "email"}
}

func phoneIn(subject string) vault.TokenItem {
	return vault.TokenItem{Subject: subject, Record: "self", Field: "phone"}
}

// tokenOf is the token that one item gets, or what came instead.
func tokenOf(t *testing.T, v *vault.Vault, c accessctl.Caller, in vault.Tokenising) string {
	t.Helper()
	out, err := v.Tokenise(t.Context(), c, in)
	switch {
	case err != nil:
		return name(err)
	case out[0].Err != nil:
		return name(out[0].Err)
	}
	return out[0].Token
}

// behindToken is what one token shows, or what came instead.
func behindToken(t *testing.T, v *vault.Vault, c accessctl.Caller, text string) string {
	t.Helper()
	out, err := v.Detokenise(t.Context(), c, []string{text})
	if err != nil {
		return name(err)
	}
	return seenBy(out[0])
}

func seenBy(d vault.Detokenised) string {
	switch {
	case d.Err != nil:
		return name(d.Err)
	case d.View == accessctl.Hidden:
		return "hidden " + string(d.Reason)
	}
	return d.View.String() + " " + string(d.Value.Expose())
}

// isToken fails unless it is a token of no form.
func isToken(t *testing.T, what, text string) {
	t.Helper()
	if !token.WellFormed(text) {
		t.Errorf("%s: no token: %q", what, text)
	}
}

func patched(t *testing.T, v *vaulttest.Vault, subject string, fields map[string]string) {
	t.Helper()
	w := vault.Write{Subject: subject, Collection: "customer", Record: "self", Fields: vaulttest.Values(fields), Patch: true}
	if _, err := v.Vault.Put(t.Context(), v.As("app", ""), w, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
}

// everyKind are tokens of every kind for one person.
func everyKind(t *testing.T, v *vaulttest.Vault, subject string) map[string]string {
	t.Helper()
	app, all := v.As("app", "billing"), map[string]string{}
	for what, in := range map[string]vault.Tokenising{
		"random":        tokensAs(vault.TokenRandom, emailOf(subject)),
		"deterministic": tokensAs(vault.TokenDeterministic, emailOf(subject)),
		"format":        tokensAs(vault.TokenFormat, phoneIn(subject)),
		"expiring":      {Kind: vault.TokenFormat, Collection: "customer", Items: []vault.TokenItem{phoneIn(subject)}, Life: time.Hour * 24 * 300},
		"single use":    {Kind: vault.TokenRandom, Collection: "customer", Items: []vault.TokenItem{emailOf(subject)}, Once: true},
	} {
		all[what] = tokenOf(t, v.Vault, app, in)
		if ok := token.WellFormed(all[what]) || strings.HasPrefix(all[what], "+"); !ok {
			t.Fatalf("%s: %q", what, all[what])
		}
	}
	return all
}

func TestTokensOfEachKind(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	seen := map[string]string{}
	fresh := func(what, text string) string {
		t.Helper()
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s have one token", what, other)
		}
		seen[text] = what
		return text
	}
	for i := range 3 {
		text := fresh(fmt.Sprint("random ", i), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))))
		isToken(t, "random", text)
		is(t, "random", behindToken(t, v.Vault, app, text), "plain "+email)
	}
	same := fresh("deterministic", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))))
	isToken(t, "deterministic", same)
	is(t, "deterministic again", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), same)
	is(t, "deterministic", behindToken(t, v.Vault, app, same), "plain "+email)
	fresh("for another purpose", tokenOf(t, v.Vault, v.As("app", "support"), tokensAs(vault.TokenDeterministic, emailOf("c-1"))))
	form := fresh("format", tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-1"))))
	if !regexp.MustCompile(`^\+\d\d \(\d\d\) \d{4}-\d\d55$`).MatchString(form) || form == phoneOfOne {
		t.Errorf("a token of the form of %q: %q", phoneOfOne, form)
	}
	is(t, "format again", tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-1"))), form)
	is(t, "format", behindToken(t, v.Vault, app, form), "plain "+phoneOfOne)
	in := tokensAs(vault.TokenFormat, phoneIn("c-1"))
	in.Life = time.Hour
	expiring := fresh("expiring format", tokenOf(t, v.Vault, app, in))
	is(t, "expiring format", behindToken(t, v.Vault, app, expiring), "plain "+phoneOfOne)

	// Equal values of two people, and of two records of one, have nothing in common.
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	v.Put(t, "c-1", "customer", "other", map[string]string{"email": email})
	fresh("another person", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-2"))))
	fresh("another person's form", tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-2"))))
	fresh("another record", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, vault.TokenItem{Subject: "c-1", Record: "other", Field: "email"})))

	// In one batch, too.
	out, err := v.Tokenise(t.Context(), app, tokensAs(vault.TokenDeterministic, emailOf("c-1"), emailOf("c-2"), emailOf("c-1"), emailOf("c-3")))
	if err != nil || out[0].Token != same || out[2].Token != same || out[1].Token == same || !errors.Is(out[3].Err, vault.ErrNotFound) {
		t.Error(out, err)
	}
	patched(t, v, "c-1", map[string]string{"email": "other@example.org"})
	next := fresh("another value", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))))
	for what, text := range map[string]string{"the first": same, "the second": next} {
		is(t, what+" shows what stands now", behindToken(t, v.Vault, app, text), "plain other@example.org")
	}
	patched(t, v, "c-1", map[string]string{"email": email})
	is(t, "the value again", tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), same)
}

func TestWhoMakesAndUsesTokens(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app, support := v.As("app", "support"), v.As("support", "support")
	text := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	is(t, "support", behindToken(t, v.Vault, support, text), "masked l••••@embraer.com.br")
	is(t, "the application", behindToken(t, v.Vault, app, text), "plain "+email)
	is(t, "another purpose", behindToken(t, v.Vault, v.As("app", "billing"), text), "not found")
	for _, role := range []accessctl.Role{"billing", "dpo", "analyst", "operator", "nobody"} {
		for _, p := range []accessctl.Purpose{"support", "billing"} {
			is(t, string(role)+" uses one", behindToken(t, v.Vault, v.As(role, p), text), "denied")
			is(t, string(role)+" makes one", tokenOf(t, v.Vault, v.As(role, p), tokensAs(vault.TokenRandom, emailOf("c-1"))), "denied")
		}
	}
	is(t, "support makes one", tokenOf(t, v.Vault, support, tokensAs(vault.TokenRandom, emailOf("c-1"))), "denied")
	is(t, "a field without the purpose", tokenOf(t, v.Vault, v.As("marketing", "marketing"), tokensAs(vault.TokenRandom, phoneIn("c-1"))), "not found")
	for what, item := range map[string]vault.TokenItem{
		"nobody": emailOf("c-9"), "no record": {Subject: "c-1", Record: "x", Field: "email"}, "no value": {Subject: "c-1", Record: "self", Field: "fax"},
	} {
		is(t, what, tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, item)), "not found")
	}
	for rule, in := range map[string]vault.Tokenising{
		"kind must be random":                    tokensAs("x", emailOf("c-1")),
		"subject must be":                        tokensAs(vault.TokenRandom, emailOf("..")),
		"field must be named":                    tokensAs(vault.TokenRandom, vault.TokenItem{Subject: "c-1", Record: "self", Field: "*"}),
		"must name fields of the collection":     tokensAs(vault.TokenRandom, vault.TokenItem{Subject: "c-1", Record: "self", Field: "x"}),
		"customer.email has no form":             tokensAs(vault.TokenFormat, emailOf("c-1")),
		"collection is not":                      {Kind: vault.TokenRandom, Collection: "x", Items: []vault.TokenItem{emailOf("c-1")}},
		"expires_in must be":                     {Kind: vault.TokenRandom, Collection: "customer", Items: []vault.TokenItem{emailOf("c-1")}, Life: vault.MaxTokenLife + time.Second},
		"kind must not be deterministic of":      {Kind: vault.TokenDeterministic, Collection: "customer", Items: []vault.TokenItem{emailOf("c-1")}, Once: true},
		"kind must not be deterministic of toke": {Kind: vault.TokenDeterministic, Collection: "customer", Items: []vault.TokenItem{emailOf("c-1")}, Life: time.Hour},
	} {
		if got := tokenOf(t, v.Vault, app, in); !strings.Contains(got, rule) {
			t.Errorf("%q: %q", rule, got)
		}
	}
	for _, p := range []accessctl.Purpose{"", "nothing"} {
		if _, err := v.Detokenise(t.Context(), v.As("app", p), []string{text}); !errors.As(err, new(*vault.InvalidError)) {
			t.Errorf("for %q: %v", p, err)
		}
	}
	if _, err := v.Detokenise(t.Context(), app, make([]string, vault.MaxItems+1)); !errors.Is(err, vault.ErrTooLarge) {
		t.Error(err)
	}
}

// A token shows what the field would show: nothing without consent, under a restriction,
// after an objection, beyond the retention.
func TestATokenShowsWhatTheFieldWould(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	by, officer := v.As("marketing", "marketing"), v.As("dpo", "")
	decide := func(decision string) {
		t.Helper()
		if _, err := v.RecordConsent(t.Context(), officer, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: decision}); err != nil {
			t.Fatal(err)
		}
	}
	is(t, "made without consent", tokenOf(t, v.Vault, by, tokensAs(vault.TokenRandom, emailOf("c-1"))), "not found")
	decide("granted")
	text := tokenOf(t, v.Vault, by, tokensAs(vault.TokenDeterministic, emailOf("c-1")))
	is(t, "granted", behindToken(t, v.Vault, by, text), "plain "+email)
	for decision, reason := range map[string]string{"withdrawn": "consent", "objected": "objection"} {
		decide(decision)
		is(t, decision, behindToken(t, v.Vault, by, text), "hidden "+reason)
		is(t, decision+", made", tokenOf(t, v.Vault, by, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), "not found")
		decide("granted")
		is(t, decision+" and granted again", behindToken(t, v.Vault, by, text), "plain "+email)
	}
	if err := v.SetRestriction(t.Context(), officer, "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	is(t, "restricted", behindToken(t, v.Vault, by, text), "hidden restricted")
	is(t, "restricted, made", tokenOf(t, v.Vault, by, tokensAs(vault.TokenRandom, emailOf("c-1"))), "not found")
	if err := v.SetRestriction(t.Context(), officer, "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	if err := v.SetHold(t.Context(), officer, "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	is(t, "held", behindToken(t, v.Vault, by, text), "plain "+email)
	app := v.As("app", "support")
	old := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	v.Clock.Advance(4 * 366 * 24 * time.Hour)
	is(t, "beyond the retention", behindToken(t, v.Vault, app, old), "hidden expired")
	is(t, "beyond the retention, made", tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))), "not found")
}

// A token ends with what it stands for, and what comes after under the same names has none.
func TestATokenEndsWithTheFieldAndTheRecord(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	put := func(fields map[string]string) { t.Helper(); v.Put(t, "c-1", "customer", "self", fields) }
	both := map[string]string{"email": email, "phone": phoneOfOne}
	for what, remove := range map[string]func(){
		"a field set to null": func() {
			w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Patch: true, Fields: vaulttest.Values(map[string]string{})}
			w.Fields["email"] = []byte("null")
			if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{}); err != nil {
				t.Fatal(err)
			}
		},
		"a field left out": func() { put(map[string]string{"phone": phoneOfOne}) },
		"a record deleted": func() {
			if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		put(both)
		gone, stays := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1")))
		is(t, what+", before", behindToken(t, v.Vault, app, gone), "plain "+email)
		remove()
		is(t, what, behindToken(t, v.Vault, app, gone), "not found")
		put(both)
		is(t, what+" and stored again", behindToken(t, v.Vault, app, gone), "not found")
		if next := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))); next == gone {
			t.Errorf("%s: the token is back", what)
		}
		want := "plain " + phoneOfOne
		if what == "a record deleted" {
			want = "not found"
		}
		is(t, what+": the other field", behindToken(t, v.Vault, app, stays), want)
	}
}

// After an erasure tokens of all kinds stand for nothing, before and after the sweep, nor
// for what is stored later under the same name; and the sweep leaves no row.
func TestTokensDieWithThePerson(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	app, officer := v.As("app", "billing"), v.As("dpo", "")
	texts, others := everyKind(t, v, "c-1"), everyKind(t, v, "c-2")
	if _, err := v.Erase(t.Context(), officer, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	dead := func(when string) {
		t.Helper()
		for what, text := range texts {
			is(t, what+" "+when, behindToken(t, v.Vault, app, text), "not found")
		}
		is(t, "made "+when, tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))), "not found")
	}
	dead("erased")
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead("swept")
	if n := len(allTokens(t, v)); n != len(others) {
		t.Errorf("%d rows are left, want the other person's %d", n, len(others))
	}
	if _, err := v.Reenrol(t.Context(), officer, "c-1"); err != nil {
		t.Fatal(err)
	}
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	for what, text := range texts {
		is(t, what+" come back", behindToken(t, v.Vault, app, text), "not found")
	}
	if next := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))); next == texts["deterministic"] {
		t.Error("the earlier life's token is back")
	}
	for what, text := range others {
		if got := behindToken(t, v.Vault, app, text); got != "plain "+email && got != "plain "+phoneOfOne {
			t.Errorf("%s of the other person: %s", what, got)
		}
	}
}

// allTokens are the rows of the tenant.
func allTokens(t *testing.T, v *vaulttest.Vault) (rows []vault.TokenRow) {
	t.Helper()
	err := v.Store.View(t.Context(), func(tx vault.Tx) error {
		list, err := tx.Tenants(t.Context())
		if err != nil {
			return err
		}
		rows, err = tx.Tokens(t.Context(), list[0].ID, nil, 10_000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// A restored database brings no token of an erased person back, neither before the replay
// nor after it.
func TestARestoreBringsNoTokenBack(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email, "phone": phoneOfOne})
	app := v.As("app", "billing")
	dead, alive := everyKind(t, v, "c-1"), everyKind(t, v, "c-2")
	path := backup(t, v)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	r := restored(t, v, path)
	for what, text := range dead {
		is(t, what+" before the replay", behindToken(t, r.Vault, app, text), "unavailable")
	}
	is(t, "made before the replay", tokenOf(t, r.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))), "unavailable")
	if _, err := r.Replay(t.Context(), r.Operator(), nil); err != nil {
		t.Fatal(err)
	}
	for what, text := range dead {
		is(t, what, behindToken(t, r.Vault, app, text), "not found")
	}
	for what, text := range alive {
		if got := behindToken(t, r.Vault, app, text); !strings.HasPrefix(got, "plain") {
			t.Errorf("%s of the other person: %s", what, got)
		}
	}
}

// Of 64 calls at once that use one single-use token one gets the value.
func TestASingleUseTokenIsUsedOnce(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "support")
	in := tokensAs(vault.TokenRandom, emailOf("c-1"))
	in.Once = true
	for round := range 3 {
		text := tokenOf(t, v.Vault, app, in)
		is(t, "who may not use it does not use it up", behindToken(t, v.Vault, v.As("billing", "billing"), text), "denied")
		is(t, "for another purpose", behindToken(t, v.Vault, v.As("app", "billing"), text), "not found")
		got := make([]string, 64)
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i] = behindToken(t, v.Vault, app, text) })
		}
		all.Wait()
		count := map[string]int{}
		for _, s := range got {
			count[s]++
		}
		if d := cmp.Diff(map[string]int{"plain " + email: 1, "not found": 63}, count); d != "" {
			t.Errorf("round %d: %s", round, d)
		}
		is(t, "again", behindToken(t, v.Vault, app, text), "not found")
	}
	// Twice in one call, beside one that stays.
	text, stays := tokenOf(t, v.Vault, app, in), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	out, err := v.Detokenise(t.Context(), app, []string{text, stays, text, stays})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range out {
		list = append(list, seenBy(out[i]))
	}
	if d := cmp.Diff([]string{"plain " + email, "plain " + email, "not found", "plain " + email}, list); d != "" {
		t.Error(d)
	}
}

// A single-use token that could not be opened is used up; one by which nothing may be seen
// is not.
func TestWhatUsesATokenUp(t *testing.T) {
	v := withTokens(t, vaulttest.Options{CacheAge: -1})
	app := v.As("app", "support")
	in := tokensAs(vault.TokenRandom, emailOf("c-1"))
	in.Once = true
	first, second := tokenOf(t, v.Vault, app, in), tokenOf(t, v.Vault, app, in)
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	is(t, "restricted", behindToken(t, v.Vault, app, first), "hidden restricted")
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	is(t, "free again", behindToken(t, v.Vault, app, first), "plain "+email)
	v.KEK.Fail(errors.New("down"))
	is(t, "without the key-encryption key", behindToken(t, v.Vault, app, second), "unavailable")
	v.KEK.Fail(nil)
	is(t, "with it again", behindToken(t, v.Vault, app, second), "not found")
}

// A value that cannot be opened has no token, and that is on record: before the request is.
func TestATokenOfAValueThatDoesNotOpen(t *testing.T) {
	v := withTokens(t, vaulttest.Options{CacheAge: -1})
	app := v.As("app", "support")
	for kind, in := range map[string]vault.Tokenising{
		"deterministic": tokensAs(vault.TokenDeterministic, emailOf("c-1")), "format": tokensAs(vault.TokenFormat, phoneIn("c-1")),
	} {
		before := len(v.Events(t))
		v.KEK.Fail(errors.New("down"))
		is(t, kind+" without the key-encryption key", tokenOf(t, v.Vault, app, in), "unavailable")
		v.KEK.Fail(nil)
		events := v.Events(t)[before:]
		if len(events) != 1 || events[0].Outcome != audit.Failed || events[0].Refers != uuid.Nil {
			t.Errorf("%s: on record is %+v", kind, events)
		}
	}
}

func TestAnExpiringToken(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	in := tokensAs(vault.TokenRandom, emailOf("c-1"))
	in.Life = time.Hour
	out, err := v.Tokenise(t.Context(), app, in)
	if err != nil || !out[0].Expires.Equal(v.Clock.Now().Add(time.Hour)) {
		t.Fatal(out, err)
	}
	text, forever := out[0].Token, tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1")))
	v.Clock.Advance(time.Hour - time.Microsecond)
	is(t, "just before", behindToken(t, v.Vault, app, text), "plain "+email)
	v.Clock.Advance(time.Microsecond)
	is(t, "then", behindToken(t, v.Vault, app, text), "not found")
	v.Clock.Advance(time.Second)
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(allTokens(t, v)); n != 1 {
		t.Errorf("%d rows are left", n)
	}
	is(t, "the other", behindToken(t, v.Vault, app, forever), "plain "+email)
}

func TestRevokedTokens(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	a, b := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1")))
	other := tokenOf(t, v.Vault, v.As("app", "support"), tokensAs(vault.TokenRandom, emailOf("c-1")))
	errs, err := v.RevokeTokens(t.Context(), app, []string{a, "fvt_x", other, a})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, err := range errs {
		if err == nil {
			got = append(got, "ok")
			continue
		}
		got = append(got, name(err))
	}
	if d := cmp.Diff([]string{"ok", "not found", "not found", "ok"}, got); d != "" {
		t.Error(d)
	}
	is(t, "revoked", behindToken(t, v.Vault, app, a), "not found")
	is(t, "the other", behindToken(t, v.Vault, app, b), "plain "+phoneOfOne)
	is(t, "another purpose's", behindToken(t, v.Vault, v.As("app", "support"), other), "plain "+email)
	if next := tokenOf(t, v.Vault, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))); next == a {
		t.Error("a revoked token came back")
	}
	if _, err := v.RevokeTokens(t.Context(), v.As("support", "support"), []string{other}); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("support revokes: %v", err)
	}
	// One person is restricted: taking back is possible all the same.
	if err := v.SetRestriction(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	if errs, err := v.RevokeTokens(t.Context(), app, []string{b}); err != nil || errs[0] != nil {
		t.Error(errs, err)
	}
	if d := cmp.Diff([]string{"revoked", "revoked"}, codesOf(eventsOf(t, v, accessctl.ActionTokenise), audit.Allowed)); d != "" {
		t.Error(d)
	}
}

// codesOf are the codes, but for none, of events with an outcome.
func codesOf(events []audit.Event, o audit.Outcome) (codes []string) {
	for _, e := range events {
		if e.Outcome == o && e.Code != "" {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// I10: each call is on record, one event a person and one for what stands for nothing, and
// names neither token nor value.
func TestTokensAreOnRecord(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": "other@example.org"})
	app := v.As("app", "support")
	out, err := v.Tokenise(t.Context(), app, tokensAs(vault.TokenDeterministic, emailOf("c-1"), emailOf("c-2"), phoneIn("c-1"), phoneIn("c-2")))
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{out[0].Token, "fvt_" + strings.Repeat("a", 32), out[1].Token, out[2].Token, ""}
	if _, err := v.Detokenise(t.Context(), v.As("support", "support"), texts); err != nil {
		t.Fatal(err)
	}
	list := func(a accessctl.Action) (got []string) {
		for _, e := range eventsOf(t, v, a) {
			got = append(got, fmt.Sprint(e.Outcome, " ", e.Code, " ", e.Purpose, " ", e.UID != uuid.Nil, " ", e.Subject, " ", e.Fields))
			leaf, err := e.AppendLeaf(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range append(texts, email, phoneOfOne, "fvt_") {
				if s != "" && strings.Contains(string(leaf), s) {
					t.Errorf("an event of %s tells %q", a, s)
				}
			}
		}
		return got
	}
	if d := cmp.Diff([]string{
		"allowed  support true [{kind deterministic} {roles app}] [{1 9 hidden  1} {1 11 hidden  1}]",
		"allowed not_found support true [{kind deterministic} {roles app}] [{1 11 hidden  1}]",
	}, list(accessctl.ActionTokenise)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{
		"failed not_found support false [{roles support}] []",
		"allowed  support true [{roles support}] [{1 9 masked  1} {1 11 masked  1}]",
		"allowed  support true [{roles support}] [{1 11 masked  1}]",
	}, list(accessctl.ActionDetokenise)); d != "" {
		t.Error(d)
	}
}

// The people whom tokens show count as people shown, and a token that the limit refuses is
// not used up.
func TestTokensCountForTheReadLimit(t *testing.T) {
	v := withTokens(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 1}})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	app := v.As("app", "support")
	in := tokensAs(vault.TokenRandom, emailOf("c-2"))
	in.Once = true
	one, two := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, emailOf("c-1"))), tokenOf(t, v.Vault, app, in)
	is(t, "the first", behindToken(t, v.Vault, app, one), "plain "+email)
	if _, err := v.Detokenise(t.Context(), app, []string{two}); !errors.As(err, new(*vault.LimitError)) {
		t.Errorf("the second: %v", err)
	}
	v.Clock.Advance(2 * time.Hour)
	is(t, "the second, later", behindToken(t, v.Vault, app, two), "plain "+email)
}

// Stable over restarts and all rotations; what is kept of a token opens with the person's
// newest key alone.
func TestTokensStayOverRotations(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app, operator := v.As("app", "billing"), v.As("operator", "")
	texts := everyKind(t, v, "c-1")
	rotate(t, v, vaulttest.Tenant)
	rewrap(t, v, v.Vault)
	if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	rotatePerson(t, v, "c-1")
	reseal(t, v)
	if _, err := v.RetirePerson(t.Context(), operator, "c-1"); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]*vault.Vault{"here": v.Vault, "another process": node(t, v, v.Store, v.KEK)} {
		is(t, what, tokenOf(t, n, app, tokensAs(vault.TokenDeterministic, emailOf("c-1"))), texts["deterministic"])
		is(t, what+", of a form", tokenOf(t, n, app, tokensAs(vault.TokenFormat, phoneIn("c-1"))), texts["format"])
		is(t, what+", random", behindToken(t, n, app, texts["random"]), "plain "+email)
	}
}

// takenStore is one whose tenant has every token already.
type takenStore struct {
	vault.Store
	vault.Settler
	asked int
}

type takenTx struct {
	vault.Tx
	s *takenStore
}

func (t takenTx) InsertTokens(_ context.Context, _ int32, rows []vault.TokenRow) (taken [][]byte, err error) {
	t.s.asked++
	for i := range rows {
		taken = append(taken, rows[i].Hash)
	}
	return taken, nil
}

func (s *takenStore) Update(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.Update(ctx, func(tx vault.Tx) error { return f(takenTx{tx, s}) })
}

// A form of which every token is taken is an error that says so, after as many tries as are
// bounded.
func TestAFormThatIsFull(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	settler, ok := v.Store.(vault.Settler)
	if !ok {
		t.Fatal("the store does not settle")
	}
	s := &takenStore{Store: v.Store, Settler: settler}
	n := node(t, v, s, v.KEK)
	got := tokenOf(t, n, v.As("app", "billing"), tokensAs(vault.TokenFormat, phoneIn("c-1")))
	if !strings.Contains(got, "customer.phone has no token of its form left") {
		t.Error(got)
	}
	if s.asked < 10 || s.asked > 100 {
		t.Errorf("%d tries", s.asked)
	}
	if d := cmp.Diff([]string{"conflict"}, codesOf(eventsOf(t, v, accessctl.ActionTokenise), audit.Denied)); d != "" && len(codesOf(eventsOf(t, v, accessctl.ActionTokenise), audit.Failed)) != 1 {
		t.Error(d)
	}
}

// Tokens of one form do not meet: on 2,000 of the least domain some do by chance, and each
// is made anew.
func TestTokensOfAFormAreDistinct(t *testing.T) {
	cat := strings.Replace(string(sample.Catalog()), "token: {alphabet: digits, keep: 2}", "token: {alphabet: digits, length: 6}", 1)
	v := newVault(t, vaulttest.Options{Catalog: cat})
	app := v.As("app", "billing")
	in := vault.Tokenising{Kind: vault.TokenFormat, Collection: "customer", Life: time.Hour}
	for _, s := range []string{"c-1", "c-2", "c-3"} {
		v.Put(t, s, "customer", "self", map[string]string{"phone": phoneOfOne})
	}
	seen := map[string]bool{}
	for _, s := range []string{"c-1", "c-2", "c-3"} {
		in.Items = nil
		for range vault.MaxTokens {
			in.Items = append(in.Items, phoneIn(s))
		}
		out, err := v.Tokenise(t.Context(), app, in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out {
			if m.Err != nil || len(m.Token) != 6 || seen[m.Token] {
				t.Fatalf("%q: %v", m.Token, m.Err)
			}
			seen[m.Token] = true
		}
	}
	got := tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1")))
	if !strings.Contains(got, "customer.phone has 1000 tokens") {
		t.Errorf("one more: %s", got)
	}
	v.Clock.Advance(time.Hour)
	isToken(t, "once they have expired", tokenOf(t, v.Vault, app, tokensAs(vault.TokenRandom, phoneIn("c-1"))))
}

// A person, and an officer without values, see that tokens stand for what is held.
func TestAnExportCountsTokens(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	everyKind(t, v, "c-1")
	tokenOf(t, v.Vault, v.As("app", "billing"), tokensAs(vault.TokenRandom, emailOf("c-1")))
	soon := tokensAs(vault.TokenRandom, emailOf("c-1"))
	soon.Life = time.Hour
	tokenOf(t, v.Vault, v.As("app", "support"), soon)
	want := []vault.ManifestTokens{
		{Collection: "customer", Field: "email", Purpose: "billing", Kind: vault.TokenDeterministic, Count: 1},
		{Collection: "customer", Field: "email", Purpose: "billing", Kind: vault.TokenRandom, Count: 3},
		{Collection: "customer", Field: "email", Purpose: "support", Kind: vault.TokenRandom, Count: 1, Expires: v.Clock.Now().Add(time.Hour)},
		{Collection: "customer", Field: "phone", Purpose: "billing", Kind: vault.TokenFormat, Count: 2},
	}
	for what, c := range map[string]accessctl.Caller{"the person": v.Person("c-1", ""), "an officer": v.As("dpo", "")} {
		m, err := v.Export(t.Context(), c, "c-1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, m.Tokens); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	v.Clock.Advance(time.Hour)
	if m, err := v.Export(t.Context(), v.As("dpo", ""), "c-1"); err != nil || len(m.Tokens) != 3 {
		t.Errorf("after one has expired: %+v, %v", m.Tokens, err)
	}
}

// After the catalog states another form, tokens of the old one still stand, and the next has
// the new one.
func TestAFormThatChanges(t *testing.T) {
	v := withTokens(t, vaulttest.Options{})
	app := v.As("app", "billing")
	old := tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-1")))
	next := strings.Replace(string(sample.Catalog()), "token: {alphabet: digits, keep: 2}", "token: {alphabet: digits, length: 12}", 1)
	if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(next), false); err != nil {
		t.Fatal(err)
	}
	text := tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-1")))
	if !regexp.MustCompile(`^\d{12}$`).MatchString(text) {
		t.Errorf("%q", text)
	}
	is(t, "again", tokenOf(t, v.Vault, app, tokensAs(vault.TokenFormat, phoneIn("c-1"))), text)
	for _, s := range []string{old, text} {
		is(t, "shown", behindToken(t, v.Vault, app, s), "plain "+phoneOfOne)
	}
}
