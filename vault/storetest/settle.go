package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

// settler is the store as a Settler.
func (w *world) settler() vault.Settler {
	w.Helper()
	s, ok := w.s.(vault.Settler)
	if !ok {
		w.Fatal("the store is no vault.Settler")
	}
	return s
}

// settle runs Settle for at most d.
func (w *world) settle(d time.Duration) error {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	return w.settler().Settle(ctx)
}

// long is more than a Settle takes that nothing keeps from returning.
const long = 30 * time.Second

func settles(w *world) {
	w.run("Idle", func(w *world) { w.is("Settle of a store at rest", w.settle(long), nil) })
	w.run("WaitsForWriters", settleWaits)
	w.run("EndsWithItsContext", settleEnds)
	w.run("NotForLaterOnes", settleAmongOthers)
	w.run("EpochIsKept", settleKeepsTheEpoch)
}

// settleWaits: also for a transaction that has written nothing yet.
func settleWaits(w *world) {
	for name, first := range map[string]func(context.Context, vault.Tx, vault.Subject) error{
		"nothing": func(context.Context, vault.Tx, vault.Subject) error { return nil },
		"a read": func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.NoLock)
			return err
		},
		"a lock": func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ShareLock)
			return err
		},
		"a write": func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.AppendEvent(ctx, vault.Intake{Tenant: s.Tenant, Leaf: []byte("first")})
		},
	} {
		w.run(name, func(w *world) {
			s := w.person(w.tenant())
			begun, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				var once sync.Once
				ended <- w.try(func(ctx context.Context, tx vault.Tx) error {
					err := first(ctx, tx, s)
					once.Do(func() { close(begun) })
					if err != nil {
						return err
					}
					time.Sleep(300 * time.Millisecond) // while Settle waits, or returns too early
					return insert(tx.InsertKey(ctx, s.Tenant, s.UID, dataKey(2, 1)))
				})
			}()
			<-begun
			w.is("Settle", w.settle(long), nil)
			w.equal("keys after Settle", w.keysOf(s.Tenant, s.UID), []vault.DataKey{dataKey(2, 1)})
			w.is("the transaction", <-ended, nil)
		})
	}
}

func settleEnds(w *world) {
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	tenant := w.tenant()
	go func() {
		ended <- w.try(func(ctx context.Context, tx vault.Tx) error {
			close(begun)
			<-release
			return tx.AppendEvent(ctx, vault.Intake{Tenant: tenant, Leaf: []byte("x")})
		})
	}()
	<-begun
	w.is("Settle while a transaction does not end", w.settle(50*time.Millisecond), vault.ErrUnavailable)
	ctx, cancel := context.WithCancel(w.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	w.is("Settle that is cancelled", w.settler().Settle(ctx), vault.ErrUnavailable)
	close(release)
	w.is("the transaction", <-ended, nil)
	w.is("Settle after it", w.settle(long), nil)
}

// settleAmongOthers: transactions without a gap between them do not hang it.
func settleAmongOthers(w *world) {
	tenant := w.tenant()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				err := w.try(func(ctx context.Context, tx vault.Tx) error {
					return tx.AppendEvent(ctx, vault.Intake{Tenant: tenant, Leaf: []byte("x")})
				})
				if err != nil {
					w.Errorf("Update: %v", err)
				}
			}
		})
	}
	for range 5 {
		w.is("Settle among transactions", w.settle(long), nil)
	}
	stop.Store(true)
	wg.Wait()
}

// settleKeepsTheEpoch: once an epoch is raised and what ran before has ended,
// no wrap below it appears any more.
func settleKeepsTheEpoch(w *world) {
	tenant := w.tenant()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !stop.Load() {
				if _, err := w.insertKey(tenant, newUID(), dataKey(2, 1)); err != nil && !sameError(err, vault.ErrStaleKEK) {
					w.Errorf("InsertKey: %v", err)
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	w.raiseEpoch(tenant, 2)
	w.is("Settle", w.settle(long), nil)
	before, _ := w.countKeys(tenant)
	time.Sleep(20 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	now, _ := w.countKeys(tenant)
	w.equal("keys below the epoch after Settle, and later", now, before)
	if before[1] == 0 {
		w.Error("nothing was stored before the epoch rose: this test does not test it")
	}
}
