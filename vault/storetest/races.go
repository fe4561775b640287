package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fieldvault/fieldvault/vault"
)

// racers is how many callers race.
const racers = 50

// race runs f at once in that many transactions, each of which must succeed,
// and says how often f said yes.
func (w *world) race(f func(ctx context.Context, tx vault.Tx, i int) (bool, error)) int {
	w.Helper()
	var yes atomic.Int64
	together(racers, func(i int) {
		var won bool
		err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
			won, err = f(ctx, tx, i)
			return err
		})
		if err != nil {
			w.Errorf("Update: %v", err)
		}
		if won {
			yes.Add(1)
		}
	})
	return int(yes.Load())
}

func races(w *world) {
	w.run("InsertTenant", func(w *world) {
		var ids sync.Map
		n := vault.Tenant{Name: w.name("tenant"), KEKEpoch: 1, Created: instant(0)}
		w.equal("tenants created", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			stored, created, err := tx.InsertTenant(ctx, n)
			ids.Store(stored.ID, true)
			return created, err
		}), 1)
		var distinct int
		ids.Range(func(any, any) bool { distinct++; return true })
		w.equal("ids given for one name", distinct, 1)
	})
	w.run("InsertTenantKey", func(w *world) {
		tenant := w.tenant()
		w.equal("keys inserted", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
			return tx.InsertTenantKey(ctx, tenant, vault.TenantKey{Label: "lookup", KEKVersion: 1, Wrapped: fmt.Append(nil, i)})
		}), 1)
	})
	w.run("InsertDocument", func(w *world) {
		tenant := w.tenant()
		for version := int64(1); version <= 3; version++ {
			w.equal("documents inserted", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
				err := tx.InsertDocument(ctx, tenant, vault.DocumentCatalog, vault.Document{Version: version, Body: fmt.Append(nil, i), Created: instant(0)})
				if errors.Is(err, vault.ErrStale) {
					return false, nil
				}
				return err == nil, err
			}), 1)
		}
	})
	w.run("InsertSubject", func(w *world) {
		s := w.subject(w.tenant())
		w.equal("people inserted", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			n := s
			n.UID = newUID()
			return tx.InsertSubject(ctx, n)
		}), 1)
	})
	w.run("UpdateSubject", func(w *world) {
		s := w.erase(w.person(w.tenant()))
		w.equal("people brought back", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			n := s
			n.UID, n.Generation, n.State = newUID(), 2, vault.Live
			err := tx.UpdateSubject(ctx, n, 1)
			if errors.Is(err, vault.ErrStale) {
				return false, nil
			}
			return err == nil, err
		}), 1)
	})
	w.run("InsertKey", func(w *world) {
		tenant := w.tenant()
		uid := w.person(tenant).UID
		for epoch := uint32(1); epoch <= 3; epoch++ {
			w.equal("keys inserted", w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
				k := dataKey(1, epoch)
				k.Wrapped = fmt.Append(nil, i)
				return tx.InsertKey(ctx, tenant, uid, k)
			}), 1)
			w.destroyGroup(tenant, uid, 1)
		}
	})
	w.run("DestroyGroup", func(w *world) {
		tenant := w.tenant()
		uid := w.person(tenant).UID
		w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			_, err := tx.DestroyGroup(ctx, tenant, uid, 2)
			return true, err
		})
		w.equal("the epoch after as many erasures of a group", w.keysOf(tenant, uid), []vault.DataKey{{Group: 2, Epoch: racers + 1}})
	})
	w.run("LockRecord", raceRecord)
	w.run("InsertEffect", raceEffect)
	w.run("PutConsent", raceConsent)
	w.run("EraseAndWrite", raceErasure)
}

// raceRecord: the callers put one record; each revision is given once.
func raceRecord(w *world) {
	tenant, uid, ref := w.tenant(), newUID(), vault.RecordRef{Collection: 1, Record: "r"}
	var (
		mu        sync.Mutex
		revisions []uint64
	)
	together(racers, func(int) {
		var got vault.Record
		err := w.try(func(ctx context.Context, tx vault.Tx) (err error) {
			if got, err = tx.LockRecord(ctx, tenant, uid, ref); err != nil {
				return err
			}
			got.Revision, got.Deleted, got.Sealed = got.Revision+1, false, []byte("x")
			return tx.PutRecord(ctx, tenant, uid, got)
		})
		if err != nil {
			w.Errorf("Update: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		revisions = append(revisions, got.Revision)
	})
	slices.Sort(revisions)
	want := make([]uint64, racers)
	for i := range want {
		want[i] = uint64(i) + 1
	}
	w.equal("revisions", revisions, want)
}

// raceEffect: of many requests with one key, one has an effect; the others see
// that one, complete.
func raceEffect(w *world) {
	tenant := w.tenant()
	for _, stale := range []bool{false, true} {
		e := effectOf(tenant, "key")
		if stale {
			// An effect that has expired has the key.
			e.At = instant(1000)
		}
		e.Created, e.Revision, e.Expires = false, 0, e.At.AddDate(0, 0, 1)
		var done atomic.Uint64
		w.equal("requests that had an effect", w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
			n := e
			n.UID = newUID()
			standing, inserted, err := tx.InsertEffect(ctx, n)
			if err != nil {
				return false, err
			}
			if !inserted {
				if standing.Revision != done.Load() || !standing.Created {
					w.Errorf("a repetition saw the effect half done, at revision %d", standing.Revision)
				}
				return false, nil
			}
			n.Created, n.Revision = true, done.Add(100)
			if err := tx.AppendEvent(ctx, vault.Intake{Tenant: tenant, Leaf: []byte("done")}); err != nil {
				return false, err
			}
			return true, tx.UpdateEffect(ctx, n)
		}), 1)
	}
	w.equal("what the requests did", leaves(w.events(tenant, 100)), []string{"done", "done"})
}

// raceConsent: under the person's lock, the current decision is the last of
// the history, and none is lost.
func raceConsent(w *world) {
	s := w.person(w.tenant())
	w.race(func(ctx context.Context, tx vault.Tx, i int) (bool, error) {
		if _, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ExclusiveLock); err != nil {
			return false, err
		}
		return true, tx.PutConsent(ctx, s.Tenant, s.UID, consentOf("marketing", "granted", i))
	})
	current, history := w.consents(s.Tenant, s.UID)
	if len(current) != 1 || len(history) != racers {
		w.Fatalf("%d current consents and %d in the history, want 1 and %d", len(current), len(history), racers)
	}
	w.equal("the current consent", current[0], history[racers-1])
}

// raceErasure: who stores a key or a record locks the person and sees them
// live; so nothing of a generation is written after its erasure (I6).
func raceErasure(w *world) {
	tenant := w.tenant()
	for range 10 {
		s := w.person(tenant)
		together(12, func(i int) {
			if i == 5 {
				w.eraseUnderLock(s)
				return
			}
			err := w.try(func(ctx context.Context, tx vault.Tx) error {
				p, err := tx.Subject(ctx, tenant, s.Lookup, vault.ExclusiveLock)
				if err != nil || p.State != vault.Live {
					return err
				}
				if _, err := tx.InsertKey(ctx, tenant, s.UID, dataKey(group(i%3), 1)); err != nil {
					return err
				}
				r, err := tx.LockRecord(ctx, tenant, s.UID, vault.RecordRef{Collection: 1, Record: "r"})
				if err != nil {
					return err
				}
				r.Revision, r.Deleted, r.Sealed = r.Revision+1, false, []byte("x")
				return tx.PutRecord(ctx, tenant, s.UID, r)
			})
			if err != nil {
				w.Errorf("writing: %v", err)
			}
		})
		w.equal("keys of an erased person", w.keysOf(tenant, s.UID), []vault.DataKey{})
		w.equal("what loads of an erased person", w.loadItems(tenant, false, ref(s, 1, "r")).Items[0].Record, (*vault.Record)(nil))
	}
}

func (w *world) eraseUnderLock(s vault.Subject) {
	err := w.try(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.Subject(ctx, s.Tenant, s.Lookup, vault.ExclusiveLock); err != nil {
			return err
		}
		if _, err := tx.DestroyKeys(ctx, s.Tenant, s.UID); err != nil {
			return err
		}
		return tx.UpdateSubject(ctx, erasedForm(s), 1)
	})
	if err != nil {
		w.Errorf("erasing: %v", err)
	}
}
