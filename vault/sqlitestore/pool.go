package sqlitestore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fieldvault/fieldvault/vault"
)

// A conn is one connection and the statements that were prepared on it. The
// texts of statements are constants, so their number is bounded.
type conn struct {
	sql   *sql.Conn
	stmts map[string]*sql.Stmt
}

// stmt returns the prepared statement of a text.
func (c *conn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.sql.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts[query] = s
	return s, nil
}

// exec runs a statement whose outcome must be known: it cannot be cancelled.
func (c *conn) exec(ctx context.Context, query string) error {
	ctx = context.WithoutCancel(ctx)
	s, err := c.stmt(ctx, query) //nolint:sqlclosecheck // the connection keeps and closes it
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx)
	return err
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.sql.Close())...)
}

// A pool lends connections, first come first served. A slot is nil until its
// connection is first needed, and again after it broke.
type pool struct {
	db      *sql.DB
	slots   chan *conn
	closing <-chan struct{}
}

func newPool(db *sql.DB, n int) *pool {
	db.SetMaxIdleConns(0) // a connection given back is closed
	p := &pool{db: db, slots: make(chan *conn, n)}
	for range n {
		p.slots <- nil
	}
	return p
}

// get waits for a connection until the context ends or the store closes.
func (p *pool) get(ctx context.Context) (*conn, error) {
	select {
	case <-p.closing:
		return nil, vault.ErrUnavailable
	default:
	}
	select {
	case c := <-p.slots:
		return p.open(ctx, c)
	case <-p.closing:
		return nil, vault.ErrUnavailable
	case <-ctx.Done():
		return nil, classify(ctx, ctx.Err())
	}
}

func (p *pool) open(ctx context.Context, c *conn) (*conn, error) {
	if c != nil {
		return c, nil
	}
	raw, err := p.db.Conn(ctx)
	if err != nil {
		p.slots <- nil
		return nil, classify(ctx, err)
	}
	return &conn{sql: raw, stmts: make(map[string]*sql.Stmt)}, nil
}

// put gives a connection back; a broken one is closed and replaced.
func (p *pool) put(c *conn, broken bool) {
	if broken {
		_ = c.close() // it is of no more use, whatever it says
		c = nil
	}
	p.slots <- c
}

// close waits for all connections to come back and closes them.
func (p *pool) close() error {
	var errs []error
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(append(errs, p.db.Close())...)
}
