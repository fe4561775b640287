package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const insertOutbox = `INSERT INTO outbox (id, body) VALUES ($1, $2)`

func (t *tx) InsertOutbox(ctx context.Context, e vault.OutboxEntry) error {
	_, err := t.exec(ctx, "storing an entry for the ledger", insertOutbox, anyID(e.ID), some(e.Body))
	return err
}

const listOutbox = `SELECT id, body FROM outbox ORDER BY seq LIMIT $1`

func (t *tx) Outbox(ctx context.Context, limit int) ([]vault.OutboxEntry, error) {
	return rows(ctx, t, "listing entries for the ledger", listOutbox, []any{limit},
		func(r pgx.CollectableRow) (e vault.OutboxEntry, err error) {
			err = r.Scan(&e.ID, &e.Body)
			return e, err
		})
}

const deleteOutbox = `DELETE FROM outbox WHERE id = ANY ($1::uuid[])`

func (t *tx) DeleteOutbox(ctx context.Context, list []uuid.UUID) error {
	_, err := t.exec(ctx, "deleting entries that the ledger has", deleteOutbox, ids(list))
	return err
}

const ledgerPosition = `SELECT reached FROM ledger WHERE one`

func (t *tx) LedgerPosition(ctx context.Context) (n int64, err error) {
	err = t.row(ctx, "reading the position in the ledger", ledgerPosition, nil, &n)
	return n, err
}

const readIncarnation = `SELECT ` + incarnation

func (t *tx) Incarnation(ctx context.Context) (s string, err error) {
	err = t.row(ctx, "reading the incarnation of the database", readIncarnation, nil, &s)
	return s, err
}

const raiseLedgerPosition = `UPDATE ledger SET reached = $1 WHERE one AND reached < $1`

func (t *tx) RaiseLedgerPosition(ctx context.Context, position int64) error {
	_, err := t.exec(ctx, "raising the position in the ledger", raiseLedgerPosition, position)
	return err
}
