package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

func scanKeyRow(r *sql.Rows) (k keyrow.Row, err error) {
	err = r.Scan(&k.KEKVersion, &k.Keys)
	return k, err
}

// keyRow reads what the row of the directory says of a person's keys, if anything.
func (t *tx) keyRow(ctx context.Context, tenant int32, uid uuid.UUID) (r keyrow.Row, exists bool, err error) {
	r, err = one(ctx, t, `SELECT kek_version, keys FROM subject WHERE tenant = ?1 AND uid = ?2 AND keys IS NOT NULL`, scanKeyRow, tenant, uid[:])
	if errors.Is(err, vault.ErrNoRow) {
		return r, false, nil
	}
	return r, err == nil, err
}

func (t *tx) keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	r, exists, err := t.keyRow(ctx, tenant, uid)
	if err != nil || !exists {
		return nil, err
	}
	return r.Unpack(nil)
}

// putKeys writes keys of a living person as they now are. What they were, this
// transaction has read, and no other writes.
func (t *tx) putKeys(ctx context.Context, tenant int32, uid uuid.UUID, keys []vault.DataKey) error {
	r, err := keyrow.Pack(keys)
	if err != nil {
		return t.spoil(err)
	}
	n, err := t.exec(ctx, `UPDATE subject SET kek_version = ?3, keys = ?4 WHERE tenant = ?1 AND uid = ?2 AND state = 1`,
		tenant, uid[:], r.KEKVersion, r.Keys)
	if err == nil && n != 1 {
		return vault.ErrNoRow
	}
	return err
}

func (t *tx) Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	keys, err := t.keys(ctx, tenant, uid)
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	return keys, nil
}

func (t *tx) InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k vault.DataKey) (bool, error) {
	if err := t.checkKEK(ctx, tenant, k.KEKVersion); err != nil {
		return false, err
	}
	keys, err := t.keys(ctx, tenant, uid)
	stored := false
	if err == nil {
		if keys, stored = keyrow.Insert(keys, k); stored {
			err = t.putKeys(ctx, tenant, uid, keys)
		}
	}
	if err != nil {
		return false, fmt.Errorf("storing a key: %w", err)
	}
	return stored, nil
}

// checkKEK is vault.ErrStaleKEK for a version of the key-encryption key that is
// below the tenant's epoch.
func (t *tx) checkKEK(ctx context.Context, tenant, version int32) error {
	if err := t.usable(true); err != nil {
		return err
	}
	epoch, err := t.number(ctx, `SELECT kek_epoch FROM tenant WHERE id = ?1`, tenant)
	if err != nil {
		return fmt.Errorf("reading the epoch of a tenant: %w", err)
	}
	if int64(version) < epoch {
		return vault.ErrStaleKEK
	}
	return nil
}

func (t *tx) DestroyKeys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	r, _, err := t.keyRow(ctx, tenant, uid)
	if err == nil {
		_, err = t.exec(ctx, `UPDATE subject SET kek_version = NULL, keys = NULL WHERE tenant = ?1 AND uid = ?2`, tenant, uid[:])
	}
	if err != nil {
		return nil, fmt.Errorf("destroying keys: %w", err)
	}
	return r.Lost(), nil
}

func (t *tx) DestroyGroup(ctx context.Context, tenant int32, uid uuid.UUID, group uint32) (vault.DataKey, error) {
	if err := t.usable(true); err != nil {
		return vault.DataKey{}, err
	}
	keys, err := t.keys(ctx, tenant, uid)
	var destroyed vault.DataKey
	if err == nil {
		keys, destroyed = keyrow.Destroy(keys, group)
		err = t.putKeys(ctx, tenant, uid, keys)
	}
	if err != nil {
		return vault.DataKey{}, fmt.Errorf("destroying the key of a group: %w", err)
	}
	return destroyed, nil
}
