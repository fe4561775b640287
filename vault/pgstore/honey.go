package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const putHoney = `
INSERT INTO honey (tenant, uid, mac) VALUES ($1, $2, $3)
ON CONFLICT (tenant, uid) DO UPDATE SET mac = EXCLUDED.mac`

func (t *tx) PutHoney(ctx context.Context, h vault.Honey) error {
	_, err := t.exec(ctx, "storing a honey person", putHoney, h.Tenant, id(h.UID), h.MAC)
	return err
}

const deleteHoney = `DELETE FROM honey WHERE tenant = $1 AND uid = $2`

func (t *tx) DeleteHoney(ctx context.Context, tenant int32, uid uuid.UUID) error {
	_, err := t.exec(ctx, "deleting a honey person", deleteHoney, tenant, id(uid))
	return err
}

const listHoney = `SELECT tenant, uid, mac FROM honey WHERE (tenant, uid) > ($1, $2) ORDER BY tenant, uid LIMIT $3`

func (t *tx) ListHoney(ctx context.Context, tenant int32, uid uuid.UUID, limit int) ([]vault.Honey, error) {
	return rows(ctx, t, "listing honey people", listHoney, []any{tenant, anyID(uid), limit},
		func(r pgx.CollectableRow) (h vault.Honey, err error) {
			err = r.Scan(&h.Tenant, &h.UID, &h.MAC)
			return h, err
		})
}
