package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/fieldvault/fieldvault/vault"
)

// events reads all events of a tenant, in pages.
func (w *world) events(tenant int32, page int) (out []vault.StoredEvent) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) error {
		var after int64
		for {
			got, err := tx.Events(ctx, tenant, after, page)
			if err != nil || len(got) == 0 {
				return err
			}
			w.page("Events", len(got), page, len(out))
			for _, e := range got {
				if e.ID <= after {
					w.Fatalf("event %d after event %d", e.ID, after)
				}
				after = e.ID
			}
			out = append(out, got...)
		}
	})
	return out
}

func leaves(events []vault.StoredEvent) (out []string) {
	for _, e := range events {
		out = append(out, string(e.Leaf))
	}
	return out
}

func events(w *world) {
	w.run("Order", func(w *world) {
		a, b := w.tenant(), w.tenant()
		var wantA, wantB []string
		for i := range 20 {
			leaf := append(allBytes(i), byte(i))
			other := fmt.Appendf(nil, "other %d", i)
			wantA, wantB = append(wantA, string(leaf)), append(wantB, string(other))
			if i%2 == 0 {
				w.update(func(ctx context.Context, tx vault.Tx) error {
					if err := tx.AppendEvent(ctx, vault.Intake{Tenant: a, Leaf: leaf}); err != nil {
						return err
					}
					return tx.AppendEvent(ctx, vault.Intake{Tenant: b, Leaf: other})
				})
				continue
			}
			err := outcome(w.s.AppendEvents(w.Context(), []vault.Intake{{Tenant: a, Leaf: leaf}, {Tenant: b, Leaf: other}}))
			w.is("AppendEvents", err, nil)
		}
		for _, page := range []int{1, 3, 100} {
			w.equal("events of one tenant", leaves(w.events(a, page)), wantA)
			w.equal("events of the other", leaves(w.events(b, page)), wantB)
		}
		for _, e := range w.events(a, 100) {
			if e.Tenant != a {
				w.Errorf("event of tenant %d among those of %d", e.Tenant, a)
			}
		}
		w.view(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.Events(ctx, a, 0, 0)
			w.equal("no events", leaves(got), []string{})
			return err
		})
	})
	w.run("None", func(w *world) {
		w.is("AppendEvents of nothing", outcome(w.s.AppendEvents(w.Context(), nil)), nil)
	})
	w.run("Visible", func(w *world) {
		tenant := w.tenant()
		for i := range 5 {
			w.is("AppendEvents", outcome(w.s.AppendEvents(w.Context(), []vault.Intake{{Tenant: tenant, Leaf: []byte("x")}})), nil)
			if n := len(w.events(tenant, 100)); n != i+1 {
				w.Errorf("%d events are visible after %d calls", n, i+1)
			}
		}
	})
	w.run("ManyAtOnce", manyEvents)
}

// manyEvents: each of many concurrent calls has its events stored once, in the rows that
// it is told, none among them lost when others write, erase and read.
func manyEvents(w *world) {
	tenants := []int32{w.tenant(), w.tenant()}
	var (
		mu   sync.Mutex
		want = map[int32][]string{}
		rows = map[int64]string{}
	)
	together(32, func(i int) {
		for n := range 10 {
			var batch []vault.Intake
			for k := range n%3 + 1 {
				batch = append(batch, vault.Intake{Tenant: tenants[k%2], Leaf: fmt.Appendf(nil, "%02d-%02d-%d", i, n, k)})
			}
			var ids []int64
			var err error
			if n%4 == 3 {
				err = w.try(func(ctx context.Context, tx vault.Tx) error {
					for _, e := range batch {
						if err := tx.AppendEvent(ctx, e); err != nil {
							return err
						}
					}
					return nil
				})
			} else {
				ids, err = w.s.AppendEvents(w.Context(), batch)
			}
			if err != nil {
				w.Errorf("appending: %v", err)
				return
			}
			mu.Lock()
			for i, id := range ids {
				rows[id] = string(batch[i].Leaf)
			}
			for _, e := range batch {
				want[e.Tenant] = append(want[e.Tenant], string(e.Leaf))
			}
			mu.Unlock()
		}
	})
	for _, tenant := range tenants {
		stored := w.events(tenant, 64)
		for _, e := range stored {
			if leaf, told := rows[e.ID]; told && leaf != string(e.Leaf) {
				w.Errorf("row %d holds %q, and was said to hold %q", e.ID, e.Leaf, leaf)
			}
			delete(rows, e.ID)
		}
		got := leaves(stored)
		slices.Sort(got)
		slices.Sort(want[tenant])
		w.equal("the events of all callers", got, want[tenant])
	}
	if len(rows) > 0 {
		w.Errorf("%d rows were named that are not there", len(rows))
	}
	for _, e := range w.events(tenants[0], 64) {
		if bytes.HasSuffix(e.Leaf, []byte("-1")) {
			w.Errorf("event %q is in the wrong tenant", e.Leaf)
		}
	}
}

// outcome is the error of AppendEvents alone.
func outcome(_ []int64, err error) error { return err }
