package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fieldvault/fieldvault/vault"
)

// channel is what is notified after the commit of a transaction that destroyed or
// replaced keys, or appended a document. The payloads are
//
//	key <tenant> <uid>    keys of a person were destroyed or replaced
//	doc <tenant>          there is a new catalog or policy
//	any                   too much to tell one by one
//
// Notifications reach every session of the database that listens, and hold nothing
// but ids.
//
// They are no part of the transaction: one that notifies holds, while it commits, a
// lock of which the whole server has one, and erasures would reach the disk one after
// the other (see BenchmarkNotify). So a process tells what it has committed in a
// statement of its own, for all commits since the last; one that is killed in between
// tells nothing.
const (
	channel = "fieldvault"
	anyNews = "any"
)

const notifyAll = `SELECT count(pg_notify($1, p)) FROM unnest($2::text[]) p`

// maxNews is how many payloads wait at most.
const maxNews = 10_000

// telling notifies what was committed, one statement at a time.
type telling struct {
	mu      sync.Mutex
	waiting []string
	busy    bool
	closed  bool
	running sync.WaitGroup
}

// tell sees to it that the payloads are notified, soon. It does not wait.
func (t *telling) tell(s *Store, payloads []string) {
	if len(payloads) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if t.waiting = append(t.waiting, payloads...); len(t.waiting) > maxNews {
		t.waiting = []string{anyNews}
	}
	if !t.busy {
		t.busy = true
		t.running.Go(func() { t.run(s) })
	}
}

// close waits until what waits was notified.
func (t *telling) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.running.Wait()
}

// run notifies until nothing waits.
func (t *telling) run(s *Store) {
	for {
		t.mu.Lock()
		payloads := t.waiting
		t.waiting, t.busy = nil, len(payloads) > 0
		t.mu.Unlock()
		if len(payloads) == 0 {
			return
		}
		const doing = "notifying"
		err := s.with(context.Background(), doing, func(ctx context.Context, conn *pgxpool.Conn) error {
			_, err := conn.Exec(ctx, notifyAll, channel, payloads)
			return err
		})
		if err != nil { // others' keys age
			s.config.Logger.WarnContext(context.Background(), "other nodes were not told to free opened keys", "error", err)
		}
	}
}

func keyNews(tenant int32, uid uuid.UUID) string { return fmt.Sprint("key ", tenant, " ", uid) }

func docNews(tenant int32) string { return fmt.Sprint("doc ", tenant) }

// parseNews reads a payload. What this build does not know is news of anything.
func parseNews(payload string) vault.News {
	parts := strings.Split(payload, " ")
	if len(parts) < 2 {
		return vault.News{}
	}
	tenant, err := strconv.ParseInt(parts[1], 10, 32)
	switch {
	case err != nil || tenant < 1:
	case parts[0] == "doc" && len(parts) == 2:
		return vault.News{Tenant: int32(tenant)}
	case parts[0] == "key" && len(parts) == 3:
		if uid, err := uuid.Parse(parts[2]); err == nil && uid != uuid.Nil {
			return vault.News{Tenant: int32(tenant), UID: uid}
		}
	}
	return vault.News{}
}

// The pauses before a listener connects again, and how often it asks a silent
// connection whether it lives.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
	askEvery   = 30 * time.Second
)

// Listen is [vault.Herald]. It holds one connection beside the pool. Behind a
// transaction pooler it hears nothing, and says so once.
func (s *Store) Listen(ctx context.Context, heard func(vault.News)) error {
	if s.config.TransactionPooler {
		s.config.Logger.InfoContext(ctx, "no notifications behind a transaction pooler: opened keys of the erased leave other nodes' memory when they age")
		return nil
	}
	pause, failed := firstPause, false
	for ctx.Err() == nil {
		began, err := s.listen(ctx, heard)
		if ctx.Err() != nil {
			break
		}
		if began {
			pause, failed = firstPause, false
			heard(vault.News{})
		}
		if !failed { // once, until it has listened again
			failed = true
			s.config.Logger.WarnContext(ctx, "notifications of the database cannot be heard; trying again", "error", failure(ctx, "listening", err))
		}
		if sleep(ctx, jitter(pause)) != nil {
			break
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// listen hears what comes on one connection until it breaks, and says whether it
// ever listened.
func (s *Store) listen(ctx context.Context, heard func(vault.News)) (began bool, err error) {
	config := s.pool.Config().ConnConfig.Copy()
	config.Tracer = nil
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = conn.Close(bounded) // nothing was written
	}()
	bounded, cancel := context.WithTimeout(ctx, s.config.StatementTimeout+grace)
	defer cancel()
	if _, err := conn.Exec(bounded, "LISTEN "+channel); err != nil {
		return false, err
	}
	heard(vault.News{}) // what came before was missed
	s.config.Logger.InfoContext(ctx, "listening for notifications of the database")
	for {
		n, err := next(ctx, conn)
		if err != nil {
			return true, err
		}
		if n != nil {
			heard(parseNews(n.Payload))
		}
	}
}

// next waits for a notification. It is nil if none came for a while and the
// connection lives.
func next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	quiet, cancel := context.WithTimeout(ctx, askEvery)
	n, err := conn.WaitForNotification(quiet)
	cancel()
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return n, err
	}
	bounded, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	return nil, conn.Ping(bounded)
}
