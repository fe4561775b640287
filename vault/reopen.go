package vault

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// openKeys opens data keys of people, as [keyring.Ring.Open] does. A key that was
// moved to another version of the key-encryption key after the caller had loaded it,
// and whose old version was retired since, is opened as it stands now, however often
// it moves: it is the same key.
func (v *Vault) openKeys(ctx context.Context, t *tenant, list []keyring.Sealed) ([]*field.Key, []error, error) {
	list = slices.Clone(list)
	for range attempts {
		keys, errs, err := v.ring.Open(ctx, list)
		if err != nil || errs == nil {
			return keys, errs, err
		}
		moved, err := v.follows(ctx, t, list, errs)
		if err != nil {
			return nil, nil, err
		}
		if !moved {
			return keys, errs, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: keys keep moving", ErrUnavailable)
}

// follows puts the keys that did not open into list as they stand now, and says whether
// any of them has moved.
func (v *Vault) follows(ctx context.Context, t *tenant, list []keyring.Sealed, errs []error) (moved bool, err error) {
	err = v.store.View(ctx, func(tx Tx) error {
		moved = false
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
				continue // destroyed or replaced meanwhile
			}
			if w := wrappedOf(k); w.Version != list[i].Wrapped.Version || !bytes.Equal(w.Bytes, list[i].Wrapped.Bytes) {
				list[i].Wrapped, moved = w, true
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("reading keys again: %w", err)
	}
	return moved, nil
}
