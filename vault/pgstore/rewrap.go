package pgstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const keysBelow = `
SELECT uid, grp, epoch, version, kek_version, wrapped FROM data_key
WHERE tenant = $1 AND (uid, grp) > ($3, $4) AND kek_version < $2 AND wrapped IS NOT NULL
ORDER BY uid, grp LIMIT $5`

// KeysBelow walks the primary key: no index knows the versions, so that a rewrap
// changes rows in place. Where few keys are left it may walk a whole tenant,
// and has the time that it takes.
func (t *tx) KeysBelow(ctx context.Context, tenant, below int32, after vault.KeyPlace, limit int) ([]vault.PlacedKey, error) {
	const doing = "listing keys under old versions"
	if err := t.extend(ctx, doing, longStatements); err != nil {
		return nil, err
	}
	return rows(ctx, t, doing, keysBelow, []any{tenant, below, anyID(after.UID), after.Group, limit},
		func(r pgx.CollectableRow) (k vault.PlacedKey, err error) {
			err = r.Scan(&k.UID, &k.Group, &k.Epoch, &k.Version, &k.KEKVersion, &k.Wrapped)
			return k, err
		})
}

// rewrapKeys changes rows that stand as they were read and makes none. A row
// that another transaction has locked is looked at again when that has ended.
const rewrapKeys = `
UPDATE data_key d SET kek_version = k.next, wrapped = k.wrapped
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[], $8::bytea[])
     k(uid, grp, epoch, version, was, next, wrapped),
     tenant t
WHERE d.tenant = $1 AND d.uid = k.uid AND d.grp = k.grp
  AND d.epoch = k.epoch AND d.version = k.version AND d.kek_version = k.was AND d.wrapped IS NOT NULL
  AND t.id = $1 AND t.kek_epoch <= k.next`

// RewrapKeys is one statement for all keys.
func (t *tx) RewrapKeys(ctx context.Context, tenant int32, keys []vault.Rewrapped) (int, error) {
	size := len(keys)
	uids, wrapped := make([]pgtype.UUID, size), make([][]byte, size)
	groups, epochs, versions := make([]uint32, size), make([]uint32, size), make([]uint32, size)
	was, next := make([]int32, size), make([]int32, size)
	for i, k := range keys {
		uids[i], wrapped[i] = anyID(k.UID), some(k.Wrapped)
		groups[i], epochs[i], versions[i] = k.Group, k.Epoch, k.Version
		was[i], next[i] = k.KEKVersion, k.Next
	}
	n, err := t.exec(ctx, "rewrapping keys", rewrapKeys, tenant, uids, groups, epochs, versions, was, next, wrapped)
	return int(n), err
}

const replaceKey = `
WITH t AS (
    SELECT kek_epoch FROM tenant WHERE id = $1
), written AS (
    UPDATE data_key d SET epoch = $7, version = $8, kek_version = $9, wrapped = $10
    FROM t
    WHERE t.kek_epoch <= $9 AND d.tenant = $1 AND d.uid = $2 AND d.grp = $3
      AND d.epoch = $4 AND d.version = $5 AND d.kek_version = $6 AND d.wrapped IS NOT NULL
    RETURNING 1
)
SELECT t.kek_epoch <= $9, EXISTS (SELECT 1 FROM written) FROM t`

func (t *tx) ReplaceKey(ctx context.Context, tenant int32, uid uuid.UUID, old, next vault.DataKey) error {
	const doing = "replacing a key"
	t.news = append(t.news, keyNews(tenant, uid))
	written, err := t.underEpoch(ctx, doing, replaceKey,
		tenant, id(uid), old.Group, old.Epoch, old.Version, old.KEKVersion,
		next.Epoch, next.Version, next.KEKVersion, some(next.Wrapped))
	if err == nil && !written {
		return fmt.Errorf("%s: %w", doing, vault.ErrStale)
	}
	return err
}

const rewrapTenantKey = `
UPDATE tenant_key k SET kek_version = $4, wrapped = $5
FROM tenant t
WHERE k.tenant = $1 AND k.label = $2 AND k.kek_version = $3 AND t.id = $1 AND t.kek_epoch <= $4`

func (t *tx) RewrapTenantKey(ctx context.Context, tenant, was int32, k vault.TenantKey) (bool, error) {
	n, err := t.exec(ctx, "rewrapping a tenant's key", rewrapTenantKey, tenant, k.Label, was, k.KEKVersion, some(k.Wrapped))
	return n == 1, err
}

const deleteTenantKey = `DELETE FROM tenant_key WHERE tenant = $1 AND label = $2`

// DeleteTenantKey is refused by a trigger for all but index keys.
func (t *tx) DeleteTenantKey(ctx context.Context, tenant int32, label string) (bool, error) {
	n, err := t.exec(ctx, "deleting a tenant's key", deleteTenantKey, tenant, label)
	return n == 1, err
}

const (
	countKeys = `
SELECT kek_version, count(*) FROM data_key WHERE tenant = $1 AND wrapped IS NOT NULL GROUP BY kek_version`

	countTenantKeys = `SELECT kek_version, count(*) FROM tenant_key WHERE tenant = $1 GROUP BY kek_version`
)

// CountKeys reads a whole table and may take minutes; the transaction has them.
func (t *tx) CountKeys(ctx context.Context, tenant int32) (people, own map[int32]int64, err error) {
	const doing = "counting keys"
	if err := t.extend(ctx, doing, wholeTables); err != nil {
		return nil, nil, err
	}
	if people, err = t.countByVersion(ctx, doing, countKeys, tenant); err != nil {
		return nil, nil, err
	}
	if own, err = t.countByVersion(ctx, doing, countTenantKeys, tenant); err != nil {
		return nil, nil, err
	}
	return people, own, nil
}

func (t *tx) countByVersion(ctx context.Context, doing, sql string, tenant int32) (map[int32]int64, error) {
	type count struct {
		version int32
		keys    int64
	}
	list, err := rows(ctx, t, doing, sql, []any{tenant}, func(r pgx.CollectableRow) (c count, err error) {
		err = r.Scan(&c.version, &c.keys)
		return c, err
	})
	if err != nil {
		return nil, err
	}
	out := make(map[int32]int64, len(list))
	for _, c := range list {
		out[c.version] = c.keys
	}
	return out, nil
}

const raiseKEKEpoch = `UPDATE tenant SET kek_epoch = greatest(kek_epoch, $2) WHERE id = $1`

// RaiseKEKEpoch is [vault.ErrNoRow] when there is no such tenant.
func (t *tx) RaiseKEKEpoch(ctx context.Context, tenant, epoch int32) error {
	const doing = "raising a tenant's epoch"
	n, err := t.exec(ctx, doing, raiseKEKEpoch, tenant, epoch)
	return found(doing, n, err)
}
