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

// A placedRow is the keys of a person, and whose they are.
type placedRow struct {
	uid uuid.UUID
	keyrow.Row
}

// KeysBelow reads as many people as there are keys asked for if each has two, and leaves
// out whom it has no room for.
func (t *tx) KeysBelow(ctx context.Context, tenant, below int32, after uuid.UUID, limit int) ([]vault.PlacedKey, error) {
	people, err := list(ctx, t, `
		SELECT uid, kek_version, keys FROM subject
		WHERE tenant = ?1 AND uid > ?3 AND kek_version > 0 AND kek_version < ?2
		ORDER BY uid LIMIT ?4`,
		func(r *sql.Rows) (p placedRow, err error) {
			err = r.Scan(uidColumn{&p.uid}, &p.KEKVersion, &p.Keys)
			return p, err
		}, tenant, below, after[:], (atMost(limit)+1)/2)
	if err != nil {
		return nil, fmt.Errorf("listing keys under old versions: %w", err)
	}
	var out []vault.PlacedKey
	for i := 0; i < len(people) && len(out) < limit; i++ {
		out = append(out, people[i].Below(below, people[i].uid)...)
	}
	return out, nil
}

func (t *tx) RewrapKeys(ctx context.Context, tenant int32, keys []vault.Rewrapped) (int, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	epoch, err := t.number(ctx, `SELECT coalesce(max(kek_epoch), 0) FROM tenant WHERE id = ?1`, tenant)
	done := 0
	for list := keys; err == nil && len(list) > 0; {
		n := 1 // those of one person mostly follow each other
		for n < len(list) && list[n].UID == list[0].UID {
			n++
		}
		var changed int
		changed, err = t.rewrapPerson(ctx, tenant, list[:n], epoch)
		done, list = done+changed, list[n:]
	}
	if err != nil {
		return 0, fmt.Errorf("rewrapping keys: %w", err)
	}
	return done, nil
}

// rewrapPerson changes those of a person's keys that stand as they were read, and says
// how many. Of a row that cannot be read that is none.
func (t *tx) rewrapPerson(ctx context.Context, tenant int32, list []vault.Rewrapped, epoch int64) (int, error) {
	keys, err := t.keys(ctx, tenant, list[0].UID)
	if t.failed == nil && errors.Is(err, vault.ErrIntegrity) {
		return 0, nil // it stays as it is, and is named by who looks for it
	}
	n := 0
	for i := range list {
		if int64(list[i].Next) >= epoch && keyrow.Rewrap(keys, list[i]) {
			n++
		}
	}
	if err == nil && n > 0 {
		err = t.putKeys(ctx, tenant, list[0].UID, keys)
	}
	return n, err
}

func (t *tx) ReplaceKey(ctx context.Context, tenant int32, uid uuid.UUID, old, next vault.DataKey) error {
	if err := t.checkKEK(ctx, tenant, next.KEKVersion); err != nil {
		return err
	}
	keys, err := t.keys(ctx, tenant, uid)
	if err == nil && !keyrow.Replace(keys, old, next) {
		return vault.ErrStale
	}
	if err == nil {
		err = t.putKeys(ctx, tenant, uid, keys)
	}
	if err != nil {
		return fmt.Errorf("replacing a key: %w", err)
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
	people, err = t.countPacked(ctx, tenant)
	if err == nil {
		own, err = t.countByVersion(ctx, `
			SELECT kek_version, count(*) FROM tenant_key WHERE tenant = ?1 GROUP BY kek_version`, tenant)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("counting keys: %w", err)
	}
	return people, own, nil
}

// countPacked counts people's keys, one row after the other.
func (t *tx) countPacked(ctx context.Context, tenant int32) (map[int32]int64, error) {
	out := map[int32]int64{}
	var row keyrow.Row
	var keys []vault.DataKey
	packed := (*sql.RawBytes)(&row.Keys) // not copied
	err := t.each(ctx, `SELECT kek_version, keys FROM subject WHERE tenant = ?1 AND keys IS NOT NULL`, func(r *sql.Rows) error {
		if err := r.Scan(&row.KEKVersion, packed); err != nil {
			return err
		}
		keys = row.Count(out, keys)
		return nil
	}, tenant)
	return out, err
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
