//go:build e2e

package linear_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
)

// How much the foreground asks, of all nodes together.
const (
	clients       = 8 // at once
	clientsWithin = 30 * time.Second
)

// A phase is what goes on beside the foreground.
type phase int32

const (
	quiet      phase = iota // nothing
	rewrapping              // a rewrap
	failing                 // a rewrap whose node is killed
	phases
)

// A request is one of the foreground's.
type request struct {
	node      int
	due, sent time.Time // when it should have begun, and when it did
	took      time.Duration
	during    phase
	err       error
}

// A foreground reads and writes of people at a steady pace, whatever goes on: a
// request that waits for the one before it counts from when it was due. It keeps
// away from nodes that are known to be dead.
type foreground struct {
	c      *cluster
	people int
	doors  [3]atomic.Pointer[doors]
	during atomic.Int32
	stop   atomic.Bool

	mu   sync.Mutex
	done []request
	wait sync.WaitGroup
}

// personName and personEmail are what is stored of the nth person.
func (f *foreground) personName(n int) string { return fmt.Sprintf("%s-%d", f.c.canaries[1], n) }

func (f *foreground) personEmail(n int) string {
	return fmt.Sprintf("%s-%d@example.org", f.c.canaries[0], n)
}

// reach makes clients of a node.
func (f *foreground) reach(t *testing.T, node int) {
	t.Helper()
	f.doors[node].Store(f.c.open(t, f.c.nodes[node].doors.Load().url, clientsWithin))
}

// fill stores the people, in batches through all nodes.
func (f *foreground) fill(t *testing.T) {
	t.Helper()
	const batch = 500
	var next atomic.Int64
	var wg sync.WaitGroup
	for node := range f.doors {
		app := f.doors[node].Load().app
		wg.Go(func() {
			for {
				from := int(next.Add(batch)) - batch
				if from >= f.people {
					return
				}
				var items []api.WriteItem
				for n := from; n < min(from+batch, f.people); n++ {
					email, _ := json.Marshal(f.personEmail(n)) // a string
					items = append(items, api.WriteItem{
						Subject: f.personName(n), Collection: collection, Record: "self",
						Fields: map[string]json.RawMessage{"email": email, "city": json.RawMessage(`"Ulm"`)},
					})
				}
				if err := storeAll(t, app, items); err != nil {
					t.Errorf("storing people: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// storeAll stores a batch, of which every item must succeed. A busy Vault may need
// several tries.
func storeAll(t *testing.T, app *client.Client, items []api.WriteItem) (err error) {
	t.Helper()
	for range 5 {
		var results []api.WriteResult
		if results, err = app.PutBatch(t.Context(), items); err != nil {
			continue
		}
		for i, r := range results {
			if err = client.ItemError(i, r.Outcome); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
		t.Logf("storing %d people, again: %v", len(items), err)
	}
	return err
}

// begin starts the clients. They end with end.
func (f *foreground) begin(t *testing.T, d *dice) {
	t.Helper()
	for range clients {
		mine := d.split()
		f.wait.Go(func() { f.ask(t, mine) })
	}
}

func (f *foreground) end() {
	f.stop.Store(true)
	f.wait.Wait()
}

func (f *foreground) ask(t *testing.T, d *dice) {
	t.Helper()
	every := clients * time.Second / time.Duration(*rate)
	due := time.Now().Add(d.between(0, every))
	for ; !f.stop.Load(); due = due.Add(every) {
		time.Sleep(time.Until(due))
		r := request{due: due, sent: time.Now(), during: phase(f.during.Load())}
		for r.node = d.n(len(f.doors)); f.c.nodes[r.node].away.Load(); {
			r.node = d.n(len(f.doors))
		}
		r.err = f.askOnce(t, d, f.doors[r.node].Load())
		r.took = time.Since(due)
		f.mu.Lock()
		f.done = append(f.done, r)
		f.mu.Unlock()
	}
}

// askOnce reads a person's record, or, in a third of the cases, replaces it.
func (f *foreground) askOnce(t *testing.T, d *dice, at *doors) error {
	t.Helper()
	n := d.n(f.people)
	who, email := ref(f.personName(n), 0), f.personEmail(n)
	if d.chance(33) {
		_, err := at.app.Put(t.Context(), who, map[string]any{"email": email, "city": "Oslo"})
		return err
	}
	r, err := at.app.Get(t.Context(), who, fieldsFor(support)...)
	if err == nil && view(r.Fields["email"]) != shown(email) {
		err = fmt.Errorf("person %d reads %q", n, view(r.Fields["email"]))
	}
	return err
}

// latency is a quantile of a phase's requests that were answered, and their number.
func (f *foreground) latency(during phase, quantile float64) (time.Duration, int) {
	var list []time.Duration
	for _, r := range f.done {
		if r.during == during && r.err == nil {
			list = append(list, r.took)
		}
	}
	if len(list) == 0 {
		return 0, 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(quantile*float64(len(list))))], len(list)
}
