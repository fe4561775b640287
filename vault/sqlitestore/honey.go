package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) PutHoney(ctx context.Context, h vault.Honey) error {
	_, err := t.exec(ctx, `
		INSERT INTO honey (tenant, uid, mac) VALUES (?1, ?2, ?3)
		ON CONFLICT (tenant, uid) DO UPDATE SET mac = excluded.mac`,
		h.Tenant, h.UID[:], blob(h.MAC))
	if err != nil {
		return fmt.Errorf("storing a honey person: %w", err)
	}
	return nil
}

func (t *tx) DeleteHoney(ctx context.Context, tenant int32, uid uuid.UUID) error {
	_, err := t.exec(ctx, `DELETE FROM honey WHERE tenant = ?1 AND uid = ?2`, tenant, uid[:])
	if err != nil {
		return fmt.Errorf("deleting a honey person: %w", err)
	}
	return nil
}

func (t *tx) ListHoney(ctx context.Context, tenant int32, uid uuid.UUID, limit int) ([]vault.Honey, error) {
	out, err := list(ctx, t, `SELECT tenant, uid, mac FROM honey WHERE (tenant, uid) > (?1, ?2) ORDER BY tenant, uid LIMIT ?3`,
		func(r *sql.Rows) (h vault.Honey, err error) {
			err = r.Scan(&h.Tenant, uidColumn{&h.UID}, &h.MAC)
			return h, err
		}, tenant, uid[:], atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing honey people: %w", err)
	}
	return out, nil
}
