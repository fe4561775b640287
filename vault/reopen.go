package vault

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// openKeys opens data keys of people, as [keyring.Ring.Open] does. A key that was
// moved to another version of the key-encryption key after the caller had loaded it,
// and whose old version was retired since, is opened as it stands now: it is the same
// key.
func (v *Vault) openKeys(ctx context.Context, t *tenant, list []keyring.Sealed) ([]*field.Key, []error, error) {
	keys, errs, err := v.ring.Open(ctx, list)
	if err != nil || errs == nil {
		return keys, errs, err
	}
	moved, at, err := v.moved(ctx, t, list, errs)
	if err != nil {
		return nil, nil, err
	}
	if len(moved) == 0 {
		return keys, errs, nil
	}
	opened, again, err := v.ring.Open(ctx, moved)
	if err != nil {
		return nil, nil, err
	}
	for n, i := range at {
		keys[i], errs[i] = opened[n], nil
		if again != nil {
			errs[i] = again[n]
		}
	}
	return keys, errs, nil
}

// moved lists the keys that did not open and now stand wrapped otherwise, of the
// same epoch and version; at is where they are in list.
func (v *Vault) moved(ctx context.Context, t *tenant, list []keyring.Sealed, errs []error) (moved []keyring.Sealed, at []int, err error) {
	err = v.store.View(ctx, func(tx Tx) error {
		moved, at = nil, nil
		for i := range list {
			if errs[i] == nil {
				continue
			}
			rows, err := tx.Keys(ctx, t.row.ID, list[i].ID.UID)
			if err != nil {
				return err
			}
			k := keyOf(rows, list[i].ID.Group)
			if k == nil || k.Epoch != list[i].ID.Epoch || k.Version != list[i].ID.Version || k.Wrapped == nil {
				continue
			}
			if w := wrappedOf(k); w.Version != list[i].Wrapped.Version || !bytes.Equal(w.Bytes, list[i].Wrapped.Bytes) {
				moved, at = append(moved, keyring.Sealed{ID: list[i].ID, Wrapped: w}), append(at, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading keys again: %w", err)
	}
	return moved, at, nil
}
