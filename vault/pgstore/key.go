package pgstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

// A keyColumns is what the row of the directory says of a person's keys; NULL: none.
type keyColumns struct {
	kek  pgtype.Int4
	keys []byte
}

func (c *keyColumns) dest() []any { return []any{&c.kek, &c.keys} }

func (c *keyColumns) row() (r keyrow.Row, exists bool) {
	return keyrow.Row{KEKVersion: c.kek.Int32, Keys: c.keys}, c.kek.Valid
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
	readKeys = `SELECT kek_version, keys FROM subject WHERE tenant = $1 AND uid = $2`

	// lockKeys reads the keys of a living person and has others that would change them
	// wait. Beside them it says the tenant's epoch.
	lockKeys = `
SELECT t.kek_epoch, p.kek_version, p.keys FROM tenant t
CROSS JOIN LATERAL (
    SELECT kek_version, keys FROM subject WHERE tenant = $1 AND uid = $2 AND state = 1 FOR UPDATE
) p
WHERE t.id = $1`

	// writeKeys changes what lockKeys has locked.
	writeKeys = `UPDATE subject SET kek_version = $3, keys = $4 WHERE tenant = $1 AND uid = $2`
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

// changeKeys applies a change to the keys of a living person as they stand, while
// nobody else changes them, and says whether it changed any.
func (t *tx) changeKeys(ctx context.Context, tenant int32, uid uuid.UUID, change keyChange) (changed bool, err error) {
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
	n, err := t.exec(ctx, change.doing, writeKeys, tenant, id(uid), row.KEKVersion, row.Keys)
	return true, exactlyOne(change.doing, n, err)
}

// InsertKey fills an absent or empty place, never one that was destroyed since:
// destroying raises the epoch.
func (t *tx) InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k vault.DataKey) (bool, error) {
	return t.changeKeys(ctx, tenant, uid, keyChange{
		doing: "storing a person's key", stores: &k,
		apply: func(keys []vault.DataKey) ([]vault.DataKey, bool) { return keyrow.Insert(keys, k) },
	})
}

// destroyKeys returns what it takes out.
const destroyKeys = `
WITH had AS MATERIALIZED (
    SELECT lookup, kek_version, keys FROM subject WHERE tenant = $1 AND uid = $2 AND keys IS NOT NULL FOR UPDATE
)
UPDATE subject s SET kek_version = NULL, keys = NULL
FROM had WHERE s.tenant = $1 AND s.lookup = had.lookup
RETURNING had.kek_version, had.keys`

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
