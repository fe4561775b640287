package pgstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

// A keyColumns is the row of a person's keys, as it is read; without keys there is none.
type keyColumns struct {
	kek  *int32
	keys []byte
}

func (c *keyColumns) dest() []any { return []any{&c.kek, &c.keys} }

func (c *keyColumns) row() (r keyrow.Row, exists bool) {
	if c.kek == nil {
		return keyrow.Row{}, false
	}
	return keyrow.Row{KEKVersion: *c.kek, Keys: c.keys}, true
}

// load gives the keys of whom a load is about.
func (c *keyColumns) load() []vault.DataKey {
	r, exists := c.row()
	if !exists {
		return nil
	}
	return r.Load()
}

const (
	readKeys = `SELECT kek_version, keys FROM data_key WHERE tenant = $1 AND uid = $2`

	// lockKeys reads a person's keys and has others that would change them wait. Beside
	// them it says the tenant's epoch.
	lockKeys = `
SELECT t.kek_epoch, k.kek_version, k.keys FROM tenant t
LEFT JOIN LATERAL (
    SELECT kek_version, keys FROM data_key WHERE tenant = $1 AND uid = $2 FOR UPDATE
) k ON true
WHERE t.id = $1`

	// addKeys leaves keys alone that somebody else has stored.
	addKeys = `
INSERT INTO data_key (tenant, uid, kek_version, keys) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, uid) DO NOTHING`

	// writeKeys changes what lockKeys has locked.
	writeKeys = `UPDATE data_key SET kek_version = $3, keys = $4 WHERE tenant = $1 AND uid = $2`
)

func (t *tx) Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	const doing = "reading a person's keys"
	var c keyColumns
	err := t.row(ctx, doing, readKeys, []any{tenant, id(uid)}, c.dest()...)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return c.unpack(doing)
}

func (c *keyColumns) unpack(doing string) ([]vault.DataKey, error) {
	r, exists := c.row()
	if !exists {
		return nil, nil
	}
	keys, err := r.Unpack(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return keys, nil
}

// A keyChange is one change of a person's keys.
type keyChange struct {
	doing string
	// stores, if not nil, is the wrapped key that is stored: below the tenant's epoch it
	// is [vault.ErrStaleKEK].
	stores *vault.DataKey
	// apply returns the keys as they are to be, and whether they are others than before.
	apply func(keys []vault.DataKey) (next []vault.DataKey, changed bool)
}

// changeKeys applies a change to a person's keys as they stand, while nobody else
// changes them, and says whether it changed any. It never writes over a row that it
// has not locked and read: where there is none it inserts one, and if somebody else
// was first it looks again.
func (t *tx) changeKeys(ctx context.Context, tenant int32, uid uuid.UUID, change keyChange) (changed bool, err error) {
	for {
		var c keyColumns
		var epoch int32
		if err := t.row(ctx, change.doing, lockKeys, []any{tenant, id(uid)}, append([]any{&epoch}, c.dest()...)...); err != nil {
			return false, err
		}
		if change.stores != nil && change.stores.KEKVersion < epoch {
			return false, fmt.Errorf("%s: %w", change.doing, vault.ErrStaleKEK)
		}
		keys, err := c.unpack(change.doing)
		if err != nil {
			return false, err
		}
		next, changed := change.apply(keys)
		if !changed {
			return false, nil
		}
		row, err := keyrow.Pack(next)
		if err != nil {
			return false, fmt.Errorf("%s: %w", change.doing, err)
		}
		write := writeKeys
		if keys == nil {
			write = addKeys
		}
		n, err := t.exec(ctx, change.doing, write, tenant, id(uid), row.KEKVersion, row.Keys)
		if err != nil || n == 1 {
			return true, err
		}
	}
}

// InsertKey fills an absent or empty place, never one that was destroyed since:
// destroying raises the epoch.
func (t *tx) InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k vault.DataKey) (bool, error) {
	return t.changeKeys(ctx, tenant, uid, keyChange{
		doing: "storing a person's key", stores: &k,
		apply: func(keys []vault.DataKey) ([]vault.DataKey, bool) { return keyrow.Insert(keys, k) },
	})
}

const destroyKeys = `DELETE FROM data_key WHERE tenant = $1 AND uid = $2 RETURNING kek_version, keys`

// DestroyKeys says nothing of keys that had been destroyed before.
func (t *tx) DestroyKeys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	t.news = append(t.news, keyNews(tenant, uid))
	var c keyColumns
	err := t.row(ctx, "destroying a person's keys", destroyKeys, []any{tenant, id(uid)}, c.dest()...)
	if err != nil && !missing(err) {
		return nil, err
	}
	r, _ := c.row()
	return r.Lost(), nil
}

func (t *tx) DestroyGroup(ctx context.Context, tenant int32, uid uuid.UUID, group uint32) (destroyed vault.DataKey, err error) {
	t.news = append(t.news, keyNews(tenant, uid))
	_, err = t.changeKeys(ctx, tenant, uid, keyChange{
		doing: "destroying a group's key",
		apply: func(keys []vault.DataKey) (next []vault.DataKey, changed bool) {
			next, destroyed = keyrow.Destroy(keys, group)
			return next, true
		},
	})
	if err != nil {
		return vault.DataKey{}, err
	}
	return destroyed, nil
}
