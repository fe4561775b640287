package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) AppendEvent(ctx context.Context, e vault.Intake) error {
	_, err := t.appendEvent(ctx, e)
	return err
}

// appendEvent returns the id of the event's row.
func (t *tx) appendEvent(ctx context.Context, e vault.Intake) (id int64, err error) {
	if err = t.usable(true); err == nil {
		id, err = t.number(ctx, `INSERT INTO event_intake (tenant, leaf, mac) VALUES (?1, ?2, ?3) RETURNING id`, e.Tenant, blob(e.Leaf), e.MAC)
	}
	if err != nil {
		return 0, fmt.Errorf("appending an event: %w", err)
	}
	return id, nil
}

func (t *tx) AppendEvents(ctx context.Context, events []vault.Intake) error {
	for _, e := range events {
		if err := t.AppendEvent(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Events(ctx context.Context, tenant int32, after int64, limit int) ([]vault.StoredEvent, error) {
	out, err := list(ctx, t, `
		SELECT id, tenant, leaf FROM event_intake WHERE id > ?2 AND tenant = ?1 ORDER BY id LIMIT ?3`,
		func(r *sql.Rows) (e vault.StoredEvent, err error) {
			err = r.Scan(&e.ID, &e.Tenant, &e.Leaf)
			return e, err
		}, tenant, after, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return out, nil
}

// A group is the batch of events that waits for the writer.
type group struct {
	mu      sync.Mutex
	waiting *batch
}

// A batch is written in one commit, by whoever of its callers gets the writer.
type batch struct {
	entries []*entry      // guarded by group.mu until the batch is taken
	lead    chan struct{} // holds a token while nobody leads
	done    chan struct{} // closed when the entries have their outcome
}

// An entry is the events of one call, and their outcome.
type entry struct {
	events []vault.Intake
	ids    []int64
	err    error
}

// AppendEvents makes the events durable, all or none. When the context ends
// before they are, they may or may not be.
func (s *Store) AppendEvents(ctx context.Context, events []vault.Intake) ([]int64, error) {
	if len(events) == 0 {
		return nil, nil
	}
	e := &entry{events: events, err: vault.ErrUnavailable} // until it is known to be durable
	b := s.group.join(e)
	select {
	case <-b.done:
	case <-b.lead:
		if err := s.leadBatch(ctx, b); err != nil {
			s.group.leave(b, e)
			b.lead <- struct{}{} // somebody else may lead
			return nil, fmt.Errorf("appending events: %w", err)
		}
	case <-ctx.Done():
		s.group.leave(b, e)
		return nil, fmt.Errorf("appending events: %w", classify(ctx, ctx.Err()))
	}
	if e.err != nil {
		return nil, fmt.Errorf("appending events: %w", e.err)
	}
	return e.ids, nil
}

// join adds an entry to the batch that waits, or starts one.
func (g *group) join(e *entry) *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == nil {
		g.waiting = &batch{lead: make(chan struct{}, 1), done: make(chan struct{})}
		g.waiting.lead <- struct{}{}
	}
	g.waiting.entries = append(g.waiting.entries, e)
	return g.waiting
}

// leave takes an entry out of a batch that still waits.
func (g *group) leave(b *batch, e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.waiting == b {
		b.entries = slices.DeleteFunc(b.entries, func(o *entry) bool { return o == e })
	}
}

// take closes a batch to newcomers.
func (g *group) take(b *batch) []*entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = nil
	return b.entries
}

// leadBatch waits for the writer, while others join, and writes the batch. It
// fails only if it did not get the writer, and then the batch still waits.
func (s *Store) leadBatch(ctx context.Context, b *batch) error {
	c, err := s.writer.get(ctx)
	if err != nil {
		return err
	}
	// From here on the outcome is that of others too.
	ctx = context.WithoutCancel(ctx)
	entries := s.group.take(b)
	defer close(b.done)
	err = s.runOn(ctx, s.writer, c, func(t *tx) error { return t.appendAll(ctx, entries) })
	for _, e := range entries {
		e.err = err
		if errors.Is(err, errRefused) && len(entries) > 1 {
			// One bad entry must not be the failure of the others: each for itself.
			e.err = s.run(ctx, s.writer, func(t *tx) error { return t.appendAll(ctx, []*entry{e}) })
		}
	}
	return nil
}

func (t *tx) appendAll(ctx context.Context, entries []*entry) error {
	for _, e := range entries {
		e.ids = make([]int64, len(e.events)) // anew with each attempt
		for i, ev := range e.events {
			var err error
			if e.ids[i], err = t.appendEvent(ctx, ev); err != nil {
				return err
			}
		}
	}
	return nil
}
