package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// placed stores keys of people, who are added if need be.
func (w *world) placed(tenant int32, keys ...vault.PlacedKey) {
	w.Helper()
	for _, k := range keys {
		w.isThere(tenant, k.UID)
	}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, k := range keys {
			if err := insert(tx.InsertKey(ctx, tenant, k.UID, k.DataKey)); err != nil {
				return err
			}
		}
		return nil
	})
}

// keysBelow lists keys under old versions, in pages. None goes on with the person with
// whom the one before ended, and none is longer than it must be for its last person.
func (w *world) keysBelow(tenant, below int32, page int) (out []vault.PlacedKey) {
	w.Helper()
	for after := uuid.Nil; ; {
		var got []vault.PlacedKey
		w.view(func(ctx context.Context, tx vault.Tx) (err error) {
			got, err = tx.KeysBelow(ctx, tenant, below, after, page)
			return err
		})
		if len(got) == 0 {
			return out
		}
		last := got[len(got)-1].UID
		before := slices.IndexFunc(got, func(k vault.PlacedKey) bool { return k.UID == last })
		w.page("KeysBelow", before+1, page, len(out))
		if got[0].UID == after {
			w.Fatal("KeysBelow splits the keys of a person")
		}
		out, after = append(out, got...), last
	}
}

func (w *world) rewrapKeys(tenant int32, keys ...vault.Rewrapped) (n int) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		n, err = tx.RewrapKeys(ctx, tenant, keys)
		return err
	})
	return n
}

func (w *world) raiseEpoch(tenant, epoch int32) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.RaiseKEKEpoch(ctx, tenant, epoch) })
}

// rewrapped is a key as a rewrap to the next version leaves it.
func rewrapped(uid uuid.UUID, k vault.DataKey) vault.Rewrapped {
	return vault.Rewrapped{
		UID: uid, Group: k.Group, Epoch: k.Epoch, Version: k.Version, KEKVersion: k.KEKVersion,
		Next: k.KEKVersion + 1, Wrapped: append([]byte("again "), k.Wrapped...),
	}
}

// after is the key that r makes of k.
func after(k vault.DataKey, r vault.Rewrapped) vault.DataKey {
	k.KEKVersion, k.Wrapped = r.Next, r.Wrapped
	return k
}

func comparePlaces(a, b vault.PlacedKey) int {
	return cmp.Or(bytes.Compare(a.UID[:], b.UID[:]), cmp.Compare(a.Group, b.Group))
}

func rewraps(w *world) {
	w.run("KeysBelow", keysBelow)
	w.run("RewrapKeys", rewrapKeys)
	w.run("RewrapBesideOthers", rewrapBesideOthers)
	w.run("RewrapsMany", rewrapsMany)
	w.run("ReplaceKey", replaceKey)
	w.run("TenantKeys", rewrapTenantKeys)
	w.run("CountKeys", countKeys)
	w.run("KEKEpoch", kekEpoch)
}

func keysBelow(w *world) {
	tenant, other := w.tenant(), w.tenant()
	w.equal("a new tenant", w.keysBelow(tenant, math.MaxInt32, 10), []vault.PlacedKey{})
	var all []vault.PlacedKey
	for i := range 5 {
		uid := newUID()
		for j, g := range []uint32{math.MaxUint32, 1, 10, 9} {
			k := vault.PlacedKey{UID: uid, DataKey: vault.DataKey{
				Group: g, Epoch: uint32(i + 1), Version: uint32(j + 1), KEKVersion: int32(i + 1), Wrapped: fmt.Append(nil, i, j),
			}}
			all = append(all, k)
			w.placed(other, k)
		}
		w.destroyGroup(tenant, uid, 2) // says only an epoch
	}
	w.placed(tenant, all...)
	slices.SortFunc(all, comparePlaces)
	for _, below := range []int32{0, 1, 2, 4, 6, math.MaxInt32} {
		var want []vault.PlacedKey
		for _, k := range all {
			if k.KEKVersion < below {
				want = append(want, k)
			}
		}
		for _, page := range []int{1, 3, 1000} {
			w.equal(fmt.Sprintf("keys below %d by place, %d at a time", below, page), w.keysBelow(tenant, below, page), want)
		}
	}
	w.view(func(ctx context.Context, tx vault.Tx) error {
		got, err := tx.KeysBelow(ctx, tenant, math.MaxInt32, uuid.Nil, 0)
		w.equal("a limit of 0", got, []vault.PlacedKey{})
		return err
	})
	w.destroyGroup(tenant, all[0].UID, all[0].Group)
	w.equal("keys after one was destroyed", w.keysBelow(tenant, math.MaxInt32, 7), all[1:])
}

// rewrapKeys: a key is written where it stands as it was read, and nowhere else.
func rewrapKeys(w *world) {
	tenant, uid, other := w.tenant(), newUID(), newUID()
	k := vault.DataKey{Group: 2, Epoch: 3, Version: 4, KEKVersion: 5, Wrapped: []byte("w")}
	neighbour := dataKey(3, 1)
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: k}, vault.PlacedKey{UID: uid, DataKey: neighbour}, vault.PlacedKey{UID: other, DataKey: k})
	w.destroyGroup(tenant, uid, 4)
	elsewhere := w.tenant()
	empty := vault.DataKey{Group: 4, Epoch: 2}
	w.equal("RewrapKeys of none", w.rewrapKeys(tenant), 0)
	for what, change := range map[string]func(*vault.Rewrapped){
		"another epoch":              func(r *vault.Rewrapped) { r.Epoch++ },
		"the epoch before":           func(r *vault.Rewrapped) { r.Epoch-- },
		"another version":            func(r *vault.Rewrapped) { r.Version++ },
		"another KEK version":        func(r *vault.Rewrapped) { r.KEKVersion++ },
		"the KEK version before":     func(r *vault.Rewrapped) { r.KEKVersion-- },
		"a group without a row":      func(r *vault.Rewrapped) { r.Group = 9 },
		"a group that was destroyed": func(r *vault.Rewrapped) { r.Group, r.Epoch, r.Version, r.KEKVersion = 4, 2, 0, 0 },
		"nobody":                     func(r *vault.Rewrapped) { r.UID = newUID() },
	} {
		r := rewrapped(uid, k)
		change(&r)
		w.equal("RewrapKeys of "+what, w.rewrapKeys(tenant, r), 0)
		w.equal("keys after RewrapKeys of "+what, w.keysOf(tenant, uid), []vault.DataKey{k, neighbour, empty})
	}
	r := rewrapped(uid, k)
	w.equal("RewrapKeys in another tenant", w.rewrapKeys(elsewhere, r), 0)
	w.equal("keys of another tenant", w.keysOf(elsewhere, uid), []vault.DataKey{})

	gone := rewrapped(newUID(), k)
	w.equal("RewrapKeys of some that are gone", w.rewrapKeys(tenant, gone, r, rewrapped(uid, neighbour), gone), 2)
	w.equal("keys after it", w.keysOf(tenant, uid), []vault.DataKey{after(k, r), after(neighbour, rewrapped(uid, neighbour)), empty})
	w.equal("keys of another person", w.keysOf(tenant, other), []vault.DataKey{k})
	w.equal("RewrapKeys again", w.rewrapKeys(tenant, r), 0)

	w.raiseEpoch(tenant, 7)
	late := rewrapped(other, k)
	w.equal("RewrapKeys to a version below the tenant's epoch", w.rewrapKeys(tenant, late), 0)
	late.Next = 7
	w.equal("RewrapKeys to the tenant's epoch", w.rewrapKeys(tenant, late), 1)
}

// rewrapBesideOthers: what became of another group between the read and the rewrap
// neither stops a key's rewrap nor is undone by it.
func rewrapBesideOthers(w *world) {
	tenant, uid := w.tenant(), newUID()
	first, second, third := dataKey(2, 1), dataKey(3, 1), dataKey(4, 1)
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: first}, vault.PlacedKey{UID: uid, DataKey: second})
	list := []vault.Rewrapped{rewrapped(uid, first), rewrapped(uid, second)}
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: third})
	w.destroyGroup(tenant, uid, 3)
	w.equal("RewrapKeys after an insert and a destruction", w.rewrapKeys(tenant, list...), 1)
	want := []vault.DataKey{after(first, list[0]), {Group: 3, Epoch: 2}, third}
	w.equal("keys after it", w.keysOf(tenant, uid), want)
	w.equal("keys below the version", w.keysBelow(tenant, 2, 10), []vault.PlacedKey{{UID: uid, DataKey: third}})

	again := dataKey(3, 2) // written to again, under the old version
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: again})
	w.equal("RewrapKeys of the list once more", w.rewrapKeys(tenant, list...), 0)
	want[1] = again
	w.equal("keys after that", w.keysOf(tenant, uid), want)
	w.equal("RewrapKeys of what is left", w.rewrapKeys(tenant, rewrapped(uid, again), rewrapped(uid, third)), 2)
	w.equal("keys below the version then", w.keysBelow(tenant, 2, 10), []vault.PlacedKey{})
	people, _ := w.countKeys(tenant)
	w.equal("keys by version", people, map[int32]int64{2: 3})
	for _, g := range []uint32{2, 3, 4} {
		w.destroyGroup(tenant, uid, g)
	}
	w.equal("keys below any version, of who has none", w.keysBelow(tenant, math.MaxInt32, 10), []vault.PlacedKey{})
}

// rewrapsMany: one call takes a long list.
func rewrapsMany(w *world) {
	const people = 1000
	tenant := w.tenant()
	var keys []vault.PlacedKey
	var list []vault.Rewrapped
	for range people {
		k := vault.PlacedKey{UID: newUID(), DataKey: dataKey(2, 1)}
		keys, list = append(keys, k), append(list, rewrapped(k.UID, k.DataKey))
	}
	w.placed(tenant, keys...)
	for _, k := range keys[:10] {
		w.destroyGroup(tenant, k.UID, k.Group)
	}
	w.equal("RewrapKeys of many", w.rewrapKeys(tenant, list...), people-10)
	people2, _ := w.countKeys(tenant)
	w.equal("keys by version", people2, map[int32]int64{2: people - 10})
	w.equal("keys below it", w.keysBelow(tenant, 2, 100), []vault.PlacedKey{})
	w.equal("a key that was destroyed", w.keysOf(tenant, keys[0].UID), []vault.DataKey{{Group: 2, Epoch: 2}})
}

func replaceKey(w *world) {
	tenant, uid := w.tenant(), newUID()
	replace := func(old, next vault.DataKey) error {
		return w.try(func(ctx context.Context, tx vault.Tx) error { return tx.ReplaceKey(ctx, tenant, uid, old, next) })
	}
	old := vault.DataKey{Group: 2, Epoch: 3, Version: 4, KEKVersion: 5, Wrapped: []byte("old")}
	next := vault.DataKey{Group: 2, Epoch: 3, Version: 5, KEKVersion: 6, Wrapped: []byte("next")}
	w.is("ReplaceKey where none is", replace(old, next), vault.ErrStale)
	w.equal("keys after it", w.keysOf(tenant, uid), []vault.DataKey{})
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: old}, vault.PlacedKey{UID: uid, DataKey: dataKey(3, 1)})
	w.destroyGroup(tenant, uid, 4)
	stored := w.keysOf(tenant, uid)
	for what, change := range map[string]func(*vault.DataKey){
		"another group":              func(k *vault.DataKey) { k.Group = 3 },
		"a group without a row":      func(k *vault.DataKey) { k.Group = 9 },
		"a group that was destroyed": func(k *vault.DataKey) { *k = vault.DataKey{Group: 4, Epoch: 2} },
		"another epoch":              func(k *vault.DataKey) { k.Epoch++ },
		"another version":            func(k *vault.DataKey) { k.Version-- },
		"another KEK version":        func(k *vault.DataKey) { k.KEKVersion-- },
	} {
		k := old
		change(&k)
		w.is("ReplaceKey of "+what, replace(k, next), vault.ErrStale)
		w.equal("keys after ReplaceKey of "+what, w.keysOf(tenant, uid), stored)
	}
	w.is("ReplaceKey", replace(less(old)[0], next), nil)
	stored[0] = next
	w.equal("keys after ReplaceKey", w.keysOf(tenant, uid), stored)
	w.is("ReplaceKey again", replace(old, next), vault.ErrStale)

	w.raiseEpoch(tenant, 8)
	third := vault.DataKey{Group: 2, Epoch: 3, Version: 6, KEKVersion: 7, Wrapped: []byte("third")}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if err := tx.ReplaceKey(ctx, tenant, uid, next, third); !errors.Is(err, vault.ErrStaleKEK) {
			w.Errorf("ReplaceKey under a version below the epoch: error %v", err)
		}
		if err := tx.ReplaceKey(ctx, tenant, uid, old, third); !errors.Is(err, vault.ErrStaleKEK) {
			w.Errorf("ReplaceKey of a stale key under a version below the epoch: error %v", err)
		}
		third.KEKVersion = 8
		return tx.ReplaceKey(ctx, tenant, uid, next, third)
	})
	stored[0] = third
	w.equal("keys after ReplaceKey under the epoch", w.keysOf(tenant, uid), stored)
}

func rewrapTenantKeys(w *world) {
	tenant, other := w.tenant(), w.tenant()
	key := func(label string, version int32) vault.TenantKey {
		return vault.TenantKey{Label: label, KEKVersion: version, Wrapped: fmt.Append(nil, label, version)}
	}
	keys := func(tenant int32) (out []vault.TenantKey) {
		w.view(func(ctx context.Context, tx vault.Tx) (err error) {
			out, err = tx.TenantKeys(ctx, tenant)
			return err
		})
		return out
	}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, id := range []int32{tenant, other} {
			for _, label := range []string{"cursor", "lookup"} {
				if err := insert(tx.InsertTenantKey(ctx, id, key(label, 3))); err != nil {
					return err
				}
			}
		}
		return nil
	})
	rewrap := func(was int32, k vault.TenantKey, want bool) {
		w.Helper()
		w.update(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.RewrapTenantKey(ctx, tenant, was, k)
			w.equal("RewrapTenantKey", got, want)
			return err
		})
	}
	rewrap(2, key("lookup", 4), false)
	rewrap(4, key("lookup", 4), false)
	rewrap(3, key("Lookup", 4), false)
	rewrap(3, key("lookup", 4), true)
	rewrap(3, key("lookup", 5), false)
	w.equal("keys of the tenant", keys(tenant), []vault.TenantKey{key("cursor", 3), key("lookup", 4)})
	w.equal("keys of another", keys(other), []vault.TenantKey{key("cursor", 3), key("lookup", 3)})
	w.raiseEpoch(tenant, 6)
	rewrap(4, key("lookup", 5), false)
	rewrap(4, key("lookup", 6), true)

	remove := func(label string, want bool) {
		w.Helper()
		w.update(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.DeleteTenantKey(ctx, tenant, label)
			w.equal("DeleteTenantKey", got, want)
			return err
		})
	}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		return errors.Join(insert(tx.InsertTenantKey(ctx, tenant, key("index/1/2/3", 6))), insert(tx.InsertTenantKey(ctx, other, key("index/1/2/3", 6))))
	})
	remove("index/1/2/4", false)
	remove("index/1/2/3", true)
	remove("index/1/2/3", false)
	for _, label := range []string{"cursor", "lookup"} {
		err := w.try(func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.DeleteTenantKey(ctx, tenant, label)
			return err
		})
		if err == nil || errors.Is(err, vault.ErrUnavailable) {
			w.Errorf("DeleteTenantKey of %s: error %v, want that the schema refuses it", label, err)
		}
	}
	w.equal("keys of the tenant", keys(tenant), []vault.TenantKey{key("cursor", 3), key("lookup", 6)})
	w.equal("keys of another", keys(other), []vault.TenantKey{key("cursor", 3), key("index/1/2/3", 6), key("lookup", 3)})
}

func (w *world) countKeys(tenant int32) (people, own map[int32]int64) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		people, own, err = tx.CountKeys(ctx, tenant)
		return err
	})
	return people, own
}

func countKeys(w *world) {
	tenant := w.tenant()
	check := func(wantPeople, wantOwn map[int32]int64) {
		w.Helper()
		people, own := w.countKeys(tenant)
		w.equal("keys of people by version", people, wantPeople)
		w.equal("keys of the tenant by version", own, wantOwn)
	}
	none := map[int32]int64{}
	check(none, none)
	uid := newUID()
	for i, version := range []int32{1, 1, 2, 2, math.MaxInt32} {
		k := dataKey(group(i), 1)
		k.KEKVersion = version
		w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: k}, vault.PlacedKey{UID: newUID(), DataKey: k})
		w.placed(w.tenant(), vault.PlacedKey{UID: uid, DataKey: k})
	}
	check(map[int32]int64{1: 4, 2: 4, math.MaxInt32: 2}, none)
	w.destroyGroup(tenant, uid, group(0))
	w.destroyGroup(tenant, newUID(), 9)
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for i, label := range []string{"a", "b", "c"} {
			k := vault.TenantKey{Label: label, KEKVersion: int32(3 + i/2), Wrapped: []byte("w")}
			if err := insert(tx.InsertTenantKey(ctx, tenant, k)); err != nil {
				return err
			}
		}
		return nil
	})
	check(map[int32]int64{1: 3, 2: 4, math.MaxInt32: 2}, map[int32]int64{3: 2, 4: 1})
}

// kekEpoch: an epoch rises only, and from its commit on nothing is stored below it.
func kekEpoch(w *world) {
	tenant, other, uid := w.tenant(), w.tenant(), newUID()
	w.placed(tenant, vault.PlacedKey{UID: uid, DataKey: dataKey(2, 1)})
	for _, c := range []struct{ raise, want int32 }{{3, 3}, {2, 3}, {1, 3}, {4, 4}, {4, 4}, {math.MaxInt32, math.MaxInt32}, {1, math.MaxInt32}} {
		w.raiseEpoch(tenant, c.raise)
		w.equal("the epoch that loads", w.loadItems(tenant, false).KEKEpoch, c.want)
		for i, version := range []int32{c.want - 1, c.want} {
			want := []error{vault.ErrStaleKEK, nil}[i]
			_, err := w.insertKey(tenant, newUID(), vault.DataKey{Group: 2, Epoch: 1, Version: 1, KEKVersion: version, Wrapped: []byte("w")})
			w.is("InsertKey below the epoch, or at it", err, want)
			w.is("InsertTenantKey below the epoch, or at it", w.try(func(ctx context.Context, tx vault.Tx) error {
				return insert(tx.InsertTenantKey(ctx, tenant, vault.TenantKey{Label: w.name("key"), KEKVersion: version, Wrapped: []byte("w")}))
			}), want)
		}
	}
	w.equal("a key from before", w.keysOf(tenant, uid), []vault.DataKey{dataKey(2, 1)})
	w.equal("the epoch of another tenant", w.loadItems(other, false).KEKEpoch, int32(1))
	w.is("RaiseKEKEpoch of no tenant", w.try(func(ctx context.Context, tx vault.Tx) error {
		return tx.RaiseKEKEpoch(ctx, math.MaxInt32, 2)
	}), vault.ErrNoRow)
}
