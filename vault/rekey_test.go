package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// takeReseal leases the job that seals values anew; it fails the test if there is none.
func takeReseal(t *testing.T, v *vaulttest.Vault) (j vault.Job) {
	t.Helper()
	now := v.Clock.Now()
	err := v.Store.Update(t.Context(), func(tx vault.Tx) (err error) {
		j, err = tx.TakeJob(t.Context(), []string{vault.JobReseal}, "test", now, now.Add(time.Minute))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// reseal runs the job to its end, as a runner does.
func reseal(t *testing.T, v *vaulttest.Vault) vault.Job {
	t.Helper()
	j := takeReseal(t, v)
	for range 1000 {
		next, done, err := v.ResealStep(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		if j = next; done {
			j.State = vault.JobDone
		}
		save(t, v, j)
		if done {
			return j
		}
	}
	t.Fatalf("the re-sealing does not end: %+v", j)
	return j
}

func rotatePerson(t *testing.T, v *vaulttest.Vault, subject string) []vault.PersonKey {
	t.Helper()
	keys, _, err := v.RotatePerson(t.Context(), v.As("operator", ""), subject)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// A loot is what a thief has who once saw the only person's keys in clear.
type loot map[uint32]*field.Key

func stealKeys(t *testing.T, v *vaulttest.Vault) loot {
	t.Helper()
	list := firstKeys(t, v, len(keysBelow(t, v, 1<<30)))
	keys, errs, err := v.Ring.Open(t.Context(), list)
	if err != nil || errs != nil {
		t.Fatal(err, errs)
	}
	l := loot{}
	for i := range list {
		l[list[i].ID.Group] = keys[i]
	}
	return l
}

// reads says how many values of the person's records, and of how many, the loot opens.
func (l loot) reads(t *testing.T, v *vaulttest.Vault) (opens, all int) {
	t.Helper()
	var pos vault.ScanPos
	for {
		rows, next, err := scanPage(t, v, pos)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if len(r.Record.Sealed) < 17 {
				continue
			}
			fields, err := field.ParsePacked(r.Record.Sealed[:len(r.Record.Sealed)-16], nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				all++
				place := field.Place{
					Tenant: vaulttest.Tenant, UID: r.Pos.UID, Group: f.Group, Epoch: f.Epoch,
					Collection: r.Record.Collection, Record: r.Record.Record, Field: f.Field, Revision: f.Revision,
				}
				if _, err := l[f.Group].OpenSplit(place, f.Ciphertext); err == nil {
					opens++
				}
			}
		}
		if len(rows) == 0 {
			return opens, all
		}
		pos = next
	}
}

func scanPage(t *testing.T, v *vaulttest.Vault, after vault.ScanPos) (rows []vault.ScannedRecord, next vault.ScanPos, err error) {
	t.Helper()
	rows, err = v.Store.(vault.Inspector).ScanRecords(t.Context(), after, 100)
	if len(rows) > 0 {
		next = rows[len(rows)-1].Pos
	}
	return rows, next, err
}

// After a compromise: what a thief learned opens nothing that stands, once all is
// sealed anew, and nothing at all outside, once the old keys are retired.
func TestAPersonsKeysAreRotated(t *testing.T) {
	v := withNote(t)
	app := v.As("app", "support")
	for i := range 120 { // several pages
		v.Put(t, "c-1", "customer", fmt.Sprint("r-", i), map[string]string{"email": email, "note": fmt.Sprint("note ", i)})
	}
	kept := encrypt(t, v, "c-1", "old")
	stolen := stealKeys(t, v)
	if opens, of := stolen.reads(t, v); opens != of || of != 243 {
		t.Fatalf("the loot opens %d of %d values: this test does not test it", opens, of)
	}

	keys := rotatePerson(t, v, "c-1")
	want := []vault.PersonKey{{Group: "", Version: 2}, {Group: "care", Version: 2}, {Group: "default", Version: 2}}
	slices.SortFunc(keys, func(a, b vault.PersonKey) int { return strings.Compare(a.Group, b.Group) })
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	v.Put(t, "c-1", "customer", "after", map[string]string{"email": email})
	if opens, of := stolen.reads(t, v); opens != of-1 {
		t.Errorf("the loot opens %d of %d values, of which one was written after the rotation", opens, of)
	}
	if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); !errors.As(err, new(*vault.KeyError)) {
		t.Errorf("retired before all was sealed anew: %v", err)
	}
	j := reseal(t, v)
	if j.Done != 2 || j.Total != 2 {
		t.Errorf("the job did %d of %d groups, want 2 of 2", j.Done, j.Total)
	}
	if opens, of := stolen.reads(t, v); opens != 0 || of != 244 {
		t.Errorf("after the re-sealing the loot opens %d of %d values", opens, of)
	}
	for _, s := range []struct{ record, field, want string }{{"r-7", "note", "note 7"}, {"self", "email", email}, {"after", "email", email}} {
		if got := seeRecord(t, v, app, s.record, s.field); got != "plain: "+s.want {
			t.Errorf("%s of %s is %q", s.field, s.record, got)
		}
	}
	if got := decrypt(t, v, "c-1", kept); got != "plain: old" {
		t.Errorf("a ciphertext from before, before the retirement: %q", got)
	}

	moved := reencrypt(t, v, "c-1", kept)
	if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
		t.Fatal(err)
	}
	if got := decrypt(t, v, "c-1", moved); got != "plain: old" {
		t.Errorf("a ciphertext that was moved: %q", got)
	}
	if got := decrypt(t, v, "c-1", kept); got == "plain: old" {
		t.Error("a ciphertext from before opens after the retirement")
	}
	if got := seeRecord(t, v, app, "r-7", "note"); got != "plain: note 7" {
		t.Errorf("a value after the retirement: %q", got)
	}
	if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
		t.Errorf("retiring again: %v", err)
	}
	if diff := cmp.Diff([]string{"rotate_person", "retire_person", "retire_person"}, keyEvents(t, v)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func shown(a vault.Answer) string { return a.View.String() + ": " + string(a.Value.Expose()) }

func encrypt(t *testing.T, v *vaulttest.Vault, subject, value string) string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := v.Encrypt(t.Context(), v.As("app", "support"), []vault.Plaintext{{Subject: subject, Field: "customer.note", Value: raw}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	return out[0].Ciphertext
}

func decrypt(t *testing.T, v *vaulttest.Vault, subject, text string) string {
	t.Helper()
	out, err := v.Decrypt(t.Context(), v.As("app", "support"), []vault.Ciphertext{{Subject: subject, Field: "customer.note", Ciphertext: text}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil {
		return out[0].Err.Error()
	}
	return shown(out[0].Answer)
}

func reencrypt(t *testing.T, v *vaulttest.Vault, subject, text string) string {
	t.Helper()
	out, err := v.Reencrypt(t.Context(), v.As("app", "support"), []vault.Ciphertext{{Subject: subject, Field: "customer.note", Ciphertext: text}})
	if err != nil || out[0].Err != nil {
		t.Fatal(err, out)
	}
	return out[0].Ciphertext
}

func seeRecord(t *testing.T, v *vaulttest.Vault, c accessctl.Caller, record, name string) string {
	t.Helper()
	t.Helper()
	out, err := v.Reveal(t.Context(), c, []vault.Item{{Subject: "c-1", Collection: "customer", Record: record, Fields: []string{name}}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil {
		return out[0].Err.Error()
	}
	return shown(out[0].Fields[0])
}

// Nothing is lost, and nothing fails, of what is written and read meanwhile.
func TestRotatingAPersonUnderTraffic(t *testing.T) {
	storetest.NeedTime(t)
	v := withNote(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	last := make([]string, 4)
	for i := range last {
		wg.Go(func() {
			record := fmt.Sprint("w-", i)
			for n := 0; ctx.Err() == nil; n++ {
				value := fmt.Sprint("value ", n)
				w := vault.Write{Subject: "c-1", Collection: "customer", Record: record, Fields: vaulttest.Values(map[string]string{"note": value})}
				if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
					t.Errorf("a write meanwhile: %v", err)
				}
				last[i] = value
				if got := seeRecord(t, v, v.As("app", "support"), record, "note"); got != "plain: "+value {
					t.Errorf("a read meanwhile: %q, want %q", got, value)
				}
			}
		})
	}
	for range 5 {
		rotatePerson(t, v, "c-1")
		reseal(t, v)
		if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	for i, want := range last {
		if got := seeRecord(t, v, v.As("app", "support"), fmt.Sprint("w-", i), "note"); got != "plain: "+want {
			t.Errorf("at the end: %q, want %q", got, want)
		}
	}
}

// A job that is broken off goes on where it was, and one that was missed is asked for.
func TestAResealThatIsKilledGoesOn(t *testing.T) {
	storetest.NeedTime(t)
	v := withNote(t)
	for i := range 200 {
		v.Put(t, "c-1", "customer", fmt.Sprint("r-", i), map[string]string{"note": "n"})
	}
	stolen := stealKeys(t, v)
	rotatePerson(t, v, "c-1")
	j := takeReseal(t, v)
	for range 3 {
		next, _, err := v.ResealStep(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		j = next
	}
	save(t, v, j)
	before, _ := stolen.reads(t, v)
	v.Clock.Advance(time.Hour) // the lease ends
	if again := takeReseal(t, v); again.ID != j.ID || string(again.Cursor) != string(j.Cursor) {
		t.Fatalf("another job, or from another place: %+v", again)
	}
	v.Clock.Advance(time.Hour)
	reseal(t, v)
	if after, _ := stolen.reads(t, v); before == 0 || after != 0 {
		t.Errorf("the loot opened %d values when the job was killed, and %d at the end", before, after)
	}

	err := v.Store.Update(t.Context(), func(tx vault.Tx) error { // as a rotation whose job was just ending
		k := keysBelow(t, v, 1<<30)[1]
		return tx.PutReseal(t.Context(), vault.Reseal{Tenant: 1, UID: k.UID, Group: k.Group, Version: k.Version})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	reseal(t, v)
}

func TestWhoseKeysAreNotRotated(t *testing.T) {
	v := withNote(t)
	operator := v.As("operator", "")
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	eraseGroups(t, v, "c-2")
	for subject, want := range map[string]error{"c-2": vault.ErrGone, "c-3": vault.ErrNotFound, "": &vault.InvalidError{}} {
		_, _, err := v.RotatePerson(t.Context(), operator, subject)
		_, err2 := v.RetirePerson(t.Context(), operator, subject)
		for _, err := range []error{err, err2} {
			if !errors.Is(err, want) && !errors.As(err, new(*vault.InvalidError)) {
				t.Errorf("%q: %v, want %v", subject, err, want)
			}
		}
	}
	for _, role := range []accessctl.Role{"dpo", "subject"} {
		if _, _, err := v.RotatePerson(t.Context(), v.As(role, ""), "c-1"); !errors.Is(err, vault.ErrDenied) {
			t.Errorf("%s: %v", role, err)
		}
	}

	if err := v.SetHold(t.Context(), v.As("dpo", ""), "c-1", true, "a case"); err != nil {
		t.Fatal(err)
	}
	rotatePerson(t, v, "c-1") // a hold does not stop it
	reseal(t, v)
	if _, err := v.RetirePerson(t.Context(), operator, "c-1"); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("retired under a hold: %v", err)
	}
	if err := v.SetHold(t.Context(), v.As("dpo", ""), "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := v.RetirePerson(t.Context(), operator, "c-1"); err != nil {
		t.Error(err)
	}
}

// An erasure between a rotation and its job leaves the job nothing to do.
func TestErasedBetweenRotationAndJob(t *testing.T) {
	v := withNote(t)
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email, "note": "n"})
	rotatePerson(t, v, "c-1")
	rotatePerson(t, v, "c-2")
	eraseGroups(t, v, "c-1")
	eraseGroups(t, v, "c-2", "care")
	reseal(t, v)
	if got := len(keysBelow(t, v, 1<<30)); got != 2 {
		t.Errorf("%d keys stand, want the two of the group that lives and of the identity", got)
	}
	if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-2"); err != nil {
		t.Error(err)
	}
}

// The evidence of consents stands in a history that is append-only: the key that
// opens it stays.
func TestEvidenceKeepsTheIdentityKey(t *testing.T) {
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	_, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{
		Subject: "c-1", Purpose: "marketing", Decision: "granted", Notice: "1", Method: "form", Evidence: json.RawMessage(`{"ip":"none"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	rotatePerson(t, v, "c-1")
	reseal(t, v)
	keys, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if want := map[bool]uint32{true: 2, false: 3}[k.Group == ""]; k.Version != want {
			t.Errorf("group %q has version %d, want %d", k.Group, k.Version, want)
		}
	}
}

// What was prepared with a key of the person that was rotated and retired meanwhile is
// sealed with the one that opens it.
func TestEvidenceIsSealedWithAKeyThatStands(t *testing.T) {
	v := rightsVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{"email": email})
	exchange := func() {
		rotatePerson(t, v, "c-1")
		reseal(t, v)
		if _, err := v.RetirePerson(t.Context(), v.As("operator", ""), "c-1"); err != nil {
			t.Fatal(err)
		}
	}
	said := vault.Decided{Purpose: "news", Decision: "granted", Evidence: json.RawMessage(`"a tick"`)}
	if _, err := says(t, late(t, v, exchange), v.As("dpo", ""), said); err != nil {
		t.Fatal(err)
	}
	if err := late(t, v, exchange).SetHold(t.Context(), v.As("dpo", ""), "c-1", true, "a suit"); err != nil {
		t.Fatal(err)
	}
	keys := stealKeys(t, v)
	err := v.Store.View(t.Context(), func(tx vault.Tx) error {
		p, err := tx.SubjectByUID(t.Context(), 1, firstKeys(t, v, 1)[0].ID.UID, vault.NoLock)
		if err != nil {
			return err
		}
		rows, err := tx.Consents(t.Context(), 1, p.UID)
		if err != nil {
			return err
		}
		place := field.Place{Tenant: vaulttest.Tenant, UID: p.UID, Group: 1, Epoch: 1, Field: 2, Revision: 1}
		if note, err := keys[1].Open(place, p.Note); err != nil || string(note.Expose()) != "a suit" {
			t.Errorf("the reason of the hold: %v", err)
		}
		place.Field, place.Record = 3, "news"
		if tick, err := keys[1].Open(place, rows[0].Evidence); err != nil || string(tick.Expose()) != `"a tick"` {
			t.Errorf("the evidence: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
