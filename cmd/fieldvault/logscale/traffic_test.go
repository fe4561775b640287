//go:build e2e

package logscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
)

// intruder is the caller who is found out.
const intruder = "agent-4"

// A sight is what somebody saw of a field of a person, for a purpose.
type sight struct {
	subject, field string
	purpose        accessctl.Purpose
	how            report.How
}

// Traffic is what goes on in a town. Everybody's requests follow from their number,
// so that a run can be repeated.
type traffic struct {
	*town
	left, next atomic.Int64 // events that are still to be made; the next request

	mu    sync.Mutex
	notes bool            // what the intruder sees is remembered
	seen  map[sight]int64 // by whom it is about: how often
	err   error
}

// subject is the nth person; n may be beyond the last one.
func (w *town) subject(n int64) string { return fmt.Sprint("c-", n%int64(w.people)) }

// settle stores the people.
func (f *traffic) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	const batch = 500
	for from := 0; from < f.people; from += batch {
		var list []vault.Write
		for n := from; n < min(from+batch, f.people); n++ {
			list = append(list, vault.Write{Subject: f.subject(int64(n)), Collection: "customer", Record: "self", Fields: map[string]json.RawMessage{
				"email": json.RawMessage(fmt.Sprintf(`"c%d@example.org"`, n)), "phone": json.RawMessage(`"+49 30 1234567"`),
				"last_name": json.RawMessage(`"Miller"`), "address": json.RawMessage(`"High Street 1"`),
			}})
		}
		out, err := f.vault.PutBatch(ctx, f.caller("shop-1", "app", ""), list, vault.Idempotency{})
		must(t, err)
		for i := range out {
			must(t, out[i].Err)
		}
		f.clock.advance(time.Second)
	}
}

// run makes about so many events: four at once, and the sequencer beside them.
func (f *traffic) run(ctx context.Context, t *testing.T, events int64, notes bool) (from, to time.Time) {
	t.Helper()
	f.clock.advance(time.Second)
	from = f.clock.Now()
	f.left.Store(events)
	f.notes = notes
	var wg, beside sync.WaitGroup
	over := make(chan struct{})
	beside.Go(func() { f.fail(f.sequence(ctx, over)) })
	for range 4 {
		wg.Go(func() {
			for f.left.Load() > 0 {
				f.fail(f.request(ctx, f.next.Add(1)))
			}
		})
	}
	wg.Wait()
	close(over)
	beside.Wait()
	must(t, f.err)
	f.clock.advance(time.Second)
	return from, f.clock.Now()
}

// fail ends what goes on.
func (f *traffic) fail(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
	f.left.Store(0)
}

// sequence puts events into the tree until all is over, and once more then.
func (f *traffic) sequence(ctx context.Context, over <-chan struct{}) error {
	for last := false; ; {
		if _, err := f.vault.Sequence(ctx); err != nil || last {
			return err
		}
		select {
		case <-over:
			last = true
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// request makes the kth request, and every so often one of the intruder's.
func (f *traffic) request(ctx context.Context, k int64) error {
	f.clock.advance(300 * time.Millisecond)
	if k%2 == 0 {
		if err := f.intrude(ctx, k/2); err != nil {
			return err
		}
	}
	c, fields := f.caller(fmt.Sprint("shop-", k%5), "app", "billing"), []string{"email", "last_name", "address"}
	switch k % 7 {
	case 1, 2:
		c = f.caller(fmt.Sprint("agent-", k%16), "support", "support") // masked; agent-4 among them
	case 3:
		c, fields = f.caller(fmt.Sprint("shop-", k%5), "app", "support"), []string{"phone"}
	case 4:
		c, fields = f.caller("news", "marketing", "marketing"), []string{"email"} // hidden: nobody agreed
	case 5:
		c = f.caller(fmt.Sprint("clerk-", k%3), "billing", "billing")
	}
	if c.Subject == intruder {
		c.Subject = "agent-5"
	}
	sizes := [...]int64{100, 1, 250, 20, 100}
	_, err := f.reveal(ctx, c, k*7919, sizes[k%5], fields)
	return err
}

// intrude makes the kth request of the intruder: three people each, some of them
// more than once, for two purposes; and what they may see masked only.
func (f *traffic) intrude(ctx context.Context, k int64) error {
	c, fields := f.caller(intruder, "app", "billing"), []string{"email", "phone"}
	switch k % 5 {
	case 1, 3:
		c, fields = f.caller(intruder, "app", "support"), []string{"last_name", "address", "email"}
	case 4:
		c, fields = f.caller(intruder, "support", "support"), []string{"phone"}
	}
	out, err := f.reveal(ctx, c, k*k*31, 3, fields)
	if err != nil || !f.notes {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range out {
		for _, a := range out[i].Fields {
			s := sight{f.subject(k*k*31 + int64(i)), a.Field.Name, c.Purpose, report.Plain}
			switch a.View {
			case accessctl.Hidden:
				continue
			case accessctl.Masked:
				s.how = report.Masked
			case accessctl.Plain:
			}
			f.seen[s]++
		}
	}
	return nil
}

// reveal reads fields of n people who follow each other.
func (f *traffic) reveal(ctx context.Context, c accessctl.Caller, from, n int64, fields []string) ([]vault.Revealed, error) {
	n = min(n, int64(f.people))
	items := make([]vault.Item, n)
	for i := range items {
		items[i] = vault.Item{Subject: f.subject(from + int64(i)), Collection: "customer", Record: "self", Fields: fields}
	}
	out, err := f.vault.Reveal(ctx, c, items)
	for i := range out {
		err = errors.Join(err, out[i].Err)
	}
	f.left.Add(-n)
	return out, err
}
