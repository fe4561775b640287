package pgstore_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// 50 first writes of one person: one row.
func TestFirstWritesRace(t *testing.T) {
	s, url := open(t)
	id := tenant(t, s, "acme")
	var inserted atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx vault.Tx) error {
				ok, err := tx.InsertSubject(t.Context(), live(id, "alice"))
				if ok {
					inserted.Add(1)
				}
				if err == nil && !ok {
					_, err = tx.Subject(t.Context(), id, lookup("alice"), vault.ShareLock) // the winner's is visible
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := number(t, db(t, url), `SELECT count(*) FROM subject`); n != 1 || inserted.Load() != 1 {
		t.Errorf("%d rows, %d calls that inserted, want 1 and 1", n, inserted.Load())
	}
}

// Share locks let each other through; an exclusive one waits for them, and they for it.
func TestLocks(t *testing.T) {
	const waits = `SELECT count(*) = $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
	s, url := open(t, patient)
	watch := db(t, url)
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	for _, c := range []struct {
		name           string
		first, second  vault.Lock
		waits          bool
		changedBetween bool
	}{
		{"none beside exclusive", vault.ExclusiveLock, vault.NoLock, false, false},
		{"share beside share", vault.ShareLock, vault.ShareLock, false, false},
		{"exclusive after share", vault.ShareLock, vault.ExclusiveLock, true, false},
		{"share after exclusive", vault.ExclusiveLock, vault.ShareLock, true, true},
		{"exclusive after exclusive", vault.ExclusiveLock, vault.ExclusiveLock, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			locked, release := make(chan struct{}), make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				update(t, s, func(ctx context.Context, tx vault.Tx) error {
					row, err := tx.Subject(ctx, id, p.Lookup, c.first)
					close(locked)
					<-release
					if err != nil || !c.changedBetween {
						return err
					}
					row.Note = []byte(c.name)
					return tx.UpdateSubject(ctx, row, 1)
				})
			})
			<-locked
			var note string
			second := func() {
				update(t, s, func(ctx context.Context, tx vault.Tx) error {
					row, err := tx.Subject(ctx, id, p.Lookup, c.second)
					note = string(row.Note)
					return err
				})
			}
			if c.waits {
				wg.Go(second)
				await(t, watch, "the second waits", waits, 1)
			} else {
				second()
			}
			close(release)
			wg.Wait()
			if c.changedBetween && note != c.name {
				t.Errorf("after waiting it read %q, want what was committed meanwhile", note)
			}
		})
	}
}

// A share lock keeps others from changing the row even if they do not lock it
// first, and leave its keys alone: it is FOR SHARE, not KEY SHARE.
func TestShareLockStopsAnUpdate(t *testing.T) {
	s, url := open(t, patient)
	watch, other := db(t, url), db(t, url)
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	var wg sync.WaitGroup
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.Subject(ctx, id, p.Lookup, vault.ShareLock); err != nil {
			return err
		}
		wg.Go(func() {
			if _, err := other.Exec(ctx, `UPDATE subject SET state = 2, sealed_id = NULL, kek_version = NULL, keys = NULL`); err != nil {
				t.Error(err)
			}
		})
		await(t, watch, "the change waits", `SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		row, err := tx.Subject(ctx, id, p.Lookup, vault.NoLock)
		if row.State != vault.Live {
			t.Error("the person was erased under a share lock")
		}
		return err
	})
	wg.Wait()
}

// A deadlock is run again, and both transactions get through.
func TestDeadlockRunsAgain(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	id := tenant(t, s, "acme")
	a, b := person(t, s, id, "a"), person(t, s, id, "b")
	var meet sync.WaitGroup
	meet.Add(2)
	var wg sync.WaitGroup
	var runs atomic.Int64
	cross := func(first, second vault.Subject) {
		met := false
		err := s.Update(t.Context(), func(tx vault.Tx) error {
			runs.Add(1)
			if _, err := tx.Subject(t.Context(), id, first.Lookup, vault.ExclusiveLock); err != nil {
				return err
			}
			if !met {
				met = true
				meet.Done()
				meet.Wait()
			}
			row, err := tx.Subject(t.Context(), id, second.Lookup, vault.ExclusiveLock)
			if err != nil {
				return errors.New("an error that says nothing of its cause")
			}
			row.Note = append(row.Note, 'x')
			return tx.UpdateSubject(t.Context(), row, 1)
		})
		if err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { cross(a, b) })
	wg.Go(func() { cross(b, a) })
	wg.Wait()
	if n := number(t, db(t, url), `SELECT count(*) FROM subject WHERE note = 'x'`); n != 2 {
		t.Errorf("%d of 2 transactions had their effect once", n)
	}
	if runs.Load() < 3 || s.Stats().Repeated < 1 {
		t.Errorf("%d runs, %d repeated: there was no deadlock", runs.Load(), s.Stats().Repeated)
	}
}

// What does not serialize is tried a bounded number of times.
func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	admin := db(t, url)
	id := tenant(t, s, "acme")
	run(t, admin, `CREATE FUNCTION storm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`)
	run(t, admin, `CREATE CONSTRAINT TRIGGER storm AFTER INSERT ON subject DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION storm()`)
	runs := 0
	err := s.Update(t.Context(), func(tx vault.Tx) error { // fails in the commit
		runs++
		_, err := tx.InsertSubject(t.Context(), live(id, "alice"))
		return err
	})
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Update: %v, want ErrUnavailable", err)
	}
	if runs < 2 || runs > 20 {
		t.Errorf("it ran %d times", runs)
	}
}

// An error of f comes back as it is, and nothing is written; so with a panic.
func TestUpdateLeavesNothing(t *testing.T) {
	s, url := open(t, func(c *pgstore.Config) { c.MaxConns = 1 })
	id := tenant(t, s, "acme")
	mine := errors.New("mine")
	insert := func(tx vault.Tx) {
		if _, err := tx.InsertSubject(t.Context(), live(id, "alice")); err != nil {
			t.Error(err)
		}
	}
	if err := s.Update(t.Context(), func(tx vault.Tx) error { insert(tx); return mine }); err != mine { //nolint:errorlint // as is
		t.Errorf("Update returned %v, want the error of f itself", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		_ = s.Update(t.Context(), func(tx vault.Tx) error { insert(tx); panic("in f") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx vault.Tx) error { insert(tx); cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update when cancelled: %v", err)
	}
	var kept vault.Tx
	update(t, s, func(_ context.Context, tx vault.Tx) error { kept = tx; return nil })
	if err := kept.UpdateSubject(t.Context(), live(id, "alice"), 1); err == nil {
		t.Error("a Tx works after its end")
	}
	if n := number(t, db(t, url), `SELECT count(*) FROM subject`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

// The server ends a transaction that says nothing: a node that was stopped
// cannot commit later, and holds no lock until then.
func TestSilentTransactionEnds(t *testing.T) {
	t.Parallel()
	other, url := open(t)
	id := tenant(t, other, "acme")
	p := person(t, other, id, "alice")
	s := connect(t, url, func(c *pgstore.Config) { c.IdleTimeout = 100 * time.Millisecond })
	err := s.Update(t.Context(), func(tx vault.Tx) error {
		row, err := tx.Subject(t.Context(), id, p.Lookup, vault.ExclusiveLock)
		if err != nil {
			return err
		}
		update(t, other, func(ctx context.Context, tx vault.Tx) error { // waits until the first has lost its lock
			_, err := tx.Subject(ctx, id, p.Lookup, vault.ExclusiveLock)
			return err
		})
		return tx.UpdateSubject(t.Context(), row, 1)
	})
	if !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("Update: %v, want ErrUnavailable", err)
	}
}

// A wait for a lock is bounded by the server.
func TestLockWaitEnds(t *testing.T) {
	t.Parallel()
	s, _ := open(t, func(c *pgstore.Config) { c.LockTimeout = 50 * time.Millisecond })
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	update(t, s, func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.Subject(ctx, id, p.Lookup, vault.ShareLock); err != nil {
			return err
		}
		err := s.Update(ctx, func(tx vault.Tx) error {
			_, err := tx.Subject(ctx, id, p.Lookup, vault.ExclusiveLock)
			return err
		})
		if !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("Update: %v, want ErrUnavailable", err)
		}
		return nil
	})
}

// A View sees one instant.
func TestViewIsASnapshot(t *testing.T) {
	s, _ := open(t)
	id := tenant(t, s, "acme")
	p := person(t, s, id, "alice")
	err := s.View(t.Context(), func(v vault.Tx) error {
		before, err := v.Subject(t.Context(), id, p.Lookup, vault.NoLock)
		if err != nil {
			return err
		}
		update(t, s, func(ctx context.Context, tx vault.Tx) error { return erase(ctx, tx, p) })
		after, err := v.Subject(t.Context(), id, p.Lookup, vault.NoLock)
		if before.State != vault.Live || after.State != vault.Live {
			t.Errorf("a View saw states %d and %d, want live twice", before.State, after.State)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	err = s.View(t.Context(), func(v vault.Tx) error {
		_, err := v.InsertSubject(t.Context(), live(id, "bob"))
		return err
	})
	if err == nil {
		t.Error("a View writes")
	}
}

// Two first writes of one record: one row, the second waits and sees it.
func TestLockRecordRace(t *testing.T) {
	s, url := open(t)
	id := tenant(t, s, "acme")
	uid := uuid.New()
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			update(t, s, func(ctx context.Context, tx vault.Tx) error {
				r, err := tx.LockRecord(ctx, id, uid, vault.RecordRef{Collection: 1, Record: "self"})
				if err != nil {
					return err
				}
				r.Revision++
				r.Deleted, r.Sealed = false, append(r.Sealed, 'x')
				return tx.PutRecord(ctx, id, uid, r)
			})
		})
	}
	wg.Wait()
	if n := number(t, db(t, url), `SELECT count(*) FROM record WHERE revision = 30 AND length(sealed) = 30`); n != 1 {
		t.Error("writes were lost")
	}
}
