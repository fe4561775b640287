package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// Every transaction holds a lock on its own virtual id, from before its first
// snapshot until its outcome is visible. The ids of rows' versions do not
// serve: a transaction gets one with its first write, when it may long have
// read what is no longer so.
const (
	// running lists the transactions of others in this database. The server's
	// own have no user.
	running = `
SELECT l.virtualxid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
  AND l.pid <> pg_backend_pid() AND a.datname = current_database() AND a.usesysid IS NOT NULL`

	stillRunning = `
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted AND virtualxid = ANY ($1::text[]))`
)

// The first and the longest pause between two looks at what still runs.
const (
	firstLook = 2 * time.Millisecond
	lastLook  = 200 * time.Millisecond
)

// Settle waits for all transactions in the database, of any client: a dump, or
// a session that somebody left open, too. It holds no connection while it waits
// and must not be called inside a transaction, which would wait for itself. On
// a replica it is [vault.ErrUnavailable].
func (s *Store) Settle(ctx context.Context) error {
	const doing = "waiting for transactions to end"
	err := s.settle(ctx, doing)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w: %w", doing, vault.ErrUnavailable, ctx.Err())
	}
	return err
}

func (s *Store) settle(ctx context.Context, doing string) error {
	var replica bool
	var transactions []string
	err := s.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		if err := conn.QueryRow(ctx, `SELECT pg_is_in_recovery()`).Scan(&replica); err != nil {
			return err
		}
		return conn.QueryRow(ctx, `SELECT coalesce(array_agg(x), '{}') FROM (`+running+`) r(x)`).Scan(&transactions)
	})
	if err == nil && replica {
		return fmt.Errorf("%s: %w: it is a read-only replica", doing, vault.ErrUnavailable)
	}
	for pause := firstLook; err == nil && len(transactions) > 0; pause = min(2*pause, lastLook) {
		var still bool
		err = s.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
			return conn.QueryRow(ctx, stillRunning, transactions).Scan(&still)
		})
		if err != nil || !still {
			break
		}
		err = sleep(ctx, pause)
	}
	return err
}
