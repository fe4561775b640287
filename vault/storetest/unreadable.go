package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// Unreadable tests what a store makes of a person's keys that were changed to what cannot
// be read: nothing of them is taken for a key, nobody else is held up, and the person can
// be erased. damage changes the keys of a person behind the store's back.
func Unreadable(t *testing.T, s vault.Store, damage func(tenant int32, uid uuid.UUID)) {
	t.Helper()
	w := &world{T: t, s: s, names: new(atomic.Int64)}
	tenant := w.tenant()
	bad, good := w.person(tenant), w.person(tenant)
	for _, p := range []vault.Subject{bad, good} {
		w.placed(tenant, vault.PlacedKey{UID: p.UID, DataKey: dataKey(1, 1)}, vault.PlacedKey{UID: p.UID, DataKey: dataKey(2, 1)})
		w.put(tenant, p.UID, vault.RecordRef{Collection: 1, Record: "a"}, store([]byte("sealed")))
	}
	want := []vault.DataKey{dataKey(1, 1), dataKey(2, 1)}
	damage(tenant, bad.UID)

	unreadable := func(what string, keys []vault.DataKey) {
		t.Helper()
		if len(keys) != 1 {
			t.Fatalf("%s gives %d keys for those that cannot be read", what, len(keys))
		}
		w.equal(what, keys, vault.UnreadableKeys(keys[0].Wrapped))
	}
	l, err := s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{ref(bad, 1, "a"), ref(good, 1, "a")}})
	if err != nil {
		t.Fatal(err)
	}
	unreadable("LoadForReveal", l.Items[0].Keys)
	w.equal("another person's keys", l.Items[1].Keys, want)
	if l, err = s.LoadForReveal(t.Context(), vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{ref(bad, 1, "a")}}); err != nil {
		t.Fatal(err)
	}
	unreadable("LoadForReveal of one", l.Items[0].Keys)
	scanned, err := w.inspector().ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range scanned {
		if r.Pos.UID == bad.UID {
			unreadable("ScanRecords", r.Keys)
		} else {
			w.equal("keys beside another's record", r.Keys, want)
		}
	}
	w.equal("records", len(scanned), 2)
	unreadableChanges(w, bad, dataKey(1, 1))
	w.equal("RewrapKeys", w.rewrapKeys(tenant, rewrapped(bad.UID, want[0]), rewrapped(good.UID, want[0])), 1)
	people, _ := w.countKeys(tenant)
	w.equal("keys by version", people, map[int32]int64{0: 1, 1: 1, 2: 1})

	var lost []vault.DataKey
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		lost, err = tx.DestroyKeys(ctx, tenant, bad.UID)
		return err
	})
	w.equal("what DestroyKeys says of them", lost, []vault.DataKey{})
	w.equal("keys after it", w.keysOf(tenant, bad.UID), []vault.DataKey{})
	people, _ = w.countKeys(tenant)
	w.equal("keys by version after it", people, map[int32]int64{1: 1, 2: 1})
}

// unreadableChanges: what reads or changes single keys says that it cannot, and changes
// nothing.
func unreadableChanges(w *world, s vault.Subject, k vault.DataKey) {
	w.Helper()
	for name, do := range map[string]func(context.Context, vault.Tx) error{
		"Keys": func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.Keys(ctx, s.Tenant, s.UID)
			return err
		},
		"InsertKey": func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.InsertKey(ctx, s.Tenant, s.UID, dataKey(9, 1))
			return err
		},
		"DestroyGroup": func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.DestroyGroup(ctx, s.Tenant, s.UID, 2)
			return err
		},
		"ReplaceKey": func(ctx context.Context, tx vault.Tx) error {
			return tx.ReplaceKey(ctx, s.Tenant, s.UID, k, k)
		},
	} {
		if err := w.try(do); !errors.Is(err, vault.ErrIntegrity) || errors.Is(err, vault.ErrUnavailable) {
			w.Errorf("%s of keys that cannot be read: %v", name, err)
		}
	}
}
