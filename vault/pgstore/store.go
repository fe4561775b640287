package pgstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// A Store is a [vault.Store] and a [vault.Inspector] in a PostgreSQL database.
type Store struct {
	config Config
	pool   *pgxpool.Pool
	events group

	appended, batches, repeated, unreplicated atomic.Int64
}

var (
	_ vault.Store     = (*Store)(nil)
	_ vault.Inspector = (*Store)(nil)
)

// Open connects to a database. It says what to do about it when the server is
// older than PostgreSQL 15 or its connections do not keep the time-outs; it is
// [vault.ErrUnavailable] when the server does not answer. It neither migrates
// nor asks whether that is needed: see [Migrate], [Store.Pending] and [Store.Ping].
func Open(ctx context.Context, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	config, err := c.pool()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errors.New("pgstore: the database's configuration is not valid")
	}
	s := &Store{config: c, pool: pool}
	s.events.flush = s.insertEvents
	conn, err := s.acquire(ctx, "connecting to the database")
	if err != nil {
		pool.Close()
		return nil, err
	}
	conn.Release()
	return s, nil
}

// Close waits until every connection is free again, and closes them. Every
// method fails afterwards.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

const ready = `
SELECT pg_is_in_recovery(), coalesce(max(version_id) FILTER (WHERE is_applied), 0)
FROM goose_db_version`

// Ping returns nil if the database answers, is the primary, and has every
// migration that this build knows. Else it is [vault.ErrUnavailable] with the
// reason in words. A database that is ahead of this build is served.
func (s *Store) Ping(ctx context.Context) error {
	const doing = "asking whether the database is ready"
	replica, pending, err := s.status(ctx, doing)
	switch {
	case err != nil:
		return err
	case replica:
		return fmt.Errorf("%s: %w: it is a read-only replica", doing, vault.ErrUnavailable)
	case pending > 0:
		return fmt.Errorf("%s: %w: %d migrations are pending: run fieldvault migrate", doing, vault.ErrUnavailable, pending)
	}
	return nil
}

// Pending says how many migrations of this build the database lacks.
func (s *Store) Pending(ctx context.Context) (int, error) {
	_, pending, err := s.status(ctx, "looking for pending migrations")
	return pending, err
}

func (s *Store) status(ctx context.Context, doing string) (replica bool, pending int, err error) {
	var version int64
	err = s.with(ctx, doing, func(ctx context.Context, conn *pgxpool.Conn) error {
		err := conn.QueryRow(ctx, ready).Scan(&replica, &version)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "42P01" {
			return nil // never migrated
		}
		return err
	})
	if err != nil {
		return false, 0, err
	}
	pending, err = migrationsAfter(version)
	return replica, pending, err
}

// Stats are counts since Open, and the present state of the pool.
type Stats struct {
	Conns, InUse, MaxConns int32
	// Appended counts events appended, and Batches the statements that did it.
	Appended, Batches int64
	// Repeated counts transactions that were run again.
	Repeated int64
	// Unreplicated counts commits that no standby acknowledged.
	Unreplicated int64
}

// Stats returns counts for metrics.
func (s *Store) Stats() Stats {
	p := s.pool.Stat()
	return Stats{
		Conns: p.TotalConns(), InUse: p.AcquiredConns(), MaxConns: p.MaxConns(),
		Appended: s.appended.Load(), Batches: s.batches.Load(),
		Repeated: s.repeated.Load(), Unreplicated: s.unreplicated.Load(),
	}
}

// acquire takes a connection out of the pool, waiting for one no longer than
// AcquireTimeout.
func (s *Store) acquire(ctx context.Context, doing string) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, s.config.AcquireTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(bounded)
	if err != nil {
		return nil, failure(ctx, doing, err)
	}
	delete(conn.Conn().PgConn().CustomData(), unreplicated)
	return conn, nil
}

// with runs single statements on a connection, within the time that the server
// grants one and a little more.
func (s *Store) with(ctx context.Context, doing string, f func(context.Context, *pgxpool.Conn) error) error {
	conn, err := s.acquire(ctx, doing)
	if err != nil {
		return err
	}
	defer conn.Release()
	bounded, cancel := context.WithTimeout(ctx, s.config.StatementTimeout+grace)
	defer cancel()
	return failure(ctx, doing, f(bounded, conn))
}

// waited is errUnreplicated if the server said on this connection that it did
// not wait for its standby.
func (s *Store) waited(ctx context.Context, conn *pgx.Conn) error {
	data := conn.PgConn().CustomData()
	if data[unreplicated] == nil {
		return nil
	}
	delete(data, unreplicated)
	s.unreplicated.Add(1)
	s.config.Logger.ErrorContext(ctx, "a commit was not waited for by the standby")
	return errUnreplicated
}

// The runs of one transaction, and the time before the second of them.
const (
	maxRuns   = 8
	firstWait = 2 * time.Millisecond
)

// repeat runs f until it does not ask for another run, at most maxRuns times.
func (s *Store) repeat(ctx context.Context, doing string, f func() (again bool, err error)) error {
	for run := range maxRuns {
		again, err := f()
		if !again {
			return err
		}
		s.repeated.Add(1)
		if err := sleep(ctx, jitter(firstWait<<run)); err != nil {
			return failure(ctx, doing, err)
		}
	}
	s.config.Logger.WarnContext(ctx, "a transaction failed to serialize", "runs", maxRuns)
	return fmt.Errorf("%s: %w: it does not serialize", doing, vault.ErrUnavailable)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// jitter returns a time between d/2 and 3d/2.
func jitter(d time.Duration) time.Duration {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return d/2 + d*time.Duration(binary.BigEndian.Uint16(b[:]))/(1<<16)
}
