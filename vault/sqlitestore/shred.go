package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) PutShred(ctx context.Context, s vault.Shred) error {
	_, err := t.exec(ctx, `
		INSERT INTO shred (tenant, uid, grp, epoch) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (tenant, uid, grp) DO UPDATE SET epoch = excluded.epoch WHERE epoch < excluded.epoch`,
		s.Tenant, s.UID[:], s.Group, s.Epoch)
	if err != nil {
		return fmt.Errorf("storing a shred: %w", err)
	}
	return nil
}

func (t *tx) Shreds(ctx context.Context, limit int) ([]vault.Shred, error) {
	out, err := list(ctx, t, `SELECT tenant, uid, grp, epoch FROM shred ORDER BY tenant, uid, grp LIMIT ?1`,
		func(r *sql.Rows) (s vault.Shred, err error) {
			err = r.Scan(&s.Tenant, uidColumn{&s.UID}, &s.Group, &s.Epoch)
			return s, err
		}, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing shreds: %w", err)
	}
	return out, nil
}

func (t *tx) DeleteShred(ctx context.Context, s vault.Shred) error {
	_, err := t.exec(ctx, `DELETE FROM shred WHERE tenant = ?1 AND uid = ?2 AND grp = ?3 AND epoch = ?4`,
		s.Tenant, s.UID[:], s.Group, s.Epoch)
	if err != nil {
		return fmt.Errorf("deleting a shred: %w", err)
	}
	return nil
}
