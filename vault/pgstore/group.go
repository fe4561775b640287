package pgstore

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/fieldvault/fieldvault/vault"
)

// A batch is bounded, so that neither a statement nor the wait for it grows
// with the crowd. One call's events stay together, whatever their number.
const (
	maxBatchEvents = 1000
	maxBatchBytes  = 1 << 20
)

// A group lets concurrent calls share a commit without a goroutine of its own:
// the call that finds nobody writing leads, and writes its events and those of
// all who wait; then the first of those who came meanwhile leads.
type group[T any] struct {
	doing string
	size  func(T) int // of one, in bytes
	// flush makes all durable (or, of loads, reads all), or returns why it could not.
	flush func(context.Context, []T) error
	// ends says that a flush for one call alone ends with that call's context.
	ends bool

	mu      sync.Mutex
	led     bool // somebody leads, or was told to
	waiting []*waiter[T]
}

// A waiter is a call that waits. It is told one thing, once.
type waiter[T any] struct {
	events []T
	bytes  int
	lead   chan struct{} // closed: its events are its own to write
	done   chan error    // its events were written, or not
}

func (g *group[T]) newWaiter(events []T) *waiter[T] {
	w := &waiter[T]{events: events, lead: make(chan struct{}), done: make(chan error, 1)}
	for _, e := range events {
		w.bytes += g.size(e)
	}
	return w
}

// add returns when the events are durable, could not be made so, or ctx ends.
func (g *group[T]) add(ctx context.Context, events []T) error {
	if err := ctx.Err(); err != nil {
		return failure(ctx, g.doing, err)
	}
	w := g.newWaiter(events)
	if g.join(w) {
		return g.write(ctx, w)
	}
	select {
	case err := <-w.done:
		return err
	case <-w.lead:
		return g.write(ctx, w)
	case <-ctx.Done():
		g.leave(w)
		return failure(ctx, g.doing, ctx.Err())
	}
}

// join makes w the leader, or has it wait.
func (g *group[T]) join(w *waiter[T]) (leads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.led {
		g.led = true
		return true
	}
	g.waiting = append(g.waiting, w)
	return false
}

// leave takes back a waiter that nobody writes for yet. If it was just told to
// lead, it passes that on.
func (g *group[T]) leave(w *waiter[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, w); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		return
	}
	select {
	case <-w.lead:
		g.next()
	default: // being written
	}
}

// next has the first waiter lead. The lock is held.
func (g *group[T]) next() {
	if len(g.waiting) == 0 {
		g.led = false
		return
	}
	close(g.waiting[0].lead)
	g.waiting = slices.Delete(g.waiting, 0, 1)
}

// write makes the events of w and of those who wait durable, and tells them.
func (g *group[T]) write(ctx context.Context, w *waiter[T]) error {
	runtime.Gosched() // who is about to come, comes along: fewer and larger statements
	followers := g.take(w)
	events := w.events
	if len(followers) > 0 {
		events = slices.Clone(events)
	}
	for _, f := range followers {
		events = append(events, f.events...)
	}
	err := fmt.Errorf("%s: %w", g.doing, vault.ErrUnavailable) // unless flush returns
	defer func() {
		for _, f := range followers {
			f.done <- err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.next()
	}()
	if !g.ends || len(followers) > 0 {
		ctx = context.WithoutCancel(ctx)
	}
	err = g.flush(ctx, events)
	return err
}

// take removes from those who wait as many as fit into one batch with w.
func (g *group[T]) take(w *waiter[T]) []*waiter[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	events, bytes, n := len(w.events), w.bytes, 0
	for _, f := range g.waiting {
		events += len(f.events)
		bytes += f.bytes
		if events > maxBatchEvents || bytes > maxBatchBytes {
			break
		}
		n++
	}
	followers := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return followers
}
