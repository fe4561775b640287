package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// Run runs the suite. open returns a migrated store that holds nothing but the
// system tenant, a new one at each call; the suite closes it. The store must be
// a vault.Inspector and a vault.Settler as well.
func Run(t *testing.T, open func(t *testing.T) vault.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*world)
	}{
		{"Tenants", tenants},
		{"TenantKeys", tenantKeys},
		{"Documents", documents},
		{"Subjects", subjects},
		{"Erased", erased},
		{"Keys", keys},
		{"Records", records},
		{"NewPeople", newPeople},
		{"Index", index},
		{"Consents", consents},
		{"Effects", effects},
		{"Events", events},
		{"Sweep", sweep},
		{"Ledger", ledger},
		{"Erasures", erasures},
		{"Shreds", shreds},
		{"Reseals", reseals},
		{"Honey", honey},
		{"Tickets", tickets},
		{"Tokens", tokens},
		{"Requests", requests},
		{"Breaker", breaker},
		{"Budgets", budgets},
		{"ReleaseTurns", turns},
		{"Jobs", jobs},
		{"Rewrap", rewraps},
		{"KeyLives", keyLives},
		{"Trails", trails},
		{"Settle", settles},
		{"Load", load},
		{"Inspect", inspect},
		{"Transactions", transactions},
		{"Refusals", refusals},
		{"Races", races},
		{"WorkRaces", workRaces},
		{"Model", model},
		{"Lifecycle", lifecycle},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("closing the store: %v", err)
				}
			})
			c.test(&world{T: t, s: s, names: new(atomic.Int64)})
		})
	}
}

// A world is a store under test and makes what tests need in it. Every test
// has tenants of its own.
type world struct {
	*testing.T
	s     vault.Store
	names *atomic.Int64
}

// run runs a named part of a test.
func (w *world) run(name string, f func(*world)) {
	w.Run(name, func(t *testing.T) { f(&world{T: t, s: w.s, names: w.names}) })
}

// update runs f in a transaction that must succeed.
func (w *world) update(f func(context.Context, vault.Tx) error) {
	w.Helper()
	if err := w.try(f); err != nil {
		w.Fatalf("Update: %v", err)
	}
}

// try runs f in a transaction.
func (w *world) try(f func(context.Context, vault.Tx) error) error {
	ctx := w.Context()
	return w.s.Update(ctx, func(tx vault.Tx) error { return f(ctx, tx) })
}

// view runs f in a reading transaction that must succeed.
func (w *world) view(f func(context.Context, vault.Tx) error) {
	w.Helper()
	ctx := w.Context()
	if err := w.s.View(ctx, func(tx vault.Tx) error { return f(ctx, tx) }); err != nil {
		w.Fatalf("View: %v", err)
	}
}

// inspector is the store as an Inspector.
func (w *world) inspector() vault.Inspector {
	w.Helper()
	i, ok := w.s.(vault.Inspector)
	if !ok {
		w.Fatal("the store is no vault.Inspector")
	}
	return i
}

// name returns a name that was not used before.
func (w *world) name(prefix string) string {
	return fmt.Sprintf("%s-%d", prefix, w.names.Add(1))
}

// tenant makes a tenant.
func (w *world) tenant() int32 {
	w.Helper()
	var id int32
	w.update(func(ctx context.Context, tx vault.Tx) error {
		stored, created, err := tx.InsertTenant(ctx, vault.Tenant{Name: w.name("tenant"), KEKEpoch: 1, Created: instant(0)})
		if err == nil && !created {
			w.Error("a new name was taken")
		}
		id = stored.ID
		return err
	})
	return id
}

// subject is the row of a live person that is not stored yet.
func (w *world) subject(tenant int32) vault.Subject {
	name := w.name("person")
	return vault.Subject{
		Tenant: tenant, Lookup: lookup(name), UID: newUID(), Generation: 1, State: vault.Live,
		Mark: hash("mark " + name), SealedID: []byte("sealed " + name), Created: instant(1),
	}
}

// person stores a live person.
func (w *world) person(tenant int32) vault.Subject {
	w.Helper()
	s := w.subject(tenant)
	w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, s)) })
	return s
}

// erase makes a stored person erased, without the sweep.
func (w *world) erase(s vault.Subject) vault.Subject {
	w.Helper()
	e := erasedForm(s)
	w.update(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.DestroyKeys(ctx, s.Tenant, s.UID); err != nil {
			return err
		}
		return tx.UpdateSubject(ctx, e, s.Generation)
	})
	return e
}

// erasedForm is what an erasure makes of a person's row.
func erasedForm(s vault.Subject) vault.Subject {
	s.State, s.SealedID, s.Note = vault.Erased, nil, nil
	s.Mark = append([]byte("erased "), s.Mark...)
	s.Certificate, s.ErasedAt = []byte(`{"certificate":true}`), instant(9)
	return s
}

// insert makes an unexpected "no" of an insert an error.
func insert(inserted bool, err error) error {
	if err == nil && !inserted {
		return errors.New("nothing was inserted")
	}
	return err
}

// page checks one page of a listing that is read to its end, of which so many
// rows were read before: it is within the limit, and the listing moves on.
func (w *world) page(what string, rows, limit, before int) {
	w.Helper()
	const most = 10_000 // more than any test stores
	switch {
	case rows > limit:
		w.Fatalf("%s gave %d rows, the limit is %d", what, rows, limit)
	case before > most:
		w.Fatalf("%s does not end", what)
	}
}

// equal reports a difference; nil and empty bytes or lists are the same.
func (w *world) equal(what string, got, want any) {
	w.Helper()
	if d := diff(want, got); d != "" {
		w.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func diff(want, got any) string {
	if reflect.DeepEqual(want, got) { // nearly always, and a tenth of the time
		return ""
	}
	some := func(a, b []byte) bool { return len(a)+len(b) > 0 }
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.FilterValues(some, cmp.Comparer(bytes.Equal)))
}

func sameError(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}

// newUID makes a uid as the core does.
func newUID() uuid.UUID { return uuid.Must(uuid.NewRandom()) }

// lookup makes the keyed hash of a person.
func lookup(name string) []byte { return hash(name)[:vault.LookupSize] }

// hash makes 32 bytes.
func hash(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

// instant is a time with microseconds, n hours after a fixed one.
func instant(n int) time.Time {
	return time.Date(2026, 3, 29, 0, 59, 59, 123_456_000, time.UTC).Add(time.Duration(n) * time.Hour)
}

// zone is a time zone other than UTC.
func zone() *time.Location { return time.FixedZone("", -4*3600-30*60) }

// together runs f n times at once and waits for all.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}
