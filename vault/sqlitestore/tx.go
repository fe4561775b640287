package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

var (
	_ vault.Store     = (*Store)(nil)
	_ vault.Inspector = (*Store)(nil)
	_ vault.Settler   = (*Store)(nil)
	_ vault.Tx        = (*tx)(nil)
)

// A tx is a transaction on one connection. It is not safe for concurrent use.
type tx struct {
	c      *conn
	write  bool
	over   bool
	failed error // what spoiled the transaction
}

// View runs f on one consistent snapshot.
func (s *Store) View(ctx context.Context, f func(vault.Tx) error) error {
	return s.run(ctx, s.readers, func(t *tx) error { return f(t) })
}

// Update runs f atomically. f runs once.
func (s *Store) Update(ctx context.Context, f func(vault.Tx) error) error {
	return s.run(ctx, s.writer, func(t *tx) error { return f(t) })
}

// run runs f in a transaction on a connection of the pool.
func (s *Store) run(ctx context.Context, p *pool, f func(*tx) error) error {
	c, err := p.get(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	return s.runOn(ctx, p, c, f)
}

// runOn runs f in a transaction on a connection lent by the pool, and gives it back.
func (s *Store) runOn(ctx context.Context, p *pool, c *conn, f func(*tx) error) (err error) {
	broken := true // unless transact returns
	defer func() { p.put(c, broken) }()
	broken, err = transact(ctx, c, p == s.writer, f)
	if err == nil && p == s.writer {
		s.relieve(ctx, c)
	}
	return err
}

// transact runs f in a transaction, and says whether the connection is of no more use.
func transact(ctx context.Context, c *conn, write bool, f func(*tx) error) (broken bool, err error) {
	begin := "BEGIN"
	if write {
		begin = "BEGIN IMMEDIATE"
	}
	if err := c.exec(ctx, begin); err != nil {
		return true, fmt.Errorf("beginning a transaction: %w", classify(ctx, err))
	}
	t := &tx{c: c, write: write}
	committed := false
	defer func() {
		t.over = true
		broken = ctx.Err() == nil && (errors.Is(t.failed, vault.ErrUnavailable) || errors.Is(t.failed, vault.ErrIntegrity))
		if !committed {
			broken = c.exec(ctx, "ROLLBACK") != nil || broken
		}
	}()
	if err := f(t); err != nil {
		return false, err
	}
	if err := t.commit(ctx); err != nil {
		return false, fmt.Errorf("committing: %w", err)
	}
	committed = true
	return false, nil
}

func (t *tx) commit(ctx context.Context) error {
	if t.failed != nil {
		return t.failed
	}
	if ctx.Err() != nil {
		return classify(ctx, ctx.Err())
	}
	if err := t.c.exec(ctx, "COMMIT"); err != nil {
		return t.fail(ctx, err)
	}
	return nil
}

// fail spoils the transaction with an error of the database.
func (t *tx) fail(ctx context.Context, err error) error {
	return t.spoil(classify(ctx, err))
}

func (t *tx) spoil(err error) error {
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// usable says why no statement may run any more, if so.
func (t *tx) usable(write bool) error {
	switch {
	case t.over:
		return errOver
	case t.failed != nil:
		return t.failed
	case write && !t.write:
		return t.spoil(errReadOnly)
	default:
		return nil
	}
}

// text spoils the transaction unless all texts may be stored.
func (t *tx) text(texts ...string) error {
	if err := checkText(texts...); err != nil {
		return t.spoil(err)
	}
	return nil
}

// exec runs a writing statement and says how many rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.usable(true); err != nil {
		return 0, err
	}
	s, err := t.c.stmt(ctx, query) //nolint:sqlclosecheck // the connection keeps and closes it
	if err != nil {
		return 0, t.fail(ctx, err)
	}
	res, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, t.fail(ctx, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, t.fail(ctx, err)
	}
	return n, nil
}

// each runs a reading statement and calls scan for every row.
func (t *tx) each(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	if err := t.usable(false); err != nil {
		return err
	}
	s, err := t.c.stmt(ctx, query) //nolint:sqlclosecheck // the connection keeps and closes it
	if err != nil {
		return t.fail(ctx, err)
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return t.fail(ctx, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err has the outcome
	for rows.Next() {
		if scan(rows) != nil { // its text may hold the value
			return t.spoil(vault.ErrIntegrity)
		}
	}
	if err := rows.Err(); err != nil {
		return t.fail(ctx, err)
	}
	return nil
}

// list collects what scan makes of the rows of a reading statement.
func list[T any](ctx context.Context, t *tx, query string, scan func(*sql.Rows) (T, error), args ...any) ([]T, error) {
	var out []T
	err := t.each(ctx, query, func(r *sql.Rows) error {
		v, err := scan(r)
		if err != nil {
			return err
		}
		out = append(out, v)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// one reads the first row, or vault.ErrNoRow.
func one[T any](ctx context.Context, t *tx, query string, scan func(*sql.Rows) (T, error), args ...any) (T, error) {
	rows, err := list(ctx, t, query, scan, args...)
	if err != nil || len(rows) == 0 {
		var zero T
		if err == nil {
			err = vault.ErrNoRow
		}
		return zero, err
	}
	return rows[0], nil
}

// number reads one integer.
func (t *tx) number(ctx context.Context, query string, args ...any) (int64, error) {
	return one(ctx, t, query, func(r *sql.Rows) (n int64, err error) {
		err = r.Scan(&n)
		return n, err
	}, args...)
}

// wide gives the stored form of a number that might not fit.
func (t *tx) wide(n uint64) (int64, error) {
	if n > math.MaxInt64 {
		return 0, t.spoil(errRange)
	}
	return int64(n), nil
}

// atMost makes a limit that SQLite understands: it takes a negative one for none.
func atMost(limit int) int { return max(limit, 0) }

// blob gives the stored form of bytes that are never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// uidOrNull gives the stored form of a uid that may be Nil.
func uidOrNull(uid uuid.UUID) []byte {
	if uid == uuid.Nil {
		return nil
	}
	return uid[:]
}

// A uidColumn scans a uid; NULL is Nil.
type uidColumn struct{ to *uuid.UUID }

func (c uidColumn) Scan(v any) error {
	if v == nil {
		*c.to = uuid.Nil
		return nil
	}
	b, ok := v.([]byte)
	if !ok || len(b) != len(c.to) {
		return vault.ErrIntegrity
	}
	copy(c.to[:], b)
	return nil
}

// micros gives the stored form of a time; zero is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// A timeColumn scans a time; NULL is zero.
type timeColumn struct{ to *time.Time }

func (c timeColumn) Scan(v any) error {
	if v == nil {
		*c.to = time.Time{}
		return nil
	}
	n, ok := v.(int64)
	if !ok {
		return vault.ErrIntegrity
	}
	*c.to = time.UnixMicro(n).UTC()
	return nil
}
