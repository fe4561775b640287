package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const putReseal = `
INSERT INTO reseal (tenant, uid, grp, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, uid, grp) DO UPDATE SET version = EXCLUDED.version WHERE reseal.version < EXCLUDED.version`

func (t *tx) PutReseal(ctx context.Context, r vault.Reseal) error {
	_, err := t.exec(ctx, "storing a reseal", putReseal, r.Tenant, id(r.UID), r.Group, r.Version)
	return err
}

const listReseals = `
SELECT tenant, uid, grp, version FROM reseal
WHERE tenant = $1 AND (uid, grp) > ($2, $3) ORDER BY uid, grp LIMIT $4`

func (t *tx) Reseals(ctx context.Context, tenant int32, after vault.KeyPlace, limit int) ([]vault.Reseal, error) {
	return rows(ctx, t, "listing reseals", listReseals, []any{tenant, anyID(after.UID), after.Group, limit},
		func(r pgx.CollectableRow) (s vault.Reseal, err error) {
			err = r.Scan(&s.Tenant, &s.UID, &s.Group, &s.Version)
			return s, err
		})
}

const deleteReseal = `DELETE FROM reseal WHERE tenant = $1 AND uid = $2 AND grp = $3 AND version = $4`

func (t *tx) DeleteReseal(ctx context.Context, r vault.Reseal) error {
	_, err := t.exec(ctx, "deleting a reseal", deleteReseal, r.Tenant, id(r.UID), r.Group, r.Version)
	return err
}
