package pgstore

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const insertTicket = `INSERT INTO ticket (tenant, uid, id, expires, body) VALUES ($1, $2, $3, $4, $5)`

func (t *tx) InsertTicket(ctx context.Context, k vault.Ticket) error {
	_, err := t.exec(ctx, "storing a ticket", insertTicket, k.Tenant, anyID(k.UID), id(k.ID), k.Expires, k.Body)
	return err
}

const claimTicket = insertTicket + ` ON CONFLICT DO NOTHING`

func (t *tx) ClaimTicket(ctx context.Context, k vault.Ticket) (bool, error) {
	n, err := t.exec(ctx, "claiming a ticket", claimTicket, k.Tenant, anyID(k.UID), id(k.ID), k.Expires, k.Body)
	return n == 1, err
}

const fillTicket = `UPDATE ticket SET body = $4 WHERE tenant = $1 AND uid = $2 AND id = $3`

func (t *tx) FillTicket(ctx context.Context, k vault.Ticket) error {
	n, err := t.exec(ctx, "filling a ticket", fillTicket, k.Tenant, anyID(k.UID), id(k.ID), k.Body)
	if err == nil && n == 0 {
		err = vault.ErrNoRow
	}
	return err
}

const ticketBody = `SELECT body FROM ticket WHERE tenant = $1 AND uid = $2 AND id = $3`

func (t *tx) TicketBody(ctx context.Context, tenant int32, uid, ticket uuid.UUID) ([]byte, error) {
	return first(ctx, t, "reading a ticket", ticketBody, []any{tenant, anyID(uid), id(ticket)}, pgx.RowTo[[]byte])
}

const hasTicket = `SELECT 1 FROM ticket WHERE tenant = $1 AND uid = $2 AND id = $3`

func (t *tx) HasTicket(ctx context.Context, tenant int32, uid, ticket uuid.UUID) (bool, error) {
	found, err := rows(ctx, t, "reading a ticket", hasTicket, []any{tenant, anyID(uid), id(ticket)},
		func(r pgx.CollectableRow) (one int, err error) { return one, r.Scan(&one) })
	return len(found) > 0, err
}

const spendTicket = `DELETE FROM ticket WHERE tenant = $1 AND uid = $2 AND id = $3`

func (t *tx) SpendTicket(ctx context.Context, tenant int32, uid, ticket uuid.UUID) (bool, error) {
	n, err := t.exec(ctx, "spending a ticket", spendTicket, tenant, anyID(uid), id(ticket))
	return n == 1, err
}

const dropTickets = `
DELETE FROM ticket WHERE (tenant, uid, id) IN (
    SELECT tenant, uid, id FROM ticket WHERE expires < $1
    ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`

func (t *tx) DropTickets(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, "removing expired tickets", dropTickets, before, limit)
	return int(n), err
}
