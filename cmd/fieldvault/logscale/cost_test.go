//go:build e2e

package logscale_test

import (
	"context"
	"errors"
	"flag"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
)

var (
	costRounds = flag.Int("cost.rounds", 3, "rounds of TestTreeCost, with the sequencer and without")
	costRound  = flag.Duration("cost.round", time.Second, "how long a round is")
)

// TestTreeCost says what the tree costs requests: how many people are read in a second
// while this process sequences, and while nobody does. Rounds take turns, so that what
// else the machine does meets both. What waits is put into the tree between them.
func TestTreeCost(t *testing.T) {
	w := newTown(t)
	w.people = 500
	w.clock.advance(48 * time.Hour)
	f := &traffic{town: w}
	f.settle(t.Context(), t)
	with, without := w.node(t, time.Now, origin), w.node(t, time.Now, "")
	var rates [2][]float64
	for range *costRounds {
		for i, v := range []*vault.Vault{without, with} {
			rates[i] = append(rates[i], f.round(t, v))
			_, err := with.Sequence(t.Context())
			for ; errors.Is(err, trail.ErrNotLeader); _, err = with.Sequence(t.Context()) {
				time.Sleep(50 * time.Millisecond) // it has just given back its lease, and waits a little
			}
			must(t, err)
		}
	}
	for i := range rates {
		slices.Sort(rates[i])
	}
	a, b := rates[0][len(rates[0])/2], rates[1][len(rates[1])/2]
	t.Logf("people read in a second, medians of %d rounds of %v: %.0f without a sequencer, %.0f with: ratio %.2f", *costRounds, *costRound, a, b, b/a)
	if a == 0 || b == 0 {
		t.Error("nobody was read")
	}
}

// round reads single people for a while, eight at once, and says how many in a second.
func (f *traffic) round(t *testing.T, v *vault.Vault) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), *costRound)
	defer cancel()
	var wg, beside sync.WaitGroup
	var read atomic.Int64
	background, end := context.WithCancel(t.Context())
	beside.Go(func() { _ = v.Run(background) }) // it returns nil
	began := time.Now()
	for i := range 8 {
		wg.Go(func() {
			for k := int64(i); ctx.Err() == nil; k += 8 {
				c := f.caller("shop-1", "app", "billing")
				c.Expires = time.Now().Add(time.Hour)
				out, err := v.Reveal(ctx, c, []vault.Item{{Subject: f.subject(k), Collection: "customer", Record: "self", Fields: []string{"email", "phone"}}})
				if len(out) == 1 {
					err = errors.Join(err, out[0].Err)
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				read.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(began).Seconds()
	end()
	beside.Wait()
	return float64(read.Load()) / took
}
