package keyrow

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// find says where the key of a group stands, or would.
func find(keys []vault.DataKey, group uint32) (at int, ok bool) {
	return slices.BinarySearchFunc(keys, group, func(k vault.DataKey, group uint32) int { return cmp.Compare(k.Group, group) })
}

// Insert stores k where the group has no key yet, or has an empty place of the same
// epoch, and says whether it did. It may change keys.
func Insert(keys []vault.DataKey, k vault.DataKey) (next []vault.DataKey, stored bool) {
	at, ok := find(keys, k.Group)
	switch {
	case !ok:
		return slices.Insert(keys, at, k), true
	case keys[at].Wrapped == nil && keys[at].Epoch == k.Epoch:
		keys[at] = k
		return keys, true
	}
	return keys, false
}

// Destroy empties the place of a group and raises its epoch by one; a group without a
// place gets one, at epoch 2. It returns what was destroyed, less the wrapped bytes, and
// may change keys.
func Destroy(keys []vault.DataKey, group uint32) (next []vault.DataKey, destroyed vault.DataKey) {
	at, ok := find(keys, group)
	if !ok {
		keys = slices.Insert(keys, at, vault.DataKey{Group: group, Epoch: 1})
	}
	destroyed = keys[at]
	destroyed.Wrapped = nil
	keys[at] = vault.DataKey{Group: group, Epoch: destroyed.Epoch + 1}
	return keys, destroyed
}

// Replace writes next in the place of old, and says whether old stood: with the same
// epoch, versions, and a wrapped key. The group of next is not read.
func Replace(keys []vault.DataKey, old, next vault.DataKey) bool {
	at, ok := find(keys, old.Group)
	if !ok {
		return false
	}
	k := &keys[at]
	if k.Wrapped == nil || k.Epoch != old.Epoch || k.Version != old.Version || k.KEKVersion != old.KEKVersion {
		return false
	}
	next.Group = old.Group
	*k = next
	return true
}

// Rewrap is [Replace] of a key by itself under another version of the key-encryption key.
func Rewrap(keys []vault.DataKey, r vault.Rewrapped) bool {
	was := vault.DataKey{Group: r.Group, Epoch: r.Epoch, Version: r.Version, KEKVersion: r.KEKVersion}
	next := was
	next.KEKVersion, next.Wrapped = r.Next, r.Wrapped
	return Replace(keys, was, next)
}

// Lost is what the end of a person destroys: the keys that are wrapped, less the wrapped
// bytes. Of keys that cannot be read nothing can be said.
func (r Row) Lost() []vault.DataKey {
	keys, err := r.Unpack(nil)
	if err != nil {
		return nil
	}
	keys = slices.DeleteFunc(keys, func(k vault.DataKey) bool { return k.Wrapped == nil })
	for i := range keys {
		keys[i].Wrapped = nil
	}
	return keys
}

// Below are the wrapped keys of a person under a version of the key-encryption key below
// the given one, or what stands for keys that cannot be read. They alias the row.
func (r Row) Below(below int32, uid uuid.UUID) (list []vault.PlacedKey) {
	for _, k := range r.Load() {
		if k.Wrapped != nil && k.KEKVersion < below {
			list = append(list, vault.PlacedKey{UID: uid, DataKey: k})
		}
	}
	return list
}
