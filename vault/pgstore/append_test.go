package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

const blocked = `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%event_intake%')`

func patient(c *pgstore.Config) { c.StatementTimeout, c.LockTimeout = time.Minute, time.Minute }

// While one statement runs, all who come wait for the next: 64 calls, two statements.
func TestAppendsShareACommit(t *testing.T) {
	var r trace
	s, url := open(t, r.into, patient)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	r.take()

	run(t, admin, `BEGIN; LOCK TABLE event_intake IN ACCESS EXCLUSIVE MODE`)
	watch := db(t, url)
	var wg sync.WaitGroup
	add := func(ctx context.Context, i int) error {
		return outcome(s.AppendEvents(ctx, []vault.Intake{{Tenant: id, Leaf: fmt.Appendf(nil, "leaf %d", i)}}))
	}
	wg.Go(func() {
		if err := add(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
	await(t, watch, "the first append waits for the lock", blocked)
	started := make(chan struct{}, 64)
	for i := 1; i < 64; i++ {
		wg.Go(func() {
			started <- struct{}{}
			if err := add(t.Context(), i); err != nil {
				t.Error(err)
			}
		})
	}
	for range 63 {
		<-started
	}
	time.Sleep(100 * time.Millisecond) // they join; one that is late only makes a third statement
	run(t, admin, `ROLLBACK`)
	wg.Wait()
	if n := len(r.take()); n > 4 {
		t.Errorf("64 appends took %d statements, want 2", n)
	}
	if n := number(t, admin, `SELECT count(DISTINCT leaf) FROM event_intake`); n != 64 {
		t.Errorf("%d events are stored, want 64", n)
	}
	if st := s.Stats(); st.Appended != 64 || st.Batches > 4 {
		t.Errorf("Stats tell of %d events in %d batches", st.Appended, st.Batches)
	}
}

// A caller that is cancelled stops waiting and harms nobody: neither one that
// waits its turn, nor one that is told to lead.
func TestCancelledAppends(t *testing.T) {
	s, url := open(t, patient)
	admin, watch := db(t, url), db(t, url)
	id := tenant(t, s, "acme")
	event := func(leaf string) []vault.Intake { return []vault.Intake{{Tenant: id, Leaf: []byte(leaf)}} }

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := outcome(s.AppendEvents(cancelled, event("never"))); !errors.Is(err, context.Canceled) {
		t.Errorf("AppendEvents of a cancelled caller: %v, want context.Canceled", err)
	}

	for range 20 { // the race between being told to lead and being cancelled goes either way
		run(t, admin, `BEGIN; LOCK TABLE event_intake IN ACCESS EXCLUSIVE MODE`)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := outcome(s.AppendEvents(t.Context(), event("leads"))); err != nil {
				t.Error(err)
			}
		})
		await(t, watch, "the first append waits for the lock", blocked)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			wg.Go(func() {
				if err := outcome(s.AppendEvents(ctx, event("leaves"))); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if err := outcome(s.AppendEvents(t.Context(), event("stays"))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(cancel)
		run(t, admin, `ROLLBACK`)
		wg.Wait()
		cancel()
	}
	for leaf, want := range map[string]int64{"leads": 20, "stays": 60, "never": 0} {
		if n := number(t, admin, `SELECT count(*) FROM event_intake WHERE leaf = $1`, []byte(leaf)); n != want {
			t.Errorf("%q was stored %d times, want %d", leaf, n, want)
		}
	}
}

// A gate is a context that ends when it is opened, and holds up whoever begins
// to wait for that.
type gate struct {
	context.Context
	once          sync.Once
	waiting, open chan struct{}
}

func (g *gate) Done() <-chan struct{} {
	g.once.Do(func() { close(g.waiting) })
	<-g.open
	return g.open
}

func (g *gate) Err() error {
	select {
	case <-g.open:
		return context.Canceled
	default:
		return nil
	}
}

// A caller that is told to lead in the moment of its cancellation passes that
// on: the next caller does not wait for ever.
func TestCancelledLeader(t *testing.T) {
	s, url := open(t, patient)
	admin, watch := db(t, url), db(t, url)
	id := tenant(t, s, "acme")
	event := []vault.Intake{{Tenant: id, Leaf: []byte("leaf")}}
	left := 0
	for range 20 { // it takes either way by chance
		run(t, admin, `BEGIN; LOCK TABLE event_intake IN ACCESS EXCLUSIVE MODE`)
		first, second := make(chan error), make(chan error)
		go func() { first <- outcome(s.AppendEvents(t.Context(), event)) }()
		await(t, watch, "the first append waits for the lock", blocked)
		g := &gate{Context: t.Context(), waiting: make(chan struct{}), open: make(chan struct{})}
		go func() { second <- outcome(s.AppendEvents(g, event)) }()
		<-g.waiting
		run(t, admin, `ROLLBACK`)
		if err := <-first; err != nil { // and the second was told to lead
			t.Error(err)
		}
		close(g.open)
		if err := <-second; errors.Is(err, context.Canceled) {
			left++
		} else if err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := outcome(s.AppendEvents(ctx, event)); err != nil {
			t.Fatalf("the next append: %v", err)
		}
		cancel()
	}
	if left == 0 {
		t.Error("nobody left: the test shows nothing")
	}
}

// A failure reaches every call that shared the statement, and the next succeeds.
func TestAppendFailureReachesAll(t *testing.T) {
	s, url := open(t, patient)
	admin, watch := db(t, url), db(t, url)
	id := tenant(t, s, "acme")
	run(t, admin, `BEGIN; LOCK TABLE event_intake IN ACCESS EXCLUSIVE MODE`)
	errs := make(chan error)
	add := func(leaf string) {
		errs <- outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: id, Leaf: []byte(leaf)}}))
	}
	go add("first")
	await(t, watch, "the first append waits for the lock", blocked)
	for range 10 {
		go add("follows")
	}
	run(t, admin, `ALTER TABLE event_intake ADD CONSTRAINT full_up CHECK (leaf = 'first')`)
	run(t, admin, `COMMIT`)
	failed := 0
	for range 11 {
		err := <-errs
		innocent(t, err, "follows", "full_up", "event_intake")
		if err != nil {
			failed++
		}
	}
	if failed != 10 {
		t.Errorf("%d of 11 calls failed, want the 10 that cannot be stored", failed)
	}
	run(t, admin, `ALTER TABLE event_intake DROP CONSTRAINT full_up`)
	go add("after")
	if err := <-errs; err != nil {
		t.Error(err)
	}
}

// One call's events are stored all or none, however many; a batch is bounded.
func TestAppendManyAtOnce(t *testing.T) {
	s, url := open(t)
	id := tenant(t, s, "acme")
	if err := outcome(s.AppendEvents(t.Context(), nil)); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			events := make([]vault.Intake, 1500)
			for i := range events {
				events[i] = vault.Intake{Tenant: id, Leaf: []byte(strings.Repeat("x", 1000))}
			}
			if err := outcome(s.AppendEvents(t.Context(), events)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := number(t, db(t, url), `SELECT count(*) FROM event_intake`); n != 6000 {
		t.Errorf("%d events are stored, want 6000", n)
	}
	if st := s.Stats(); st.Batches != 4 {
		t.Errorf("4 calls over the bound of a batch took %d statements, want 4", st.Batches)
	}
}

// outcome is the error of AppendEvents alone.
func outcome(_ []int64, err error) error { return err }
