package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	keyLives = `
SELECT key, version, uses, created, destroyed FROM key_life WHERE tenant = $1 ORDER BY key, version`

	noteKey = `
INSERT INTO key_life AS l (tenant, key, version, uses, created, destroyed)
VALUES ($1, $2, $3, greatest($4::bigint, 0), $5, $6)
ON CONFLICT (tenant, key, version) DO UPDATE SET
    uses = greatest(l.uses + $4::bigint, 0),
    created = least(l.created, excluded.created),
    destroyed = coalesce(l.destroyed, excluded.destroyed)`

	reviveKeys = `
UPDATE key_life SET destroyed = NULL WHERE tenant = $1 AND key = $2 AND version >= $3 AND destroyed < $4`
)

func (t *tx) KeyLives(ctx context.Context, tenant int32) ([]vault.KeyLife, error) {
	return rows(ctx, t, "reading the lives of keys", keyLives, []any{tenant}, func(r pgx.CollectableRow) (l vault.KeyLife, err error) {
		var created, destroyed pgtype.Timestamptz
		err = r.Scan(&l.Key, &l.Version, &l.Uses, &created, &destroyed)
		l.Created, l.Destroyed = created.Time, destroyed.Time
		return l, err
	})
}

func (t *tx) NoteKey(ctx context.Context, tenant int32, l vault.KeyLife) error {
	_, err := t.exec(ctx, "noting the life of a key", noteKey, tenant, l.Key, l.Version, l.Uses, at(l.Created), at(l.Destroyed))
	return err
}

func (t *tx) ReviveKeys(ctx context.Context, tenant int32, key string, from int32, before time.Time) error {
	_, err := t.exec(ctx, "noting that keys stand", reviveKeys, tenant, key, from, at(before))
	return err
}
