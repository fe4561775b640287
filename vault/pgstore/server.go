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
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// A server is a pool of connections to a database that keep what Config asks for.
type server struct {
	config Config
	pool   *pgxpool.Pool

	repeated, unreplicated atomic.Int64
}

// dial makes a pool and sees that it leads somewhere.
func dial(ctx context.Context, c Config) (*server, error) {
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
	s := &server{config: c, pool: pool}
	conn, err := s.acquire(ctx, "connecting to the database")
	if err != nil {
		pool.Close()
		return nil, err
	}
	conn.Release()
	return s, nil
}

// acquire takes a connection out of the pool, waiting for one no longer than
// AcquireTimeout.
func (s *server) acquire(ctx context.Context, doing string) (*pgxpool.Conn, error) {
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
func (s *server) with(ctx context.Context, doing string, f func(context.Context, *pgxpool.Conn) error) error {
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
func (s *server) waited(ctx context.Context, conn *pgx.Conn) error {
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
func (s *server) repeat(ctx context.Context, doing string, f func() (again bool, err error)) error {
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
