//go:build e2e

package logscale_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

var (
	lagFor   = flag.Duration("lag.for", 5*time.Second, "for how long TestSequencingLag loads the service")
	lagBatch = flag.Int("lag.batch", 20, "people that each of its requests reads: an event each")
	lagNodes = flag.Int("lag.nodes", 2, "processes of the service")
)

const (
	lagPeople  = 1000
	lagClients = 8 // at once, for each node
)

// A load is what clients do at the same time, as fast as they are answered.
type load struct {
	*city
	requests, events atomic.Int64 // answered
	lags             []float64    // in seconds, as read
	key              string
}

// TestSequencingLag reads from several processes as fast as they answer, and watches
// how old events become before they are in the tree. The lag must be below a second
// again within ten, and every event in the tree.
func TestSequencingLag(t *testing.T) {
	l := &load{city: newCity(t, *lagNodes)}
	l.settle(t)
	began, before := time.Now(), l.sequenced(t)
	ctx, cancel := context.WithTimeout(t.Context(), *lagFor)
	defer cancel()
	var wg sync.WaitGroup
	for i := range *lagNodes * lagClients {
		wg.Go(func() { l.read(ctx, t, l.nodes[i%*lagNodes], i) })
	}
	for ctx.Err() == nil {
		l.lags = append(l.lags, l.lag(t))
		time.Sleep(200 * time.Millisecond)
	}
	wg.Wait()
	took, during := time.Since(began).Seconds(), l.sequenced(t)-before
	over := time.Now()
	t.Logf("%.0f requests a second, %.0f events a second recorded, %.0f sequenced, for %.0f s by %d processes",
		float64(l.requests.Load())/took, float64(l.events.Load())/took, during/took, took, *lagNodes)
	slices.Sort(l.lags)
	at := func(q float64) float64 { return l.lags[min(len(l.lags)-1, int(q*float64(len(l.lags))))] }
	t.Logf("the lag: p50 %.2f s, p99 %.2f s, most %.2f s (%d looks)", at(0.5), at(0.99), at(1), len(l.lags))
	l.calm(t, over)
	l.judge(t)
}

// settle stores the people, and learns the service's key.
func (l *load) settle(t *testing.T) {
	t.Helper()
	const batch = 100
	for from := 0; from < lagPeople; from += batch {
		items := make([]api.WriteItem, batch)
		for i := range items {
			items[i] = api.WriteItem{
				Subject: fmt.Sprint("c-", from+i), Collection: "customer", Record: "self",
				Fields: map[string]json.RawMessage{"email": json.RawMessage(fmt.Sprintf(`"c%d@example.org"`, from+i)), "city": json.RawMessage(`"Ulm"`)},
			}
		}
		results, err := l.nodes[0].app.PutBatch(t.Context(), items)
		must(t, err)
		for i, r := range results {
			must(t, client.ItemError(i, r.Outcome))
		}
	}
	keys, err := l.nodes[0].app.VerifierKeys(t.Context())
	must(t, err)
	l.key = keys[0].Key
}

// read reads people through one node until ctx ends.
func (l *load) read(ctx context.Context, t *testing.T, n *node, seed int) {
	t.Helper()
	for k := seed * 131; ctx.Err() == nil; k += *lagBatch {
		items := make([]api.RevealItem, *lagBatch)
		for i := range items {
			items[i] = api.RevealItem{Subject: fmt.Sprint("c-", (k+i)%lagPeople), Collection: "customer", Record: "self", Fields: []string{"email", "city"}}
		}
		results, err := n.app.RevealBatch(ctx, items)
		for i := range results {
			err = errors.Join(err, client.ItemError(i, results[i].Outcome))
		}
		switch {
		case err == nil:
			l.requests.Add(1)
			l.events.Add(int64(len(items)))
		case ctx.Err() == nil:
			t.Errorf("a request failed: %v", err)
			return
		}
	}
}

// lag is the metric of the process that leads.
func (l *load) lag(t *testing.T) (most float64) {
	t.Helper()
	for _, n := range l.nodes {
		m, err := n.gauge(t.Context(), "audit_sequencing_lag_seconds")
		must(t, err)
		most = max(most, m["audit_sequencing_lag_seconds"])
	}
	return most
}

// sequenced is how many events all processes have sequenced.
func (l *load) sequenced(t *testing.T) (all float64) {
	t.Helper()
	for _, n := range l.nodes {
		m, err := n.gauge(t.Context(), "audit_sequenced_total")
		must(t, err)
		all += m["audit_sequenced_total"]
	}
	return all
}

// calm waits until the lag is below a second for good: ten looks, one after another.
func (l *load) calm(t *testing.T, since time.Time) {
	t.Helper()
	first := time.Duration(0)
	for calm := 0; calm < 10; time.Sleep(200 * time.Millisecond) {
		switch lag := l.lag(t); {
		case lag < 1 && calm == 0:
			first, calm = time.Since(since), 1
		case lag < 1:
			calm++
		default:
			calm = 0
		}
		if calm == 0 && time.Since(since) > 10*time.Second {
			t.Fatalf("10 s after the load the lag is %.2f s, and %.0f events are sequenced; the leader said:\n%.2000s", l.lag(t), l.sequenced(t), l.warnings())
		}
	}
	t.Logf("the lag is below a second %.1f s after the load", first.Seconds())
}

// warnings is what the processes say went wrong.
func (l *load) warnings() (said []byte) {
	for _, n := range l.nodes {
		for line := range bytes.Lines(n.proc.Output()) {
			if bytes.Contains(line, []byte(`"WARN"`)) || bytes.Contains(line, []byte(`"ERROR"`)) {
				said = append(said, line...)
			}
		}
	}
	return said
}

// judge looks at the log at rest: it verifies, and no row is left beside it.
func (l *load) judge(t *testing.T) {
	t.Helper()
	for _, n := range l.nodes {
		n.proc.Stop(t)
	}
	db := l.open(t)
	var rows, left, events int64
	err := db.QueryRowContext(t.Context(), `
		SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.intake = i.id)),
			sum(CASE get_byte(leaf, 0) WHEN 1 THEN get_byte(leaf, 1) ELSE 1 END) FROM event_intake i`).Scan(&rows, &left, &events)
	must(t, errors.Join(err, db.Close()))
	pub, err := evidence.ParseKey(l.key)
	must(t, err)
	store, err := pgstore.Open(t.Context(), pgstore.Config{URL: l.database})
	must(t, err)
	defer func() { must(t, store.Close()) }()
	var id int32
	must(t, store.View(t.Context(), func(tx vault.Tx) error {
		list, err := tx.Tenants(t.Context())
		if err == nil {
			id = list[0].ID
		}
		return err
	}))
	r, err := trail.Check{
		Name: tenant, Log: trail.Log{Store: vault.LogStore(store), Tenant: id, Origin: trail.Origin(origin, tenant), Key: pub},
	}.Run(t.Context())
	must(t, err)
	if leaves := r.Entries; left != 0 || r.Stray != 0 || leaves != events || leaves < l.events.Load() {
		t.Errorf("%d rows of %d events, %d of them not in the tree, %d stray; %d leaves, for %d events of answered requests", rows, events, left, r.Stray, leaves, l.events.Load())
	}
}
