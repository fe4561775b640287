package pgstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// A Store is a [vault.Store], a [vault.Inspector], a [vault.Settler] and a [vault.Herald] in a PostgreSQL database.
type Store struct {
	*server
	events group[eventToAppend]
	loads  []group[*sharedLoad]
	runs   runShape

	nextLoad atomic.Uint64
	news     telling

	appended, batches atomic.Int64
}

var (
	_ vault.Store     = (*Store)(nil)
	_ vault.Inspector = (*Store)(nil)
	_ vault.Settler   = (*Store)(nil)
	_ vault.Herald    = (*Store)(nil)
)

// Open connects to a database. It says what to do about it when the server is
// older than PostgreSQL 15 or its connections do not keep the time-outs; it is
// [vault.ErrUnavailable] when the server does not answer. It neither migrates
// nor asks whether that is needed: see [Migrate], [Store.Pending] and [Store.Ping].
func Open(ctx context.Context, c Config) (*Store, error) {
	server, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &Store{server: server, runs: defaultRuns()}
	s.loads = s.newLoads()
	s.events = group[eventToAppend]{doing: appending, size: func(e eventToAppend) int { return len(e.Leaf) }, flush: s.insertEvents}
	return s, nil
}

// Close waits until every connection is free again, and closes them. Every
// method fails afterwards.
func (s *Store) Close() error {
	s.news.close()
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
	pending, err = storeSchema().after(version)
	return replica, pending, err
}

// Stats are counts since Open, and the present state of the pool.
type Stats struct {
	Conns, InUse, MaxConns int32
	// Appended counts rows of events appended, and Batches the statements that did it.
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
