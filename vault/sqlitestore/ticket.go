package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) InsertTicket(ctx context.Context, k vault.Ticket) error {
	_, err := t.exec(ctx, `INSERT INTO ticket (tenant, uid, id, expires, body) VALUES (?1, ?2, ?3, ?4, ?5)`,
		k.Tenant, k.UID[:], k.ID[:], k.Expires.UnixMicro(), k.Body)
	if err != nil {
		return fmt.Errorf("storing a ticket: %w", err)
	}
	return nil
}

func (t *tx) ClaimTicket(ctx context.Context, k vault.Ticket) (bool, error) {
	n, err := t.exec(ctx, `INSERT INTO ticket (tenant, uid, id, expires, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING`,
		k.Tenant, k.UID[:], k.ID[:], k.Expires.UnixMicro(), k.Body)
	if err != nil {
		return false, fmt.Errorf("claiming a ticket: %w", err)
	}
	return n == 1, nil
}

func (t *tx) FillTicket(ctx context.Context, k vault.Ticket) error {
	n, err := t.exec(ctx, `UPDATE ticket SET body = ?4 WHERE tenant = ?1 AND uid = ?2 AND id = ?3`, k.Tenant, k.UID[:], k.ID[:], k.Body)
	if err == nil && n == 0 {
		err = vault.ErrNoRow
	}
	if err != nil {
		return fmt.Errorf("filling a ticket: %w", err)
	}
	return nil
}

func (t *tx) TicketBody(ctx context.Context, tenant int32, uid, id uuid.UUID) ([]byte, error) {
	body, err := one(ctx, t, `SELECT body FROM ticket WHERE tenant = ?1 AND uid = ?2 AND id = ?3`,
		func(r *sql.Rows) (b []byte, err error) { return b, r.Scan(&b) }, tenant, uid[:], id[:])
	if err != nil {
		return nil, fmt.Errorf("reading a ticket: %w", err)
	}
	return body, nil
}

func (t *tx) HasTicket(ctx context.Context, tenant int32, uid, id uuid.UUID) (bool, error) {
	found, err := list(ctx, t, `SELECT 1 FROM ticket WHERE tenant = ?1 AND uid = ?2 AND id = ?3`,
		func(r *sql.Rows) (one int, err error) { return one, r.Scan(&one) }, tenant, uid[:], id[:])
	if err != nil {
		return false, fmt.Errorf("reading a ticket: %w", err)
	}
	return len(found) > 0, nil
}

func (t *tx) SpendTicket(ctx context.Context, tenant int32, uid, id uuid.UUID) (bool, error) {
	n, err := t.exec(ctx, `DELETE FROM ticket WHERE tenant = ?1 AND uid = ?2 AND id = ?3`, tenant, uid[:], id[:])
	if err != nil {
		return false, fmt.Errorf("spending a ticket: %w", err)
	}
	return n == 1, nil
}

func (t *tx) DropTickets(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, `
		DELETE FROM ticket WHERE rowid IN (SELECT rowid FROM ticket WHERE expires < ?1 ORDER BY expires LIMIT ?2)`,
		before.UnixMicro(), atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("removing expired tickets: %w", err)
	}
	return int(n), nil
}
