package vault_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// itemsOf asks for one field of each person.
func itemsOf(names []string, field string) []vault.Item {
	items := make([]vault.Item, len(names))
	for i, n := range names {
		items[i] = vault.Item{Subject: n, Collection: "customer", Record: "self", Fields: []string{field}}
	}
	return items
}

// limited is how long a caller must wait, which is 0 for one who needs not.
func limited(t *testing.T, err error) time.Duration {
	t.Helper()
	var l *vault.LimitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &l):
		t.Fatalf("the error is %v", err)
	}
	return l.Retry
}

func TestBeyondTheReadLimitNothingIsShown(t *testing.T) {
	v := newVault(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 3}})
	names := people(t, v, 6)
	app, support := v.As("app", "support"), v.As("support", "support")
	read := func(c accessctl.Caller, names ...string) error {
		_, err := v.Reveal(t.Context(), c, itemsOf(names, "email"))
		return err
	}
	if err := read(app, names[:2]...); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(10 * time.Minute)
	if err := read(app, names[2]); err != nil {
		t.Fatal(err)
	}
	before := len(events(t, v))
	if wait := limited(t, read(app, names[3])); wait != 50*time.Minute {
		t.Errorf("a fourth person: %v", wait)
	}
	if wait := limited(t, read(app, names[:5]...)); wait != 50*time.Minute {
		t.Errorf("two more people among others: %v", wait)
	}
	if wait := limited(t, read(app, names[:6]...)); wait != time.Hour {
		t.Errorf("three more people: %v", wait)
	}
	for _, e := range events(t, v)[before:] {
		if e.Outcome != audit.Denied || e.Code != "limit" || len(e.Fields) != 0 {
			t.Errorf("the event of a refusal: %+v", e)
		}
	}
	if n := len(events(t, v)) - before; n != 3 {
		t.Errorf("%d events of three refusals", n)
	}
	if err := read(app, names[:3]...); err != nil {
		t.Errorf("people who count already: %v", err)
	}
	if err := read(support, names[3]); err != nil {
		t.Errorf("another principal: %v", err)
	}
	for _, n := range names {
		if got := see(t, v, v.Person(n, accessctl.PurposeSelf), n, "email"); got != "plain: "+n+"@example.org" {
			t.Errorf("people read their own data: %q", got)
		}
	}
	v.Clock.Advance(time.Hour)
	if err := read(app, names[3:]...); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// What is not shown does not count: hidden, absent, or of nobody.
func TestOnlyWhatIsShownCountsForTheReadLimit(t *testing.T) {
	v := newVault(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 1}})
	names := people(t, v, 4)
	marketing := v.As("marketing", "marketing")
	for n, want := range map[string]string{names[0]: "hidden: consent", names[1]: "hidden: consent", "nobody": "not found"} {
		if got := see(t, v, marketing, n, "email"); got != want {
			t.Errorf("%s: %q, want %q", n, got, want)
		}
	}
	app := v.As("app", "support")
	if got := see(t, v, app, names[0], "phone"); got != "absent" {
		t.Errorf("what is not stored: %q", got)
	}
	if got := see(t, v, app, names[1], "email"); got != "plain: "+names[1]+"@example.org" {
		t.Errorf("the one who may be seen: %q", got)
	}
	if _, err := v.Reveal(t.Context(), app, itemsOf(names[:1], "email")); limited(t, err) == 0 {
		t.Error("a second person was shown")
	}
}

func TestDecryptAndSearchCountForTheReadLimit(t *testing.T) {
	v := newVault(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 1}})
	names := people(t, v, 3)
	app := v.As("app", "support")
	var kept []vault.Ciphertext
	for _, n := range names {
		out, err := v.Encrypt(t.Context(), app, []vault.Plaintext{{Subject: n, Field: "customer.email", Value: json.RawMessage(`"x@example.org"`)}})
		if err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
		kept = append(kept, vault.Ciphertext{Subject: n, Field: "customer.email", Ciphertext: out[0].Ciphertext})
	}
	if _, err := v.Decrypt(t.Context(), app, kept[:1]); err != nil {
		t.Fatal(err)
	}
	_, err := v.Decrypt(t.Context(), app, kept[1:2])
	if limited(t, err) == 0 {
		t.Error("a second person was decrypted")
	}
	find := func(n string) (vault.Matches, error) {
		return v.Search(t.Context(), app, vault.Query{Collection: "customer", Field: "email", Equals: json.RawMessage(`"` + n + `@example.org"`)})
	}
	if m, err := find(names[0]); err != nil || len(m.Matches) != 1 {
		t.Errorf("the person who counts already: %v, %v", m, err)
	}
	if _, err := find(names[1]); limited(t, err) == 0 {
		t.Error("a second person was found")
	}
	if m, err := find("nobody"); err != nil || len(m.Matches) != 0 {
		t.Errorf("nobody: %v, %v", m, err)
	}
}

func TestASecondPersonLiftsTheReadLimit(t *testing.T) {
	v := newVault(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 2, Approve: true}})
	names := people(t, v, 6)
	app := v.As("app", "support")
	read := func(n *vault.Vault, names ...string) error {
		_, err := n.Reveal(t.Context(), app, itemsOf(names, "email"))
		return err
	}
	if err := read(v.Vault, names[:2]...); err != nil {
		t.Fatal(err)
	}
	waits := asked(t, read(v.Vault, names[2]))
	if again := asked(t, read(v.Vault, names[3])); again.ID != waits.ID || waits.Kind != "reading" {
		t.Errorf("asked again: %+v, %+v", waits, again)
	}
	list := events(t, v)
	if e := list[len(list)-1]; e.Outcome != audit.Denied || e.Code != "approval" {
		t.Errorf("the event: %+v", e)
	}
	v.Clock.Advance(30 * time.Minute)
	if _, err := v.Approve(t.Context(), app, waits.ID, true); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("the one who asked approves: %v", err)
	}
	if w, err := v.Approve(t.Context(), officer(v, "second"), waits.ID, true); err != nil || w.Kind != "reading" {
		t.Fatalf("%+v, %v", w, err)
	}
	if err := read(v.Vault, names...); err != nil {
		t.Errorf("once a second person has agreed: %v", err)
	}
	other := v.Node(t, nil)
	if err := read(other, names...); err != nil {
		t.Errorf("at another node: %v", err)
	}
	v.Clock.Advance(time.Hour - time.Microsecond)
	if err := read(v.Vault, names...); err != nil {
		t.Errorf("at the end of the hour: %v", err)
	}
	v.Clock.Advance(time.Microsecond)
	if next := asked(t, read(v.Vault, names...)); next.ID == waits.ID {
		t.Error("the approval holds for more than an hour")
	}
	if next := asked(t, read(other, names...)); next.ID == waits.ID {
		t.Error("the approval holds for more than an hour at another node")
	}
}

func TestARefusedApprovalLiftsNoReadLimit(t *testing.T) {
	v := newVault(t, vaulttest.Options{ReadLimit: vault.ReadLimit{People: 1, Approve: true}})
	names := people(t, v, 2)
	app := v.As("app", "support")
	_, err := v.Reveal(t.Context(), app, itemsOf(names, "email"))
	waits := asked(t, err)
	if _, err := v.Approve(t.Context(), officer(v, "second"), waits.ID, false); err != nil {
		t.Fatal(err)
	}
	_, err = v.Reveal(t.Context(), app, itemsOf(names, "email"))
	if next := asked(t, err); next.ID == waits.ID {
		t.Error("the one that was refused is asked for again")
	}
	// Agreed to by SQL: the row does not bear the service's MAC, and lifts nothing.
	if _, err := behind(t, v).ExecContext(t.Context(), `UPDATE approval SET state = 2, decider = 'x', decided = created WHERE state = 1`); err != nil {
		t.Fatal(err)
	}
	_, err = v.Reveal(t.Context(), app, itemsOf(names, "email"))
	asked(t, err)
}
