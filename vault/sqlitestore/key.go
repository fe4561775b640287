package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func scanKey(r *sql.Rows) (k vault.DataKey, err error) {
	err = r.Scan(&k.Group, &k.Epoch, &k.Version, &k.KEKVersion, &k.Wrapped)
	return k, err
}

func (t *tx) Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	keys, err := list(ctx, t, `
		SELECT grp, epoch, version, kek_version, wrapped FROM data_key
		WHERE tenant = ?1 AND uid = ?2 ORDER BY grp`, scanKey, tenant, uid[:])
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	return keys, nil
}

func (t *tx) InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k vault.DataKey) (bool, error) {
	if err := t.checkKEK(ctx, tenant, k.KEKVersion); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `
		INSERT INTO data_key AS d (tenant, uid, grp, epoch, version, kek_version, wrapped)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (tenant, uid, grp) DO UPDATE
		SET version = excluded.version, kek_version = excluded.kek_version, wrapped = excluded.wrapped
		WHERE d.epoch = excluded.epoch AND d.wrapped IS NULL`,
		tenant, uid[:], k.Group, k.Epoch, k.Version, k.KEKVersion, blob(k.Wrapped))
	if err != nil {
		return false, fmt.Errorf("storing a key: %w", err)
	}
	return n == 1, nil
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
	destroyed, err := list(ctx, t, `
		SELECT grp, epoch, version, kek_version, NULL FROM data_key
		WHERE tenant = ?1 AND uid = ?2 AND wrapped IS NOT NULL ORDER BY grp`, scanKey, tenant, uid[:])
	if err == nil {
		_, err = t.exec(ctx, `DELETE FROM data_key WHERE tenant = ?1 AND uid = ?2`, tenant, uid[:])
	}
	if err != nil {
		return nil, fmt.Errorf("destroying keys: %w", err)
	}
	return destroyed, nil
}

func (t *tx) DestroyGroup(ctx context.Context, tenant int32, uid uuid.UUID, group uint32) (vault.DataKey, error) {
	destroyed, err := one(ctx, t, `
		SELECT grp, epoch, version, kek_version, NULL FROM data_key
		WHERE tenant = ?1 AND uid = ?2 AND grp = ?3`, scanKey, tenant, uid[:], group)
	if errors.Is(err, vault.ErrNoRow) {
		destroyed, err = vault.DataKey{Group: group, Epoch: 1}, nil
	}
	if err == nil {
		_, err = t.exec(ctx, `
			INSERT INTO data_key (tenant, uid, grp, epoch, version, kek_version) VALUES (?1, ?2, ?3, 2, 0, 0)
			ON CONFLICT (tenant, uid, grp) DO UPDATE
			SET epoch = epoch + 1, version = 0, kek_version = 0, wrapped = NULL`, tenant, uid[:], group)
	}
	if err != nil {
		return vault.DataKey{}, fmt.Errorf("destroying the key of a group: %w", err)
	}
	return destroyed, nil
}
