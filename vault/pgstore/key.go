package pgstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const listKeys = `
SELECT grp, epoch, version, kek_version, wrapped FROM data_key
WHERE tenant = $1 AND uid = $2 ORDER BY grp`

func (t *tx) Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	return rows(ctx, t, "reading a person's keys", listKeys, []any{tenant, id(uid)}, readKey)
}

func readKey(r pgx.CollectableRow) (k vault.DataKey, err error) {
	err = r.Scan(&k.Group, &k.Epoch, &k.Version, &k.KEKVersion, &k.Wrapped)
	return k, err
}

// insertKey fills an absent or empty place, never one that was destroyed since:
// destroying raises the epoch. The tenant's epoch is read by the same statement.
const insertKey = `
WITH t AS (
    SELECT id, kek_epoch FROM tenant WHERE id = $1
), stored AS (
    INSERT INTO data_key (tenant, uid, grp, epoch, version, kek_version, wrapped)
    SELECT t.id, $2, $3, $4, $5, $6, $7 FROM t WHERE t.kek_epoch <= $6
    ON CONFLICT (tenant, uid, grp) DO UPDATE
    SET version = EXCLUDED.version, kek_version = EXCLUDED.kek_version, wrapped = EXCLUDED.wrapped
    WHERE data_key.wrapped IS NULL AND data_key.epoch = EXCLUDED.epoch
    RETURNING 1
)
SELECT t.kek_epoch <= $6, EXISTS (SELECT 1 FROM stored) FROM t`

func (t *tx) InsertKey(ctx context.Context, tenant int32, uid uuid.UUID, k vault.DataKey) (bool, error) {
	return t.underEpoch(ctx, "storing a person's key", insertKey,
		tenant, id(uid), k.Group, k.Epoch, k.Version, k.KEKVersion, some(k.Wrapped))
}

// underEpoch runs a statement that stores a wrapped key. It answers whether the
// tenant's epoch allows the wrap, else [vault.ErrStaleKEK], and whether the
// key was stored.
func (t *tx) underEpoch(ctx context.Context, doing, sql string, args ...any) (bool, error) {
	var accepted, stored bool
	if err := t.row(ctx, doing, sql, args, &accepted, &stored); err != nil {
		return false, err
	}
	if !accepted {
		return false, fmt.Errorf("%s: %w", doing, vault.ErrStaleKEK)
	}
	return stored, nil
}

// Rows that held no key destroy nothing and are not returned.
const destroyKeys = `
WITH gone AS (
    DELETE FROM data_key WHERE tenant = $1 AND uid = $2
    RETURNING grp, epoch, version, kek_version, wrapped
)
SELECT grp, epoch, version, kek_version, NULL::bytea FROM gone WHERE wrapped IS NOT NULL ORDER BY grp`

func (t *tx) DestroyKeys(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.DataKey, error) {
	t.news = append(t.news, keyNews(tenant, uid))
	return rows(ctx, t, "destroying a person's keys", destroyKeys, []any{tenant, id(uid)}, readKey)
}

const (
	keyToDestroy = `
SELECT grp, epoch, version, kek_version, NULL::bytea FROM data_key
WHERE tenant = $1 AND uid = $2 AND grp = $3 FOR UPDATE`

	destroyGroup = `
INSERT INTO data_key (tenant, uid, grp, epoch, version, kek_version, wrapped)
VALUES ($1, $2, $3, 2, 0, 0, NULL)
ON CONFLICT (tenant, uid, grp) DO UPDATE
SET epoch = data_key.epoch + 1, version = 0, kek_version = 0, wrapped = NULL`
)

func (t *tx) DestroyGroup(ctx context.Context, tenant int32, uid uuid.UUID, group uint32) (vault.DataKey, error) {
	const doing = "destroying a group's key"
	args := []any{tenant, id(uid), group}
	k := vault.DataKey{Group: group, Epoch: 1}
	err := t.row(ctx, doing, keyToDestroy, args, &k.Group, &k.Epoch, &k.Version, &k.KEKVersion, &k.Wrapped)
	if err != nil && !missing(err) {
		return vault.DataKey{}, err
	}
	t.news = append(t.news, keyNews(tenant, uid))
	if _, err := t.exec(ctx, doing, destroyGroup, args...); err != nil {
		return vault.DataKey{}, err
	}
	return k, nil
}
