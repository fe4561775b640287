package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const putShred = `
INSERT INTO shred (tenant, uid, grp, epoch) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, uid, grp) DO UPDATE SET epoch = EXCLUDED.epoch WHERE shred.epoch < EXCLUDED.epoch`

func (t *tx) PutShred(ctx context.Context, s vault.Shred) error {
	_, err := t.exec(ctx, "storing a shred", putShred, s.Tenant, id(s.UID), s.Group, s.Epoch)
	return err
}

const listShreds = `SELECT tenant, uid, grp, epoch FROM shred ORDER BY tenant, uid, grp LIMIT $1`

func (t *tx) Shreds(ctx context.Context, limit int) ([]vault.Shred, error) {
	return rows(ctx, t, "listing shreds", listShreds, []any{limit},
		func(r pgx.CollectableRow) (s vault.Shred, err error) {
			err = r.Scan(&s.Tenant, &s.UID, &s.Group, &s.Epoch)
			return s, err
		})
}

const deleteShred = `DELETE FROM shred WHERE tenant = $1 AND uid = $2 AND grp = $3 AND epoch = $4`

func (t *tx) DeleteShred(ctx context.Context, s vault.Shred) error {
	_, err := t.exec(ctx, "deleting a shred", deleteShred, s.Tenant, id(s.UID), s.Group, s.Epoch)
	return err
}
