package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// keysOf reads a person's keys.
func (w *world) keysOf(tenant int32, uid uuid.UUID) (out []vault.DataKey) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Keys(ctx, tenant, uid)
		return err
	})
	return out
}

// isThere adds a person with a uid, unless there is one.
func (w *world) isThere(tenant int32, uid uuid.UUID) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		_, err := tx.SubjectByUID(ctx, tenant, uid, vault.NoLock)
		if !errors.Is(err, vault.ErrNoRow) {
			return err
		}
		s := w.subject(tenant)
		s.UID = uid
		return insert(tx.InsertSubject(ctx, s))
	})
}

// insertKey stores a key of a person, who is added if need be, and says whether it was stored.
func (w *world) insertKey(tenant int32, uid uuid.UUID, k vault.DataKey) (inserted bool, err error) {
	w.isThere(tenant, uid)
	err = w.try(func(ctx context.Context, tx vault.Tx) (err error) {
		inserted, err = tx.InsertKey(ctx, tenant, uid, k)
		return err
	})
	return inserted, err
}

// destroyGroup destroys one group of a person, who is added if need be, and returns what
// that destroyed.
func (w *world) destroyGroup(tenant int32, uid uuid.UUID, group uint32) (k vault.DataKey) {
	w.Helper()
	w.isThere(tenant, uid)
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		k, err = tx.DestroyGroup(ctx, tenant, uid, group)
		return err
	})
	return k
}

// less is keys without the wrapped bytes.
func less(ks ...vault.DataKey) []vault.DataKey {
	var out []vault.DataKey
	for _, k := range ks {
		k.Wrapped = nil
		out = append(out, k)
	}
	return out
}

// group numbers the groups that tests use.
func group(i int) uint32 { return []uint32{2, 3, 4, 5, 6}[i] }

func dataKey(group, epoch uint32) vault.DataKey {
	return vault.DataKey{Group: group, Epoch: epoch, Version: 1, KEKVersion: 1, Wrapped: fmt.Appendf(nil, "wrapped %d", group)}
}

func keys(w *world) {
	w.run("RoundTrip", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		want := []vault.DataKey{
			dataKey(1, 1),
			{Group: 2, Epoch: 3, Version: 4, KEKVersion: 5, Wrapped: []byte{0}},
			{Group: 10, Epoch: math.MaxUint32, Version: math.MaxUint32, KEKVersion: math.MaxInt32, Wrapped: allBytes(9)},
			{Group: math.MaxUint32, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("w")},
		}
		for i := len(want) - 1; i >= 0; i-- {
			inserted, err := w.insertKey(tenant, uid, want[i])
			w.is("InsertKey", insert(inserted, err), nil)
		}
		w.equal("Keys by group", w.keysOf(tenant, uid), want)
		w.equal("Keys of another person", w.keysOf(tenant, newUID()), []vault.DataKey{})
		w.equal("Keys of another tenant", w.keysOf(w.tenant(), uid), []vault.DataKey{})
	})
	w.run("InsertIsNoUpsert", insertIsNoUpsert)
	w.run("StaleKEK", staleKEK)
	w.run("DestroyKeys", destroyKeys)
	w.run("DestroyGroup", destroyGroup)
	w.run("KeysOfTheLivingOnly", keysOfTheLivingOnly)
}

// keysOfTheLivingOnly: nobody unknown or erased gets a key, or a place of one (I1).
func keysOfTheLivingOnly(w *world) {
	tenant := w.tenant()
	erased := w.person(tenant)
	inserted, err := w.insertKey(tenant, erased.UID, dataKey(2, 1))
	w.is("InsertKey", insert(inserted, err), nil)
	elsewhere := w.person(w.tenant())
	w.erase(erased)
	for what, uid := range map[string]uuid.UUID{"somebody erased": erased.UID, "nobody": newUID(), "somebody of another tenant": elsewhere.UID} {
		w.is("InsertKey of "+what, w.try(func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.InsertKey(ctx, tenant, uid, dataKey(3, 1))
			return err
		}), vault.ErrNoRow)
		w.is("DestroyGroup of "+what, w.try(func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.DestroyGroup(ctx, tenant, uid, 3)
			return err
		}), vault.ErrNoRow)
		w.equal("keys of "+what, w.keysOf(tenant, uid), []vault.DataKey{})
		w.equal("rewrapped of "+what, w.rewrapKeys(tenant, rewrapped(uid, dataKey(2, 1))), 0)
	}
	undestroyed := w.person(tenant)
	inserted, err = w.insertKey(tenant, undestroyed.UID, dataKey(2, 1))
	w.is("InsertKey", insert(inserted, err), nil)
	err = w.try(func(ctx context.Context, tx vault.Tx) error {
		return tx.UpdateSubject(ctx, erasedForm(undestroyed), undestroyed.Generation)
	})
	if err == nil {
		w.Error("somebody could be erased and keep a key")
	}
	w.equal("keys of who could not be erased", w.keysOf(tenant, undestroyed.UID), []vault.DataKey{dataKey(2, 1)})
}

func insertIsNoUpsert(w *world) {
	tenant, uid := w.tenant(), newUID()
	first := dataKey(2, 1)
	inserted, err := w.insertKey(tenant, uid, first)
	w.is("InsertKey", insert(inserted, err), nil)
	for _, k := range []vault.DataKey{
		first,
		{Group: 2, Epoch: 1, Version: 2, KEKVersion: 9, Wrapped: []byte("other")},
		{Group: 2, Epoch: 2, Version: 1, KEKVersion: 1, Wrapped: []byte("other")},
	} {
		inserted, err := w.insertKey(tenant, uid, k)
		w.is("InsertKey over a key", err, nil)
		if inserted {
			w.Errorf("InsertKey of epoch %d over a key of epoch 1 said inserted", k.Epoch)
		}
		w.equal("the key that was there", w.keysOf(tenant, uid), []vault.DataKey{first})
	}
}

func staleKEK(w *world) {
	var tenant int32
	w.update(func(ctx context.Context, tx vault.Tx) error {
		stored, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: w.name("tenant"), KEKEpoch: 3, Created: instant(0)})
		tenant = stored.ID
		return err
	})
	uid := newUID()
	for i, want := range []error{vault.ErrStaleKEK, vault.ErrStaleKEK, vault.ErrStaleKEK, nil, nil} {
		k := dataKey(group(i), 1)
		k.KEKVersion = []int32{0, 1, 2, 3, 4}[i]
		inserted, err := w.insertKey(tenant, uid, k)
		w.is("InsertKey below, at and above the epoch of the tenant", err, want)
		if inserted != (want == nil) {
			w.Errorf("InsertKey under version %d, with the epoch at 3, said %v", k.KEKVersion, inserted)
		}
	}
	if n := len(w.keysOf(tenant, uid)); n != 2 {
		w.Errorf("%d keys are stored, want 2", n)
	}
	// ErrStaleKEK is an answer: the transaction goes on.
	good := dataKey(1, 1)
	good.KEKVersion = 3
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.InsertKey(ctx, tenant, uid, dataKey(1, 1)); !errors.Is(err, vault.ErrStaleKEK) {
			w.Errorf("InsertKey of a stale wrap: error %v", err)
		}
		return insert(tx.InsertKey(ctx, tenant, uid, good))
	})
}

func destroyKeys(w *world) {
	tenant, uid, other := w.tenant(), newUID(), newUID()
	destroy := func() (out []vault.DataKey) {
		w.update(func(ctx context.Context, tx vault.Tx) (err error) {
			out, err = tx.DestroyKeys(ctx, tenant, uid)
			return err
		})
		return out
	}
	w.equal("DestroyKeys of nobody", destroy(), []vault.DataKey{})
	stored := []vault.DataKey{dataKey(1, 1), dataKey(2, 7), dataKey(3, 1)}
	for _, k := range stored {
		for _, id := range []uuid.UUID{uid, other} {
			inserted, err := w.insertKey(tenant, id, k)
			w.is("InsertKey", insert(inserted, err), nil)
		}
	}
	w.destroyGroup(tenant, uid, 3)
	w.destroyGroup(tenant, uid, 4)
	w.equal("DestroyKeys", destroy(), less(stored[:2]...))
	w.equal("Keys after DestroyKeys", w.keysOf(tenant, uid), []vault.DataKey{})
	w.equal("Keys of somebody else", w.keysOf(tenant, other), stored)
	w.equal("DestroyKeys again", destroy(), []vault.DataKey{})
}

func destroyGroup(w *world) {
	tenant, uid := w.tenant(), newUID()
	none := func(group, epoch uint32) vault.DataKey { return vault.DataKey{Group: group, Epoch: epoch} }
	keep := dataKey(1, 1)
	k := vault.DataKey{Group: 2, Epoch: 1, Version: 3, KEKVersion: 4, Wrapped: []byte("w")}
	for _, k := range []vault.DataKey{keep, k} {
		inserted, err := w.insertKey(tenant, uid, k)
		w.is("InsertKey", insert(inserted, err), nil)
	}
	w.equal("DestroyGroup", w.destroyGroup(tenant, uid, 2), less(k)[0])
	w.equal("Keys after DestroyGroup", w.keysOf(tenant, uid), []vault.DataKey{keep, none(2, 2)})

	for _, epoch := range []uint32{1, 3} {
		inserted, err := w.insertKey(tenant, uid, dataKey(2, epoch))
		w.is("InsertKey of another epoch after DestroyGroup", err, nil)
		if inserted {
			w.Errorf("InsertKey stored a key of epoch %d where the epoch is 2", epoch)
		}
	}
	w.equal("DestroyGroup where no key is", w.destroyGroup(tenant, uid, 2), none(2, 2))
	inserted, err := w.insertKey(tenant, uid, dataKey(2, 2))
	w.is("InsertKey", err, nil)
	if inserted {
		w.Error("InsertKey stored a key of epoch 2 where the epoch is 3")
	}
	next := dataKey(2, 3)
	inserted, err = w.insertKey(tenant, uid, next)
	w.is("InsertKey of the epoch after DestroyGroup", insert(inserted, err), nil)
	inserted, err = w.insertKey(tenant, uid, next)
	w.is("InsertKey of the epoch again", err, nil)
	if inserted {
		w.Error("InsertKey stored a key over a key")
	}
	w.equal("Keys", w.keysOf(tenant, uid), []vault.DataKey{keep, next})

	w.equal("DestroyGroup of a group without a row", w.destroyGroup(tenant, uid, 9), none(9, 1))
	w.equal("Keys after it", w.keysOf(tenant, uid), []vault.DataKey{keep, next, none(9, 2)})
	inserted, err = w.insertKey(tenant, uid, dataKey(9, 1))
	w.is("InsertKey", err, nil)
	if inserted {
		w.Error("InsertKey stored a first key of epoch 1 in a group that was erased before it")
	}
}
