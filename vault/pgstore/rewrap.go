package pgstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/keyrow"
)

const keysBelow = `
SELECT uid, kek_version, keys FROM subject
WHERE tenant = $1 AND uid > $3 AND kek_version > 0 AND kek_version < $2
ORDER BY uid LIMIT $4`

// KeysBelow walks the index of uids: no index knows the versions, so that a rewrap
// changes rows in place. Where few keys are left it may walk a whole tenant,
// and has the time that it takes. It reads as many people as there are keys asked for
// if each has two, and leaves out whom it has no room for.
func (t *tx) KeysBelow(ctx context.Context, tenant, below int32, after uuid.UUID, limit int) ([]vault.PlacedKey, error) {
	const doing = "listing keys under old versions"
	if err := t.extend(ctx, doing, longStatements); err != nil {
		return nil, err
	}
	people, err := rows(ctx, t, doing, keysBelow, []any{tenant, below, anyID(after), (limit + 1) / 2}, readPlacedRow)
	if err != nil {
		return nil, err
	}
	var list []vault.PlacedKey
	for i := 0; i < len(people) && len(list) < limit; i++ {
		list = append(list, people[i].Below(below, people[i].uid)...)
	}
	return list, nil
}

// A placedRow is the keys of a person, and whose they are.
type placedRow struct {
	uid uuid.UUID
	keyrow.Row
}

func readPlacedRow(r pgx.CollectableRow) (p placedRow, err error) {
	err = r.Scan(&p.uid, &p.KEKVersion, &p.Keys)
	return p, err
}

const (
	// lockKeysOf reads the keys of people in the order in which all lock them who lock
	// several. A row that another transaction has locked is as that leaves it.
	lockKeysOf = `
SELECT s.uid, s.kek_version, s.keys, t.kek_epoch FROM subject s, tenant t
WHERE s.tenant = $1 AND s.uid = ANY ($2) AND s.keys IS NOT NULL AND t.id = $1
ORDER BY s.lookup FOR UPDATE OF s`

	// writeKeysOf changes rows that lockKeysOf has locked, and makes none.
	writeKeysOf = `
UPDATE subject s SET kek_version = k.kek_version, keys = k.keys
FROM unnest($2::uuid[], $3::integer[], $4::bytea[]) k(uid, kek_version, keys)
WHERE s.tenant = $1 AND s.uid = k.uid`
)

// RewrapKeys is two statements for all keys.
func (t *tx) RewrapKeys(ctx context.Context, tenant int32, keys []vault.Rewrapped) (int, error) {
	const doing = "rewrapping keys"
	of := make(map[uuid.UUID][]*vault.Rewrapped, len(keys))
	for i := range keys {
		of[keys[i].UID] = append(of[keys[i].UID], &keys[i])
	}
	var epoch int32
	people, err := rows(ctx, t, doing, lockKeysOf, []any{tenant, ids(slices.Collect(maps.Keys(of)))},
		func(r pgx.CollectableRow) (p placedRow, err error) {
			err = r.Scan(&p.uid, &p.KEKVersion, &p.Keys, &epoch)
			return p, err
		})
	if err != nil {
		return 0, err
	}
	var uids []pgtype.UUID
	var versions []int32
	var packed byteas
	done := 0
	for _, p := range people {
		row, n, err := rewrap(p.Row, of[p.uid], epoch)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", doing, err)
		}
		if done += n; n > 0 {
			uids, versions, packed = append(uids, anyID(p.uid)), append(versions, row.KEKVersion), append(packed, row.Keys)
		}
	}
	if done == 0 {
		return 0, nil
	}
	_, err = t.exec(ctx, doing, writeKeysOf, tenant, uids, versions, packed)
	return done, err
}

// rewrap changes those of a person's keys that stand as they were read, and says how
// many. Of a row that cannot be read that is none.
func rewrap(row keyrow.Row, list []*vault.Rewrapped, epoch int32) (keyrow.Row, int, error) {
	keys, err := row.Unpack(nil)
	if err != nil {
		return row, 0, nil //nolint:nilerr // it stays as it is, and is named by who looks for it
	}
	n := 0
	for _, r := range list {
		if r.Next >= epoch && keyrow.Rewrap(keys, *r) {
			n++
		}
	}
	if n == 0 {
		return row, 0, nil
	}
	row, err = keyrow.Pack(keys)
	return row, n, err
}

func (t *tx) ReplaceKey(ctx context.Context, tenant int32, uid uuid.UUID, old, next vault.DataKey) error {
	const doing = "replacing a key"
	t.news = append(t.news, keyNews(tenant, uid))
	written, err := t.changeKeys(ctx, tenant, uid, keyChange{
		doing: doing, stores: &next,
		apply: func(keys []vault.DataKey) ([]vault.DataKey, bool) { return keys, keyrow.Replace(keys, old, next) },
	})
	if err == nil && !written || missing(err) {
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
	countKeys = `SELECT kek_version, keys FROM subject WHERE tenant = $1 AND keys IS NOT NULL`

	countTenantKeys = `SELECT kek_version, count(*) FROM tenant_key WHERE tenant = $1 GROUP BY kek_version`
)

// CountKeys reads a whole table and may take minutes; the transaction has them.
func (t *tx) CountKeys(ctx context.Context, tenant int32) (people, own map[int32]int64, err error) {
	const doing = "counting keys"
	if err := t.extend(ctx, doing, wholeTables); err != nil {
		return nil, nil, err
	}
	if people, err = t.countPacked(ctx, doing, tenant); err != nil {
		return nil, nil, err
	}
	if own, err = t.countByVersion(ctx, doing, countTenantKeys, tenant); err != nil {
		return nil, nil, err
	}
	return people, own, nil
}

// countPacked counts people's keys, one row after the other.
func (t *tx) countPacked(ctx context.Context, doing string, tenant int32) (map[int32]int64, error) {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	r, err := t.p.Query(bounded, countKeys, tenant)
	if err != nil {
		return nil, t.fail(ctx, doing, err)
	}
	defer r.Close()
	out := map[int32]int64{}
	var row keyrow.Row
	var keys []vault.DataKey
	packed := (*pgtype.DriverBytes)(&row.Keys) // not copied
	for r.Next() {
		if err := r.Scan(&row.KEKVersion, packed); err != nil {
			return nil, t.fail(ctx, doing, err)
		}
		keys = row.Count(out, keys)
	}
	if err := r.Err(); err != nil {
		return nil, t.fail(ctx, doing, err)
	}
	return out, nil
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
