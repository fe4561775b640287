package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// View runs f in a read-only transaction on one snapshot. On a replica it is
// [vault.ErrUnavailable].
func (s *Store) View(ctx context.Context, f func(vault.Tx) error) error {
	return s.snapshot(ctx, "reading from the database", s.config.TransactionTimeout, func(t *tx) error { return f(t) })
}

// snapshot runs f on one snapshot of the primary, for at most limit.
func (s *Store) snapshot(ctx context.Context, doing string, limit time.Duration, f func(*tx) error) error {
	m := mode{doing, limit, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}}
	return s.transact(ctx, m, func(t *tx) error {
		var replica bool
		if err := t.row(ctx, doing, `SELECT pg_is_in_recovery()`, nil, &replica); err != nil {
			return err
		}
		if replica {
			return fmt.Errorf("%s: %w: it is a read-only replica", doing, vault.ErrUnavailable)
		}
		return f(t)
	})
}

// Update runs f in a transaction, at READ COMMITTED: what must not change
// meanwhile, f locks. The transaction runs again after a serialization failure
// or a deadlock, a bounded number of times.
//
// When the connection breaks during the commit, the answer is
// [vault.ErrUnavailable] although the commit may have happened; so it is when
// the server committed without waiting for its standby.
func (s *Store) Update(ctx context.Context, f func(vault.Tx) error) error {
	m := mode{
		"writing to the database", s.config.TransactionTimeout,
		pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite},
	}
	return s.transact(ctx, m, func(t *tx) error { return f(t) })
}

// A mode is how a transaction runs, and for how long one run may take.
type mode struct {
	doing string
	limit time.Duration
	how   pgx.TxOptions
}

func (s *Store) transact(ctx context.Context, m mode, f func(*tx) error) error {
	return s.repeat(ctx, m.doing, func() (bool, error) {
		conn, err := s.acquire(ctx, m.doing)
		if err != nil {
			return false, err
		}
		defer conn.Release()
		return s.once(ctx, m, conn, f)
	})
}

// once runs a transaction one time, and says whether to run it again.
func (s *Store) once(ctx context.Context, m mode, conn *pgxpool.Conn, f func(*tx) error) (again bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	p, err := conn.BeginTx(bounded, m.how)
	if err != nil {
		return false, beginFailure(ctx, m.doing, err)
	}
	// Also when f panics. After a commit it does nothing.
	defer s.rollback(ctx, p)
	t := &tx{p: p, runs: s.runs}
	t.deadline, _ = bounded.Deadline()
	err = f(t)
	if t.again {
		return true, nil // whatever f made of it
	}
	if err == nil {
		err = failure(ctx, m.doing, ctx.Err())
	}
	if err != nil {
		return false, err
	}
	err = s.commit(ctx, m.doing, conn, p)
	s.news.tell(s, t.news) // after an error, too: it may have committed
	return repeatable(err), err
}

// beginFailure is unavailable for every error of the server: a replica answers
// that it does not support writing, which is no fault of the caller.
func beginFailure(ctx context.Context, doing string, err error) error {
	if err := failure(ctx, doing, err); errors.Is(err, vault.ErrUnavailable) || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%s: %w", doing, vault.ErrUnavailable)
}

// commit, once begun, does not end with ctx, so that nobody is left in doubt by
// their own cancellation.
func (s *Store) commit(ctx context.Context, doing string, conn *pgxpool.Conn, p pgx.Tx) error {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.StatementTimeout+grace)
	defer cancel()
	if err := p.Commit(bounded); err != nil {
		return failure(context.WithoutCancel(ctx), doing, err)
	}
	return failure(context.WithoutCancel(ctx), doing, s.waited(ctx, conn.Conn()))
}

func (s *Store) rollback(ctx context.Context, p pgx.Tx) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = p.Rollback(bounded) // a connection that cannot roll back is closed
}

// A tx is one transaction. Its methods are called one after the other.
type tx struct {
	p        pgx.Tx
	deadline time.Time
	runs     runShape // of the logs
	news     []string // payloads to notify once it has committed
	again    bool     // a statement failed in a way that another run may cure
}

var _ vault.Tx = (*tx)(nil)

// fail turns the error of a statement into one for f, and remembers whether
// the transaction should run again.
func (t *tx) fail(ctx context.Context, doing string, err error) error {
	err = failure(ctx, doing, err)
	t.again = t.again || repeatable(err)
	return err
}

// exec runs a statement and says how many rows it changed.
func (t *tx) exec(ctx context.Context, doing, sql string, args ...any) (int64, error) {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	tag, err := t.p.Exec(bounded, sql, args...)
	return tag.RowsAffected(), t.fail(ctx, doing, err)
}

// row reads one row. None is [vault.ErrNoRow].
func (t *tx) row(ctx context.Context, doing, sql string, args []any, dest ...any) error {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	return t.fail(ctx, doing, t.p.QueryRow(bounded, sql, args...).Scan(dest...))
}

// rows reads all rows, each through read.
func rows[T any](ctx context.Context, t *tx, doing, sql string, args []any, read pgx.RowToFunc[T]) ([]T, error) {
	bounded, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	r, err := t.p.Query(bounded, sql, args...)
	if err != nil {
		return nil, t.fail(ctx, doing, err)
	}
	list, err := pgx.CollectRows(r, read)
	return list, t.fail(ctx, doing, err)
}

// first reads the first row, through read. None is [vault.ErrNoRow].
func first[T any](ctx context.Context, t *tx, doing, sql string, args []any, read pgx.RowToFunc[T]) (v T, err error) {
	list, err := rows(ctx, t, doing, sql, args, read)
	if err != nil {
		return v, err
	}
	if len(list) == 0 {
		return v, fmt.Errorf("%s: %w", doing, vault.ErrNoRow)
	}
	return list[0], nil
}

// extend gives the transaction and its statements the time to read a whole
// table. sql is longStatements or wholeTables.
func (t *tx) extend(ctx context.Context, doing, sql string) error {
	bounded, cancel := context.WithTimeout(ctx, wholeTablesTimeout)
	defer cancel()
	if later, _ := bounded.Deadline(); later.After(t.deadline) {
		t.deadline = later
	}
	_, err := t.exec(ctx, doing, sql, wholeTablesTimeout.Milliseconds())
	return err
}

// found is [vault.ErrNoRow] unless a statement changed one row.
func found(doing string, n int64, err error) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%s: %w", doing, vault.ErrNoRow)
	}
	return err
}

// exactlyOne is [vault.ErrStale] unless a statement changed one row.
func exactlyOne(doing string, n int64, err error) error {
	if err == nil && n != 1 {
		return fmt.Errorf("%s: %w", doing, vault.ErrStale)
	}
	return err
}
