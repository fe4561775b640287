package sqlitestore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// found says how many of the secrets have a part in a file of the directory. A
// part is 8 bytes, at any place: remains are rarely whole.
func found(t *testing.T, dir string, secrets [][]byte) (n int) {
	t.Helper()
	parts := map[[8]byte][]int{}
	begins := make([]bool, 1<<24) // which three bytes a part begins with
	first := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	for i, s := range secrets {
		for at := 0; at+8 <= len(s); at += 8 {
			k := [8]byte(s[at:])
			parts[k] = append(parts[k], i)
			begins[first(k[:])] = true
		}
	}
	hits := map[int]bool{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+8 <= len(b); at++ {
			if !begins[first(b[at:])] {
				continue
			}
			for _, i := range parts[[8]byte(b[at:])] {
				hits[i] = true
			}
		}
	}
	return len(hits)
}

// A victim is a person and what is stored of them, all of it random bytes.
type victim struct {
	vault.Subject
	secrets [][]byte // what the erasure and the sweep delete
}

// newVictims makes people with keys, records, index entries and consents.
func newVictims(t *testing.T, s *sqlitestore.Store, tenant int32, n int) (out []victim) {
	t.Helper()
	update(t, s, func(tx vault.Tx) error {
		out = nil
		for range n {
			v := victim{Subject: aPerson(tenant)}
			if err := v.store(t, tx); err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out
}

func (v *victim) secret(n int) []byte {
	b := randomBytes(n)
	v.secrets = append(v.secrets, b)
	return b
}

func (v *victim) store(t *testing.T, tx vault.Tx) error {
	ctx := t.Context()
	v.secrets = append(v.secrets, v.SealedID)
	if _, err := tx.InsertSubject(ctx, v.Subject); err != nil {
		return err
	}
	for group := range uint32(3) {
		k := vault.DataKey{Group: group + 1, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: v.secret(120)}
		if _, err := tx.InsertKey(ctx, v.Tenant, v.UID, k); err != nil {
			return err
		}
	}
	for collection, size := range []int{300, 9000} { // the second overflows its page
		ref := vault.RecordRef{Collection: uint32(collection) + 1, Record: "r"}
		r, err := tx.LockRecord(ctx, v.Tenant, v.UID, ref)
		if err != nil {
			return err
		}
		r.Revision, r.Deleted, r.Sealed = 1, false, v.secret(size)
		if err := tx.PutRecord(ctx, v.Tenant, v.UID, r); err != nil {
			return err
		}
		entries := []vault.IndexEntry{{Field: 1, Version: 1, Value: v.secret(32)}}
		if err := tx.ReplaceIndex(ctx, v.Tenant, v.UID, ref, nil, entries); err != nil {
			return err
		}
	}
	c := vault.Consent{Purpose: "p", Decision: "granted", At: now(), Evidence: v.secret(200), Receipt: v.secret(200), MAC: v.secret(32)}
	return tx.PutConsent(ctx, v.Tenant, v.UID, c)
}

// erase erases and sweeps a person.
func (v *victim) erase(t *testing.T, s *sqlitestore.Store) {
	t.Helper()
	ctx := t.Context()
	update(t, s, func(tx vault.Tx) error {
		if _, err := tx.DestroyKeys(ctx, v.Tenant, v.UID); err != nil {
			return err
		}
		return tx.UpdateSubject(ctx, erasedForm(v.Subject), 1)
	})
	update(t, s, func(tx vault.Tx) error {
		_, err := tx.Sweep(ctx, v.Tenant, v.UID, 1000)
		return err
	})
}

func secretsOf(vs []victim) (out [][]byte) {
	for _, v := range vs {
		out = append(out, v.secrets...)
	}
	return out
}

// What an erasure and its sweep delete is, after a checkpoint, in no file: not
// in free pages, not in the gaps of pages, not in the write-ahead log.
func TestDeletedBytesAreGone(t *testing.T) {
	storetest.NeedTime(t)
	dir := folder(t)
	path := filepath.Join(dir, "vault.db")
	s := open(t, path)
	tenant := newTenant(t, s)
	var gone, stay []victim
	for range 10 { // in turns: pages hold both
		gone = append(gone, newVictims(t, s, tenant, 40)...) // with fewer, SQLite alone may leave nothing
		stay = append(stay, newVictims(t, s, tenant, 10)...)
		if err := s.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n, all := found(t, dir, secretsOf(gone)), len(secretsOf(gone)); n != all {
		t.Fatalf("before the erasures %d of %d secrets are in the files: the search does not work", n, all)
	}
	for i := range gone {
		gone[i].erase(t, s)
		if i%20 == 0 { // others move into the space meanwhile
			stay = append(stay, newVictims(t, s, tenant, 3)...)
		}
	}
	if found(t, dir, secretsOf(gone)) == 0 {
		t.Error("nothing is in the log before the checkpoint: this test does not test it")
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := found(t, dir, secretsOf(gone)); n != 0 {
		t.Errorf("%d deleted secrets are still in the files", n)
	}
	if n, all := found(t, dir, secretsOf(stay)), len(secretsOf(stay)); n != all {
		t.Errorf("%d of %d secrets of the living are in the files", n, all)
	}
	closeAll(t, s)
	sound(t, path)
}

// The same for what is overwritten without an erasure of the person.
func TestOverwrittenBytesAreGone(t *testing.T) {
	dir := folder(t)
	s := open(t, filepath.Join(dir, "vault.db"))
	vs := newVictims(t, s, newTenant(t, s), 40)
	var old [][]byte
	for _, v := range vs {
		update(t, s, func(tx vault.Tx) error {
			if _, err := tx.DestroyGroup(t.Context(), v.Tenant, v.UID, 2); err != nil {
				return err
			}
			r, err := tx.LockRecord(t.Context(), v.Tenant, v.UID, vault.RecordRef{Collection: 1, Record: "r"})
			if err != nil {
				return err
			}
			old = append(old, v.secrets[2], r.Sealed)
			r.Revision, r.Deleted, r.Sealed = 2, true, nil
			return tx.PutRecord(t.Context(), v.Tenant, v.UID, r)
		})
	}
	if n := found(t, dir, old); n != len(old) {
		t.Errorf("%d of %d overwritten secrets are in the log before the checkpoint", n, len(old))
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := found(t, dir, old); n != 0 {
		t.Errorf("%d overwritten secrets are still in the files", n)
	}
	closeAll(t, s)
}

// A reader that stays in its snapshot needs the log: then Checkpoint says so,
// and succeeds once the reader has gone.
func TestCheckpointWaitsForNoReader(t *testing.T) {
	dir := folder(t)
	s := open(t, filepath.Join(dir, "vault.db"))
	tenant := newTenant(t, s)
	err := s.View(t.Context(), func(tx vault.Tx) error {
		if _, err := tx.Tenants(t.Context()); err != nil {
			return err
		}
		newPerson(t, s, tenant)
		if err := s.Checkpoint(t.Context()); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("Checkpoint beside a reader: error %v", err)
		}
		newPerson(t, s, tenant) // the writer serves on
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Errorf("Checkpoint after the reader: %v", err)
	}
	wal, err := os.ReadFile(filepath.Join(dir, "vault.db-wal"))
	if err != nil || !bytes.Equal(wal, nil) {
		t.Errorf("the log has %d bytes after a checkpoint (%v)", len(wal), err)
	}
	closeAll(t, s)
}
