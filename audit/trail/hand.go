package trail

import (
	"cmp"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// Events that this process writes itself need not be read back: it knows that they are
// its own, and what they say. [Sequencer.Expect] is told of them before they are written,
// and [Expected.Written] where they stand once they are durable. What was written and not
// told of, by other processes or inside a transaction, is read from the store.
//
// An event is in the log once all the same. While one is in the hand, a row of the store
// that holds it is left alone: it is the event's own, of which nothing was told yet, or a
// copy of it, which is refused once the event is in the log.

// maxHand bounds how many events wait in memory for the next step. Those beyond are read
// from the store.
const maxHand = 1 << 15

// A hand is what this process has written itself, while it leads.
type hand struct {
	mu      sync.Mutex
	leads   bool
	writing map[*Expected]struct{}
	written []*Expected
	events  int // of written
}

// Expected are events of one tenant on their way to the store.
type Expected struct {
	hand   *hand
	tenant int32
	events []audit.Event
	leaves []tree.Hash
	ends   []int
	rows   []int64
}

// Expect takes note of events that the process is about to write, with the hashes of
// their leaves. ends are the numbers of events in the first row, in the first two, and so
// on. Nobody may change any of them any more. It is safe for concurrent use.
func (s *Sequencer) Expect(tenant int32, events []audit.Event, leaves []tree.Hash, ends []int) *Expected {
	h := &s.hand
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.leads {
		return nil
	}
	e := &Expected{hand: h, tenant: tenant, events: events, leaves: leaves, ends: ends}
	h.writing[e] = struct{}{}
	return e
}

// Written says which rows hold the events, in their order, now that they are durable;
// nil: nobody knows whether they are. It must be called once, whatever happens.
func (e *Expected) Written(rows []int64) {
	if e == nil {
		return
	}
	h := e.hand
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, still := h.writing[e]; !still {
		return // the process has ceased to lead meanwhile
	}
	delete(h.writing, e)
	if len(rows) != len(e.ends) || slices.Contains(rows, 0) || h.events+len(e.events) > maxHand {
		return
	}
	e.rows = rows
	h.written, h.events = append(h.written, e), h.events+len(e.events)
}

// begin empties the hand, and says whether it takes events from now on.
func (h *hand) begin(leads bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leads, h.writing, h.written, h.events = leads, map[*Expected]struct{}{}, nil, 0
}

// take takes what was written, by the ids of rows: at most limit events, or those of one
// call. more: others are left.
func (h *hand) take(limit int) (rows []Row, more bool) {
	list, n, more := h.cut(limit)
	rows = make([]Row, 0, n)
	for _, e := range list {
		from := 0
		for i, end := range e.ends {
			rows = append(rows, Row{ID: e.rows[i], Tenant: e.tenant, own: e.events[from:end], hashes: e.leaves[from:end]})
			from = end
		}
	}
	slices.SortFunc(rows, byID)
	return rows, more
}

func (h *hand) cut(limit int) (list []*Expected, rows int, more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, events := 0, 0
	for n < len(h.written) && (n == 0 || events+len(h.written[n].events) <= limit) {
		events, rows = events+len(h.written[n].events), rows+len(h.written[n].rows)
		n++
	}
	list = slices.Clone(h.written[:n])
	h.written, h.events = slices.Delete(h.written, 0, n), h.events-events
	return list, rows, len(h.written) > 0
}

func byID(x, y Row) int { return cmp.Compare(x.ID, y.ID) }

// holds are the events that are in the hand.
func (h *hand) holds() map[uuid.UUID]bool {
	h.mu.Lock()
	list := slices.Clone(h.written)
	for e := range h.writing {
		list = append(list, e)
	}
	h.mu.Unlock()
	ids := map[uuid.UUID]bool{}
	for _, e := range list {
		for i := range e.events {
			ids[e.events[i].ID] = true
		}
	}
	return ids
}
