package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// twoGroups is a catalog in which a field has a key group of its own.
const twoGroups = `
title: Test
groups:
  care: {title: Care}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support], index: {kind: equality}}
      note: {title: Note, type: text, purposes: [support], group: care, index: {kind: equality}}
`

const plainPolicy = `permit(principal in Role::"app", action, resource);
permit(principal in Role::"dpo", action, resource is Person);
permit(principal in Role::"operator", action, resource is Service);
permit(principal in Role::"subject", action, resource) when { context.own };`

func withNote(t *testing.T) *vaulttest.Vault {
	t.Helper()
	v := newVault(t, vaulttest.Options{Catalog: twoGroups, Policy: plainPolicy})
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "note": "allergic"})
	v.Put(t, "c-1", "customer", "other", map[string]string{"note": "asthma"})
	return v
}

func eraseGroups(t *testing.T, v *vaulttest.Vault, subject string, groups ...string) *evidence.Certificate {
	t.Helper()
	raw, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: subject, Groups: groups})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := evidence.OpenCertificate(raw, v.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAGroupDiesAndThePersonLivesOn(t *testing.T) {
	v := withNote(t)
	app := v.As("app", "support")
	sealed, err := v.Encrypt(t.Context(), app, []vault.Plaintext{{Subject: "c-1", Field: "customer.note", Value: json.RawMessage(`"kept"`)}})
	if err != nil || sealed[0].Err != nil {
		t.Fatal(sealed, err)
	}
	first := eraseGroups(t, v, "c-1", "care")
	if first.Scope != evidence.KeyGroups || len(first.Destroyed) != 1 || first.Destroyed[0].Group != "care" || !first.Ledger {
		t.Errorf("the certificate says %+v", first)
	}
	look := func(when, email1, note string) {
		t.Helper()
		for field, want := range map[string]string{"email": email1, "note": note} {
			if got := see(t, v, app, "c-1", field); got != want {
				t.Errorf("%s: %s is %q, want %q", when, field, got, want)
			}
		}
	}
	look("after it", "plain: "+email, "absent")
	out, err := v.Decrypt(t.Context(), app, []vault.Ciphertext{{Subject: "c-1", Field: "customer.note", Ciphertext: sealed[0].Ciphertext}})
	if err != nil || !errors.Is(out[0].Err, vault.ErrGone) {
		t.Errorf("a ciphertext that the application kept: %v, %v", out, err)
	}
	again := eraseGroups(t, v, "c-1", "care")
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("again another certificate: %s", d)
	}
	byID, err := v.Erasure(t.Context(), v.As("dpo", ""), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := evidence.OpenCertificate(byID, v.VerifierKey()); err != nil || c.ID != first.ID {
		t.Errorf("by its id: %v, %v", c, err)
	}

	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "note": "new"})
	look("written again", "plain: "+email, "plain: new")
	second := eraseGroups(t, v, "c-1", "care")
	if second.ID == first.ID || second.Destroyed[0].Epoch != first.Destroyed[0].Epoch+1 {
		t.Errorf("the second erasure: %+v", second.Destroyed)
	}
	look("after the second", "plain: "+email, "absent")
}

// I3: what a group's erasure leaves is cleaned away: ciphertext and index entries.
func TestWhatAGroupLeavesIsCleaned(t *testing.T) {
	v := withNote(t)
	count := func(sql string) (n int) {
		t.Helper()
		if err := behind(t, v).QueryRow(sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const size, entries = `SELECT sum(length(sealed)) FROM record`, `SELECT count(*) FROM search_index`
	before := count(size)
	eraseGroups(t, v, "c-1", "care")
	if n := count(entries); n != 3 {
		t.Fatalf("%d index entries before the clean-up, want 3", n)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(entries); n != 1 {
		t.Errorf("%d index entries are left, want that of the e-mail", n)
	}
	if n := count(size); n >= before-60 {
		t.Errorf("%d bytes of ciphertext of %d are left", n, before)
	}
	if n := count(`SELECT count(*) FROM shred`); n != 0 {
		t.Errorf("%d groups still wait to be cleaned", n)
	}
	if got := see(t, v, v.As("app", "support"), "c-1", "email"); got != "plain: "+email {
		t.Errorf("what lives on: %q", got)
	}
	if r, err := v.Fsck(t.Context(), v.Operator(), nil); err != nil || len(r.Findings) != 0 {
		t.Errorf("fsck: %+v, %v", r.Findings, err)
	}
}

// I7: a group's old key, and its ciphertext, put back by SQL do not open.
func TestAGroupsOldKeyPutBackDoesNotOpen(t *testing.T) {
	v := withNote(t)
	db := behind(t, v)
	for _, sql := range []string{`CREATE TABLE old_key AS SELECT * FROM subject`, `CREATE TABLE old_record AS SELECT * FROM record`} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	eraseGroups(t, v, "c-1", "care")
	for _, sql := range []string{
		`UPDATE subject SET (kek_version, keys) = (SELECT kek_version, keys FROM old_key o WHERE o.uid = subject.uid)`,
		`UPDATE record SET (revision, sealed) = (SELECT revision, sealed FROM old_record o WHERE o.uid = record.uid AND o.record = record.record)`,
	} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	if got := see(t, v, v.As("app", "support"), "c-1", "note"); got != "integrity" && got != "absent" {
		t.Errorf("with the old key put back: %q", got)
	}
}

func TestErasingGroupsThatAreNot(t *testing.T) {
	v := withNote(t)
	for _, groups := range [][]string{{}, {"nothing"}, {"identity"}, {"care", ""}} {
		_, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1", Groups: groups})
		var bad *vault.InvalidError
		if !errors.As(err, &bad) {
			t.Errorf("%q: %v", groups, err)
		}
	}
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": "b@example.org"})
	none := eraseGroups(t, v, "c-2", "care")
	if len(none.Destroyed) != 0 {
		t.Errorf("a group without a key: %+v", none.Destroyed)
	}
	if err := v.SetHold(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1", Groups: []string{"care"}}); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("under a hold: %v", err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2", Groups: []string{"care"}}); !errors.Is(err, vault.ErrGone) {
		t.Errorf("of an erased person: %v", err)
	}
}

// A staleStore is one in which something happens, once, after a request has read what
// decides.
type staleStore struct {
	*sqlitestore.Store
	after func()
}

func (s *staleStore) LoadForReveal(ctx context.Context, q vault.LoadQuery) (*vault.Loaded, error) {
	l, err := s.Store.LoadForReveal(ctx, q)
	if after := s.after; after != nil && len(q.Items) > 0 {
		s.after = nil
		after()
	}
	return l, err
}

// A write that was loaded before another group of the person was erased, and goes on once
// the ledger says so, is done: it begins again, and finds nothing wrong with the person.
func TestAWriteDuringTheErasureOfAGroup(t *testing.T) {
	clock := vaulttest.NewClock()
	store, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: filepath.Join(t.TempDir(), "vault.db"), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &staleStore{Store: store}
	v := newVault(t, vaulttest.Options{Catalog: twoGroups, Policy: plainPolicy, Store: s})
	for _, fields := range []map[string]string{{"email": "new@example.org"}, {"email": email, "note": "asthma"}} {
		v.Put(t, "c-1", "customer", "self", map[string]string{"email": email, "note": "allergic"})
		s.after = func() {
			eraseGroups(t, v, "c-1", "care")
			if err := v.Follow(t.Context()); err != nil {
				t.Error(err)
			}
		}
		v.Put(t, "c-1", "customer", "self", fields)
	}
}
