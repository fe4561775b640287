package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) InsertOutbox(ctx context.Context, e vault.OutboxEntry) error {
	_, err := t.exec(ctx, `INSERT INTO outbox (id, body) VALUES (?1, ?2)`, e.ID[:], blob(e.Body))
	if err != nil {
		return fmt.Errorf("storing an entry for the ledger: %w", err)
	}
	return nil
}

func (t *tx) Outbox(ctx context.Context, limit int) ([]vault.OutboxEntry, error) {
	out, err := list(ctx, t, `SELECT id, body FROM outbox ORDER BY seq LIMIT ?1`,
		func(r *sql.Rows) (e vault.OutboxEntry, err error) {
			err = r.Scan(uidColumn{&e.ID}, &e.Body)
			return e, err
		}, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing entries for the ledger: %w", err)
	}
	return out, nil
}

func (t *tx) DeleteOutbox(ctx context.Context, ids []uuid.UUID) error {
	if err := t.usable(true); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := t.exec(ctx, `DELETE FROM outbox WHERE id = ?1`, id[:]); err != nil {
			return fmt.Errorf("deleting entries that the ledger has: %w", err)
		}
	}
	return nil
}

func (t *tx) LedgerPosition(ctx context.Context) (int64, error) {
	n, err := t.number(ctx, `SELECT reached FROM ledger WHERE one = 1`)
	if err != nil {
		return 0, fmt.Errorf("reading the position in the ledger: %w", err)
	}
	return n, nil
}

// Incarnation is always the same: the file is not exchanged while it is open.
func (t *tx) Incarnation(context.Context) (string, error) { return "", t.usable(false) }

func (t *tx) RaiseLedgerPosition(ctx context.Context, position int64) error {
	_, err := t.exec(ctx, `UPDATE ledger SET reached = ?1 WHERE one = 1 AND reached < ?1`, position)
	if err != nil {
		return fmt.Errorf("raising the position in the ledger: %w", err)
	}
	return nil
}
