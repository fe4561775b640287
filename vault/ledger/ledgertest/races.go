package ledgertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

// How much the races do.
const (
	writers = 16
	rounds  = 12
)

// concurrent: every entry stands once, though two writers append each, and those
// of one call stand in its order.
func concurrent(t *testing.T, open Open) {
	l := open(t)
	shared := Entries(rounds)
	lists := race(t, []ledger.Ledger{l}, shared)
	complete(t, All(t, l), lists, shared)
	shut(t, l)
	complete(t, All(t, opened(t, open)), lists, shared)
}

// twoNodes: the same, by two who have the ledger open.
func twoNodes(t *testing.T, open Open) {
	a, b := opened(t, open), opened(t, open)
	shared := Entries(rounds)
	lists := race(t, []ledger.Ledger{a, b}, shared)
	complete(t, All(t, a), lists, shared)
	differ(t, "two nodes read different ledgers (-one +other)", All(t, a), All(t, b))
}

// race has many writers append lists of their own, and all of them the shared
// entries as well. It returns the lists.
func race(t *testing.T, ledgers []ledger.Ledger, shared []ledger.Entry) [][]ledger.Entry {
	t.Helper()
	lists := make([][]ledger.Entry, writers)
	var wg sync.WaitGroup
	for w := range lists {
		lists[w] = Entries(3 * rounds)
		wg.Go(func() {
			for i := range rounds {
				call := append([]ledger.Entry{shared[i]}, lists[w][3*i:3*i+3]...)
				if err := ledgers[w%len(ledgers)].Append(t.Context(), call); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	return lists
}

func complete(t *testing.T, all []ledger.Placed, lists [][]ledger.Entry, shared []ledger.Entry) {
	t.Helper()
	at := map[uuid.UUID]int64{}
	for _, p := range all {
		if at[p.ID] != 0 {
			t.Errorf("an entry stands at %d and at %d", at[p.ID], p.Position)
		}
		at[p.ID] = p.Position
	}
	if want := writers*3*rounds + len(shared); len(all) != want {
		t.Errorf("%d entries, want %d", len(all), want)
	}
	for _, list := range append(lists, shared) {
		last := int64(0)
		for _, e := range list {
			if at[e.ID] <= last {
				t.Errorf("an entry stands at %d, want it after %d", at[e.ID], last)
			}
			last = at[e.ID]
		}
	}
}

// readingWhileAppending: a reader that follows the ledger misses nothing, what it
// read stays, and whatever was acknowledged before it began to read is there.
func readingWhileAppending(t *testing.T, open Open) {
	l := opened(t, open)
	var acknowledged atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var readers, appends sync.WaitGroup
	for range 4 {
		readers.Go(func() { follow(ctx, t, l, &acknowledged) })
	}
	for range 8 {
		appends.Go(func() {
			for range 2 * rounds {
				if err := l.Append(t.Context(), Entries(2)); err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				acknowledged.Add(2)
			}
		})
	}
	appends.Wait()
	cancel()
	readers.Wait()
}

// follow reads on and on until ctx ends, and then everything once more.
func follow(ctx context.Context, t *testing.T, l ledger.Ledger, acknowledged *atomic.Int64) {
	var seen []ledger.Placed
	for {
		last, floor := ctx.Err() != nil, acknowledged.Load()
		page, err := l.Read(t.Context(), int64(len(seen)), 7)
		if err != nil {
			t.Errorf("Read: %v", err)
			return
		}
		for _, p := range page {
			if p.Position != int64(len(seen))+1 {
				t.Errorf("position %d follows %d", p.Position, len(seen))
				return
			}
			seen = append(seen, p)
		}
		if len(page) == 0 && int64(len(seen)) < floor {
			t.Errorf("the ledger ends at %d when %d were acknowledged", len(seen), floor)
		}
		if len(page) == 0 && last {
			break
		}
	}
	differ(t, "what was read has changed (-then +now)", seen, All(t, l))
}
