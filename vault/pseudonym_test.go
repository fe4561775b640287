package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// named is a vault in which analytics has two recipients, and each of app and dpo may
// do both actions for every purpose.
func named(t *testing.T, opts vaulttest.Options) *vaulttest.Vault {
	t.Helper()
	opts.Catalog = strings.Replace(string(sample.Catalog()), "recipients: [Analysts]", "recipients: [Analysts, A university]", 1)
	opts.Policy = string(sample.Policy()) + `
@id("test-names") permit (principal in Role::"dpo", action in [Action::"pseudonymise", Action::"resolve"], resource);`
	return newVault(t, opts)
}

// agree stores a person who consents to analytics.
func agree(t *testing.T, v *vaulttest.Vault, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		v.Put(t, s, "customer", "self", map[string]string{"email": s + "@example.org"})
		analytics(t, v, s, "granted")
	}
}

func analytics(t *testing.T, v *vaulttest.Vault, subject, decision string) {
	t.Helper()
	if _, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: subject, Purpose: "analytics", Decision: decision}); err != nil {
		t.Fatal(err)
	}
}

// pseudonym is that of one person, or what came instead.
func pseudonym(t *testing.T, v *vault.Vault, c accessctl.Caller, recipient, subject string) string {
	t.Helper()
	out, err := v.Pseudonymise(t.Context(), c, recipient, []string{subject})
	switch {
	case err != nil:
		return name(err)
	case out[0].Err != nil:
		return name(out[0].Err)
	}
	return out[0].Text
}

// behindName is whom a pseudonym stands for, or what came instead.
func behindName(t *testing.T, v *vault.Vault, c accessctl.Caller, recipient, text string) string {
	t.Helper()
	out, err := v.Resolve(t.Context(), c, recipient, []string{text})
	switch {
	case err != nil:
		return name(err)
	case out[0].Err != nil:
		return name(out[0].Err)
	}
	return out[0].Subject
}

func is(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// isName fails unless it is a pseudonym.
func isName(t *testing.T, what, text string) {
	t.Helper()
	if !strings.HasPrefix(text, "fp1:") {
		t.Errorf("%s: no pseudonym: %q", what, text)
	}
}

func TestPseudonymsOfPurposesAndRecipients(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1", "c-2")
	dpo := func(p accessctl.Purpose) accessctl.Caller { return v.As("dpo", p) }
	seen := map[string]string{}
	for _, s := range []string{"c-1", "c-2"} {
		for recipient, p := range map[string]accessctl.Purpose{"Analysts": "analytics", "A university": "analytics", "Accounting": "billing", "Customer support": "support"} {
			text, what := pseudonym(t, v.Vault, dpo(p), recipient, s), s+" for "+recipient
			isName(t, what, text)
			if other, ok := seen[text]; ok {
				t.Errorf("%s and %s have one pseudonym", what, other)
			}
			seen[text] = what
			is(t, what+" again", pseudonym(t, v.Vault, dpo(p), recipient, s), text)
			is(t, what+" resolved", behindName(t, v.Vault, dpo(p), recipient, text), s)
			for other, q := range map[string]accessctl.Purpose{"Analysts": "analytics", "A university": "analytics", "Accounting": "billing"} {
				if other != recipient {
					is(t, what+" resolved as "+other, behindName(t, v.Vault, dpo(q), other, text), "not found")
				}
			}
		}
	}
	app := v.As("app", "analytics")
	isName(t, "the application", pseudonym(t, v.Vault, app, "Analysts", "c-1"))
	is(t, "the application resolves", behindName(t, v.Vault, app, "Analysts", "fp1:x"), "denied")
	is(t, "an analyst", pseudonym(t, v.Vault, v.As("analyst", "analytics"), "Analysts", "c-1"), "denied")
	is(t, "an operator", pseudonym(t, v.Vault, v.As("operator", "analytics"), "Analysts", "c-1"), "denied")
	is(t, "nobody", pseudonym(t, v.Vault, app, "Analysts", "c-9"), "not found")
	is(t, "no name", pseudonym(t, v.Vault, app, "Analysts", ".."), "invalid input: subject must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ : + - and not . or ..")
	is(t, "another recipient", pseudonym(t, v.Vault, app, "Marketing", "c-1"),
		"invalid input: recipient must be one that the purpose lists: Analysts, A university")
	for _, p := range []accessctl.Purpose{"", "nothing", accessctl.PurposeSelf} {
		if _, err := v.Pseudonymise(t.Context(), dpo(p), "Analysts", []string{"c-1"}); !errors.As(err, new(*vault.InvalidError)) && !errors.Is(err, vault.ErrDenied) {
			t.Errorf("for %q: %v", p, err)
		}
	}
	if _, err := v.Resolve(t.Context(), dpo("analytics"), "Analysts", make([]string, vault.MaxItems+1)); !errors.Is(err, vault.ErrTooLarge) {
		t.Errorf("too many: %v", err)
	}
}

// A pseudonym goes by what the person says of the purpose, at once, and all who have
// none look alike.
func TestAPseudonymLivesWhileThePurposeHolds(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1")
	v.Put(t, "silent", "customer", "self", map[string]string{"email": email})
	dpo, officer := v.As("dpo", "analytics"), v.As("dpo", "")
	text := pseudonym(t, v.Vault, dpo, "Analysts", "c-1")
	isName(t, "with consent", text)
	is(t, "never asked", pseudonym(t, v.Vault, dpo, "Analysts", "silent"), "not found")
	dead := func(why string) {
		t.Helper()
		is(t, why, pseudonym(t, v.Vault, dpo, "Analysts", "c-1"), "not found")
		is(t, why+", resolved", behindName(t, v.Vault, dpo, "Analysts", text), "not found")
	}
	alive := func(why string) {
		t.Helper()
		is(t, why, pseudonym(t, v.Vault, dpo, "Analysts", "c-1"), text)
		is(t, why+", resolved", behindName(t, v.Vault, dpo, "Analysts", text), "c-1")
	}
	analytics(t, v, "c-1", "withdrawn")
	dead("withdrawn")
	analytics(t, v, "c-1", "granted")
	alive("granted again")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(v.SetRestriction(t.Context(), officer, "c-1", true, ""))
	dead("restricted")
	must(v.SetRestriction(t.Context(), officer, "c-1", false, ""))
	alive("free again")

	// An objection ends a purpose that rests on no consent.
	by := v.As("dpo", "marketing")
	if _, err := v.RecordConsent(t.Context(), officer, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: "granted"}); err != nil {
		t.Fatal(err)
	}
	other := pseudonym(t, v.Vault, by, "Marketing", "c-1")
	isName(t, "marketing", other)
	if _, err := v.RecordConsent(t.Context(), officer, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: "objected"}); err != nil {
		t.Fatal(err)
	}
	is(t, "objected", behindName(t, v.Vault, by, "Marketing", other), "not found")
	alive("the other purpose")
}

// After an erasure a pseudonym stands for nobody, before and after the sweep; whoever
// comes back has another.
func TestAPseudonymDiesWithThePerson(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1")
	dpo, officer := v.As("dpo", "analytics"), v.As("dpo", "")
	text := pseudonym(t, v.Vault, dpo, "Analysts", "c-1")
	is(t, "alive", behindName(t, v.Vault, dpo, "Analysts", text), "c-1")
	if _, err := v.Erase(t.Context(), officer, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	dead := func(when string) {
		t.Helper()
		is(t, when, behindName(t, v.Vault, dpo, "Analysts", text), "not found")
	}
	dead("erased")
	is(t, "made after the erasure", pseudonym(t, v.Vault, dpo, "Analysts", "c-1"), "not found")
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead("swept")
	for _, e := range eventsOf(t, v, accessctl.ActionResolve) {
		if e.Outcome != audit.Allowed && e.UID != uuid.Nil && e.Code != "gone" {
			t.Errorf("%+v", e)
		}
	}
	if _, err := v.Reenrol(t.Context(), officer, "c-1"); err != nil {
		t.Fatal(err)
	}
	agree(t, v, "c-1")
	dead("come back")
	again := pseudonym(t, v.Vault, dpo, "Analysts", "c-1")
	isName(t, "come back", again)
	if again == text {
		t.Error("the earlier life's pseudonym is back")
	}
	is(t, "the new one", behindName(t, v.Vault, dpo, "Analysts", again), "c-1")
}

// eventsOf are all events of one action.
func eventsOf(t *testing.T, v *vaulttest.Vault, a accessctl.Action) (list []audit.Event) {
	t.Helper()
	for _, row := range events(t, v) {
		if row.Action == a {
			list = append(list, row)
		}
	}
	return list
}

// I10: each person is on record before their name is shown; what stands for nobody is
// one event of nobody.
func TestResolvingIsOnRecordForEachPerson(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1", "c-2")
	dpo := v.As("dpo", "analytics")
	one, two := pseudonym(t, v.Vault, dpo, "A university", "c-1"), pseudonym(t, v.Vault, dpo, "A university", "c-2")
	out, err := v.Resolve(t.Context(), dpo, "A university", []string{two, "", one, "fp1:" + strings.Repeat("A", 48), two})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range out {
		if r.Err != nil {
			got = append(got, name(r.Err))
			continue
		}
		got = append(got, r.Subject)
	}
	if d := cmp.Diff([]string{"c-2", "not found", "c-1", "not found", "c-2"}, got); d != "" {
		t.Error(d)
	}
	var events []string
	for _, e := range eventsOf(t, v, accessctl.ActionResolve) {
		events = append(events, fmt.Sprint(e.Outcome, " ", e.Code, " ", e.Purpose, " ", e.UID != uuid.Nil, " ", e.Subject))
	}
	if d := cmp.Diff([]string{
		"failed not_found analytics false [{recipient 2} {roles dpo}]",
		"allowed  analytics true [{recipient 2} {roles dpo}]",
		"allowed  analytics true [{recipient 2} {roles dpo}]",
	}, events); d != "" {
		t.Error(d)
	}
	if n := len(eventsOf(t, v, accessctl.ActionPseudonymise)); n != 2 {
		t.Errorf("%d events of making", n)
	}
}

// Names that are resolved count as people shown.
func TestResolvingCountsForTheReadLimit(t *testing.T) {
	v := named(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 1}})
	agree(t, v, "c-1", "c-2")
	dpo := v.As("dpo", "analytics")
	one, two := pseudonym(t, v.Vault, dpo, "Analysts", "c-1"), pseudonym(t, v.Vault, dpo, "Analysts", "c-2")
	is(t, "the first", behindName(t, v.Vault, dpo, "Analysts", one), "c-1")
	if _, err := v.Resolve(t.Context(), dpo, "Analysts", []string{two}); !errors.As(err, new(*vault.LimitError)) {
		t.Errorf("the second: %v", err)
	}
}

// Stable over restarts, a rotation and rewrap of the tenant's key-encryption key, a
// retired version, and a rotation of the person's own keys.
func TestPseudonymsStayOverRotations(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1")
	dpo := v.As("dpo", "analytics")
	text := pseudonym(t, v.Vault, dpo, "Analysts", "c-1")
	rotate(t, v, vaulttest.Tenant)
	rewrap(t, v, v.Vault)
	if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.RotatePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]*vault.Vault{"here": v.Vault, "another process": node(t, v, v.Store, v.KEK)} {
		is(t, what, pseudonym(t, n, dpo, "Analysts", "c-1"), text)
		is(t, what+", resolved", behindName(t, n, dpo, "Analysts", text), "c-1")
	}
}

// A restored database brings no pseudonym back.
func TestARestoreBringsNoPseudonymBack(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "erased", "withdrawn", "alive")
	dpo := v.As("dpo", "analytics")
	texts := map[string]string{}
	for _, s := range []string{"erased", "withdrawn", "alive"} {
		texts[s] = pseudonym(t, v.Vault, dpo, "Analysts", s)
	}
	path := backup(t, v)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "erased"}); err != nil {
		t.Fatal(err)
	}
	analytics(t, v, "withdrawn", "withdrawn")
	r := restored(t, v, path)
	for s, text := range texts {
		is(t, s+" before the replay", behindName(t, r.Vault, dpo, "Analysts", text), "unavailable")
		is(t, s+" made before the replay", pseudonym(t, r.Vault, dpo, "Analysts", s), "unavailable")
	}
	if _, err := r.Replay(t.Context(), r.Operator(), nil); err != nil {
		t.Fatal(err)
	}
	is(t, "erased", behindName(t, r.Vault, dpo, "Analysts", texts["erased"]), "not found")
	is(t, "withdrawn", behindName(t, r.Vault, dpo, "Analysts", texts["withdrawn"]), "not found")
	is(t, "alive", behindName(t, r.Vault, dpo, "Analysts", texts["alive"]), "alive")
}

// Of processes that make a tenant at once one key wins, and each goes by it. Nothing
// of one tenant means anything in another.
func TestTenantsMadeAtOnceHaveOnePseudonymKey(t *testing.T) {
	v := named(t, vaulttest.Options{})
	nodes := make([]*vault.Vault, 4)
	for i := range nodes {
		nodes[i] = node(t, v, v.Store, v.KEK)
	}
	errs := make([]error, len(nodes))
	var all sync.WaitGroup
	for i, n := range nodes {
		all.Go(func() { _, errs[i] = n.CreateTenant(t.Context(), v.Operator(), v.Keeper(), "acme") })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	local := v.Operator()
	local.Tenant = "acme"
	if _, err := nodes[0].ApplyCatalog(t.Context(), local, []byte(strings.ReplaceAll(string(sample.Catalog()), "basis: consent", "basis: contract")), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := nodes[0].ApplyPolicy(t.Context(), local, []byte(`permit (principal, action, resource);`), false); err != nil {
		t.Fatal(err)
	}
	c := v.As("dpo", "analytics")
	c.Tenant = "acme"
	w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
	if _, err := nodes[1].Put(t.Context(), c, w, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
	text := pseudonym(t, nodes[0], c, "Analysts", "c-1")
	isName(t, "the first node", text)
	for i, n := range nodes {
		is(t, fmt.Sprint("node ", i), pseudonym(t, n, c, "Analysts", "c-1"), text)
	}
	is(t, "in its own tenant", behindName(t, nodes[3], c, "Analysts", text), "c-1")
	agree(t, v, "c-1")
	is(t, "in another tenant", behindName(t, v.Vault, v.As("dpo", "analytics"), "Analysts", text), "not found")
	if mine := pseudonym(t, v.Vault, v.As("dpo", "analytics"), "Analysts", "c-1"); mine == text {
		t.Error("two tenants have one pseudonym")
	}
}

// An olderStore is of a tenant that was made before there were pseudonyms.
type olderStore struct {
	vault.Store
	vault.Settler
	older *atomic.Bool
}

type olderTx struct{ vault.Tx }

func (t olderTx) TenantKeys(ctx context.Context, tenant int32) ([]vault.TenantKey, error) {
	keys, err := t.Tx.TenantKeys(ctx, tenant)
	return slices.DeleteFunc(keys, func(k vault.TenantKey) bool { return k.Label == "pseudonym" }), err
}

func (s olderStore) View(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.View(ctx, func(tx vault.Tx) error {
		if s.older.Load() {
			tx = olderTx{tx}
		}
		return f(tx)
	})
}

// A tenant without the key works but for pseudonyms: no node makes one, under which
// people would have other pseudonyms than on another. Nodes that run take up the
// keeper's.
func TestATenantWithoutAPseudonymKey(t *testing.T) {
	v := named(t, vaulttest.Options{})
	agree(t, v, "c-1")
	dpo := v.As("dpo", "analytics")
	text := pseudonym(t, v.Vault, dpo, "Analysts", "c-1")
	settler, ok := v.Store.(vault.Settler)
	if !ok {
		t.Fatal("the store does not settle")
	}
	store := olderStore{Store: v.Store, Settler: settler, older: new(atomic.Bool)}
	store.older.Store(true)
	n := node(t, v, store, v.KEK)
	is(t, "made", pseudonym(t, n, dpo, "Analysts", "c-1"), "unavailable")
	is(t, "resolved", behindName(t, n, dpo, "Analysts", text), "unavailable")
	store.older.Store(false)
	is(t, "made later", pseudonym(t, n, dpo, "Analysts", "c-1"), text)
	is(t, "resolved later", behindName(t, n, dpo, "Analysts", text), "c-1")
}
