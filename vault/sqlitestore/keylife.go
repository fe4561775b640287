package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) KeyLives(ctx context.Context, tenant int32) ([]vault.KeyLife, error) {
	out, err := list(ctx, t, `
		SELECT key, version, uses, created, destroyed FROM key_life WHERE tenant = ?1 ORDER BY key, version`,
		func(r *sql.Rows) (l vault.KeyLife, err error) {
			err = r.Scan(&l.Key, &l.Version, &l.Uses, timeColumn{&l.Created}, timeColumn{&l.Destroyed})
			return l, err
		}, tenant)
	if err != nil {
		return nil, fmt.Errorf("reading the lives of keys: %w", err)
	}
	return out, nil
}

func (t *tx) NoteKey(ctx context.Context, tenant int32, l vault.KeyLife) error {
	if err := t.text(l.Key); err != nil {
		return err
	}
	_, err := t.exec(ctx, `
		INSERT INTO key_life (tenant, key, version, uses, created, destroyed)
		VALUES (?1, ?2, ?3, max(?4, 0), ?5, ?6)
		ON CONFLICT (tenant, key, version) DO UPDATE SET
			uses = max(uses + ?4, 0),
			created = min(coalesce(created, excluded.created), coalesce(excluded.created, created)),
			destroyed = coalesce(destroyed, excluded.destroyed)`,
		tenant, l.Key, l.Version, l.Uses, micros(l.Created), micros(l.Destroyed))
	if err != nil {
		return fmt.Errorf("noting the life of a key: %w", err)
	}
	return nil
}

func (t *tx) ReviveKeys(ctx context.Context, tenant int32, key string, from int32, before time.Time) error {
	if err := t.text(key); err != nil {
		return err
	}
	_, err := t.exec(ctx, `
		UPDATE key_life SET destroyed = NULL WHERE tenant = ?1 AND key = ?2 AND version >= ?3 AND destroyed < ?4`,
		tenant, key, from, before.UnixMicro())
	if err != nil {
		return fmt.Errorf("noting that keys stand: %w", err)
	}
	return nil
}
