package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) KeysBelow(ctx context.Context, tenant, below int32, after vault.KeyPlace, limit int) ([]vault.PlacedKey, error) {
	out, err := list(ctx, t, `
		SELECT uid, grp, epoch, version, kek_version, wrapped FROM data_key
		WHERE tenant = ?1 AND (uid, grp) > (?3, ?4) AND kek_version < ?2 AND wrapped IS NOT NULL
		ORDER BY uid, grp LIMIT ?5`,
		func(r *sql.Rows) (k vault.PlacedKey, err error) {
			err = r.Scan(uidColumn{&k.UID}, &k.Group, &k.Epoch, &k.Version, &k.KEKVersion, &k.Wrapped)
			return k, err
		}, tenant, below, after.UID[:], after.Group, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing keys under old versions: %w", err)
	}
	return out, nil
}

func (t *tx) RewrapKeys(ctx context.Context, tenant int32, keys []vault.Rewrapped) (int, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	var done int64
	for _, k := range keys {
		n, err := t.exec(ctx, `
			UPDATE data_key SET kek_version = ?7, wrapped = ?8
			WHERE tenant = ?1 AND uid = ?2 AND grp = ?3 AND epoch = ?4 AND version = ?5 AND kek_version = ?6
			  AND wrapped IS NOT NULL AND ?7 >= (SELECT kek_epoch FROM tenant WHERE id = ?1)`,
			tenant, k.UID[:], k.Group, k.Epoch, k.Version, k.KEKVersion, k.Next, blob(k.Wrapped))
		if err != nil {
			return 0, fmt.Errorf("rewrapping keys: %w", err)
		}
		done += n
	}
	return int(done), nil
}

func (t *tx) ReplaceKey(ctx context.Context, tenant int32, uid uuid.UUID, old, next vault.DataKey) error {
	if err := t.checkKEK(ctx, tenant, next.KEKVersion); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE data_key SET epoch = ?7, version = ?8, kek_version = ?9, wrapped = ?10
		WHERE tenant = ?1 AND uid = ?2 AND grp = ?3 AND epoch = ?4 AND version = ?5 AND kek_version = ?6
		  AND wrapped IS NOT NULL`,
		tenant, uid[:], old.Group, old.Epoch, old.Version, old.KEKVersion,
		next.Epoch, next.Version, next.KEKVersion, blob(next.Wrapped))
	if err != nil {
		return fmt.Errorf("replacing a key: %w", err)
	}
	if n != 1 {
		return vault.ErrStale
	}
	return nil
}

func (t *tx) RewrapTenantKey(ctx context.Context, tenant, was int32, k vault.TenantKey) (bool, error) {
	if err := t.text(k.Label); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `
		UPDATE tenant_key SET kek_version = ?4, wrapped = ?5
		WHERE tenant = ?1 AND label = ?2 AND kek_version = ?3 AND ?4 >= (SELECT kek_epoch FROM tenant WHERE id = ?1)`,
		tenant, k.Label, was, k.KEKVersion, blob(k.Wrapped))
	if err != nil {
		return false, fmt.Errorf("rewrapping a tenant key: %w", err)
	}
	return n == 1, nil
}

func (t *tx) DeleteTenantKey(ctx context.Context, tenant int32, label string) (bool, error) {
	if err := t.text(label); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `DELETE FROM tenant_key WHERE tenant = ?1 AND label = ?2`, tenant, label)
	if err != nil {
		return false, fmt.Errorf("deleting a tenant key: %w", err)
	}
	return n == 1, nil
}

func (t *tx) CountKeys(ctx context.Context, tenant int32) (people, own map[int32]int64, err error) {
	people, err = t.countByVersion(ctx, `
		SELECT kek_version, count(*) FROM data_key WHERE tenant = ?1 AND wrapped IS NOT NULL GROUP BY kek_version`, tenant)
	if err == nil {
		own, err = t.countByVersion(ctx, `
			SELECT kek_version, count(*) FROM tenant_key WHERE tenant = ?1 GROUP BY kek_version`, tenant)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("counting keys: %w", err)
	}
	return people, own, nil
}

func (t *tx) countByVersion(ctx context.Context, query string, tenant int32) (map[int32]int64, error) {
	out := map[int32]int64{}
	err := t.each(ctx, query, func(r *sql.Rows) error {
		var version int32
		var n int64
		if err := r.Scan(&version, &n); err != nil {
			return err
		}
		out[version] = n
		return nil
	}, tenant)
	return out, err
}

func (t *tx) RaiseKEKEpoch(ctx context.Context, tenant, epoch int32) error {
	n, err := t.exec(ctx, `UPDATE tenant SET kek_epoch = max(kek_epoch, ?2) WHERE id = ?1`, tenant, epoch)
	if err != nil {
		return fmt.Errorf("raising the epoch of a tenant: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}
