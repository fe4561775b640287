package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) PutReseal(ctx context.Context, r vault.Reseal) error {
	_, err := t.exec(ctx, `
		INSERT INTO reseal (tenant, uid, grp, version) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (tenant, uid, grp) DO UPDATE SET version = excluded.version WHERE version < excluded.version`,
		r.Tenant, r.UID[:], r.Group, r.Version)
	if err != nil {
		return fmt.Errorf("storing a reseal: %w", err)
	}
	return nil
}

func (t *tx) Reseals(ctx context.Context, tenant int32, after vault.KeyPlace, limit int) ([]vault.Reseal, error) {
	out, err := list(ctx, t, `
		SELECT tenant, uid, grp, version FROM reseal
		WHERE tenant = ?1 AND (uid, grp) > (?2, ?3) ORDER BY uid, grp LIMIT ?4`,
		func(r *sql.Rows) (s vault.Reseal, err error) {
			err = r.Scan(&s.Tenant, uidColumn{&s.UID}, &s.Group, &s.Version)
			return s, err
		}, tenant, after.UID[:], after.Group, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing reseals: %w", err)
	}
	return out, nil
}

func (t *tx) DeleteReseal(ctx context.Context, r vault.Reseal) error {
	_, err := t.exec(ctx, `DELETE FROM reseal WHERE tenant = ?1 AND uid = ?2 AND grp = ?3 AND version = ?4`,
		r.Tenant, r.UID[:], r.Group, r.Version)
	if err != nil {
		return fmt.Errorf("deleting a reseal: %w", err)
	}
	return nil
}
