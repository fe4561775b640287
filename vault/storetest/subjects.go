package storetest

import (
	"context"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// readSubject reads a person's row in a View.
func (w *world) readSubject(tenant int32, lookup []byte) (s vault.Subject, err error) {
	err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
		s, err = tx.Subject(w.Context(), tenant, lookup, vault.NoLock)
		return err
	})
	return s, err
}

// stands reports a row of the directory that is not as wanted.
func (w *world) stands(what string, want vault.Subject) {
	w.Helper()
	got, err := w.readSubject(want.Tenant, want.Lookup)
	if err != nil {
		w.Errorf("%s: %v", what, err)
		return
	}
	w.equal(what, got, want)
	isUTC(w.T, got.Created, got.ErasedAt)
}

func subjects(w *world) {
	w.run("RoundTrip", subjectRoundTrip)
	w.run("Absent", func(w *world) {
		s, other := w.person(w.tenant()), w.tenant()
		_, err := w.readSubject(s.Tenant, lookup("nobody"))
		w.is("Subject of nobody", err, vault.ErrNoRow)
		_, err = w.readSubject(other, s.Lookup)
		w.is("Subject in another tenant", err, vault.ErrNoRow)
		w.is("UpdateSubject of nobody", w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.UpdateSubject(ctx, w.subject(s.Tenant), 1)
		}), vault.ErrStale)
	})
	w.run("Lookup", func(w *world) {
		s := w.subject(w.tenant())
		for _, n := range []int{0, 1, vault.LookupSize - 1, vault.LookupSize + 1, 2 * vault.LookupSize} {
			s.Lookup = slices.Repeat([]byte{1}, n)
			err := w.try(func(ctx context.Context, tx vault.Tx) error {
				_, err := tx.InsertSubject(ctx, s)
				return err
			})
			if err == nil {
				w.Errorf("InsertSubject took a lookup of %d bytes", n)
			}
			_, err = w.readSubject(s.Tenant, s.Lookup)
			w.is("Subject by a lookup of another length", err, vault.ErrNoRow)
		}
	})
	w.run("Taken", func(w *world) {
		s := w.person(w.tenant())
		again := w.subject(s.Tenant)
		again.Lookup = s.Lookup
		w.update(func(ctx context.Context, tx vault.Tx) error {
			inserted, err := tx.InsertSubject(ctx, again)
			if inserted {
				w.Error("InsertSubject took a taken lookup")
			}
			return err
		})
		w.stands("the row that had the lookup", s)
		elsewhere := again
		elsewhere.Tenant = w.tenant()
		w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, elsewhere)) })
		w.stands("the same lookup in another tenant", elsewhere)
	})
	w.run("Update", subjectUpdate)
	w.run("Locks", func(w *world) {
		s := w.person(w.tenant())
		for _, lock := range []vault.Lock{vault.NoLock, vault.ShareLock, vault.ExclusiveLock} {
			w.update(func(ctx context.Context, tx vault.Tx) error {
				got, err := tx.Subject(ctx, s.Tenant, s.Lookup, lock)
				w.equal("Subject with a lock", got, s)
				if err != nil {
					return err
				}
				got, err = tx.SubjectByUID(ctx, s.Tenant, s.UID, lock)
				w.equal("SubjectByUID with a lock", got, s)
				return err
			})
			w.is("SubjectByUID of nobody with a lock", w.try(func(ctx context.Context, tx vault.Tx) error {
				_, err := tx.SubjectByUID(ctx, s.Tenant, newUID(), lock)
				return err
			}), vault.ErrNoRow)
			other := w.tenant()
			w.is("SubjectByUID in another tenant", w.try(func(ctx context.Context, tx vault.Tx) error {
				_, err := tx.SubjectByUID(ctx, other, s.UID, lock)
				return err
			}), vault.ErrNoRow)
			w.is("Subject of nobody with a lock", w.try(func(ctx context.Context, tx vault.Tx) error {
				_, err := tx.Subject(ctx, s.Tenant, lookup("nobody"), lock)
				return err
			}), vault.ErrNoRow)
		}
	})
	w.run("LookupsByUID", lookupsByUID)
	w.run("LocksExclude", locksExclude)
}

// lookupsByUID: of many uids those of the tenant are found, whatever their state.
func lookupsByUID(w *world) {
	a, other := w.tenant(), w.tenant()
	p, q, stranger := w.person(a), w.person(a), w.person(other)
	for name, c := range map[string]struct {
		uids []uuid.UUID
		want map[uuid.UUID][]byte
	}{
		"none":      {nil, map[uuid.UUID][]byte{}},
		"strangers": {[]uuid.UUID{newUID(), uuid.Nil, stranger.UID}, map[uuid.UUID][]byte{}},
		"both":      {[]uuid.UUID{q.UID, newUID(), p.UID, q.UID}, map[uuid.UUID][]byte{p.UID: p.Lookup, q.UID: q.Lookup}},
	} {
		w.view(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.LookupsByUID(ctx, a, c.uids)
			w.equal("LookupsByUID of "+name, got, c.want)
			return err
		})
	}
}

func subjectRoundTrip(w *world) {
	tenant := w.tenant()
	for _, c := range []struct {
		name   string
		change func(*vault.Subject)
	}{
		{"plain", func(*vault.Subject) {}},
		{"restricted", func(s *vault.Subject) { s.Restricted, s.Note = true, []byte("why") }},
		{"held", func(s *vault.Subject) { s.Held, s.Note = true, allBytes(0) }},
		{"both", func(s *vault.Subject) { s.Restricted, s.Held = true, true }},
		{"no identity", func(s *vault.Subject) { s.SealedID = nil }},
		{"last generation", func(s *vault.Subject) { s.Generation = math.MaxUint32 }},
		{"lookup of zeros", func(s *vault.Subject) { s.Lookup = make([]byte, vault.LookupSize) }},
		{"lookup of ones", func(s *vault.Subject) { s.Lookup = slices.Repeat([]byte{0xff}, vault.LookupSize) }},
		{"every byte", func(s *vault.Subject) { s.Mark, s.SealedID = allBytes(128), allBytes(0) }},
		{"long", func(s *vault.Subject) { s.Note = slices.Repeat(allBytes(0), 1024) }},
		{"other zone", func(s *vault.Subject) { s.Created = s.Created.In(zone()) }},
		{"before 1970", func(s *vault.Subject) { s.Created = instant(-24 * 365 * 100) }},
		{"erased", func(s *vault.Subject) { *s = erasedForm(*s) }},
		{"forgotten", func(s *vault.Subject) { *s = erasedForm(*s); s.UID = uuid.Nil }},
	} {
		s := w.subject(tenant)
		c.change(&s)
		w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, s)) })
		w.stands(c.name, s)
	}
}

func subjectUpdate(w *world) {
	s := w.person(w.tenant())
	bystander := w.person(s.Tenant)
	change := func(generation uint32, f func(*vault.Subject)) error {
		n := s
		f(&n)
		err := w.try(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, n, generation) })
		if err == nil {
			s = n
		}
		w.stands("the row after UpdateSubject", s)
		return err
	}
	for _, c := range []struct {
		name       string
		generation uint32
		want       error
		change     func(*vault.Subject)
	}{
		{"restrict", 1, nil, func(s *vault.Subject) { s.Restricted, s.Note, s.Mark = true, []byte("n"), hash("1") }},
		{"hold", 1, nil, func(s *vault.Subject) { s.Held, s.Mark = true, hash("2") }},
		{"another generation is stored", 2, vault.ErrStale, func(s *vault.Subject) { s.Held = false }},
		{"generation 0", 0, vault.ErrStale, func(s *vault.Subject) { s.Held = false }},
		{"lift both", 1, nil, func(s *vault.Subject) { s.Held, s.Restricted, s.Note = false, false, nil }},
		{"seal the id again", 1, nil, func(s *vault.Subject) { s.SealedID = []byte("again") }},
		{"erase", 1, nil, func(s *vault.Subject) { *s = erasedForm(*s) }},
		{"a new certificate", 1, nil, func(s *vault.Subject) { s.Certificate = []byte("{}") }},
		{"forget the uid", 1, nil, func(s *vault.Subject) { s.UID = uuid.Nil }},
		{"come back", 1, nil, func(s *vault.Subject) {
			s.Generation, s.State, s.UID, s.SealedID = 2, vault.Live, newUID(), []byte("new")
			s.Certificate, s.ErasedAt, s.Created = nil, time.Time{}, instant(10)
		}},
		{"the generation before", 1, vault.ErrStale, func(s *vault.Subject) { s.Held = true }},
		{"erase again", 2, nil, func(s *vault.Subject) { *s = erasedForm(*s) }},
		{"come back before the sweep", 2, nil, func(s *vault.Subject) {
			s.Generation, s.State, s.UID = 3, vault.Live, newUID()
			s.Certificate, s.ErasedAt = nil, time.Time{}
		}},
	} {
		w.is(c.name, change(c.generation, c.change), c.want)
	}
	w.stands("a row that nobody touched", bystander)
}

// erased: the schema itself lets no row go from Erased to Live of the same
// generation, or of one before.
func erased(w *world) {
	for _, c := range []struct {
		name   string
		change func(*vault.Subject)
	}{
		{"live again", func(s *vault.Subject) { s.State = vault.Live }},
		{"live again, as it was", func(s *vault.Subject) { s.State, s.Certificate, s.SealedID = vault.Live, nil, []byte("id") }},
		{"live with a new uid", func(s *vault.Subject) { s.State, s.UID = vault.Live, newUID() }},
		{"live of a generation before", func(s *vault.Subject) { s.State, s.Generation = vault.Live, 1 }},
		{"erased of a generation before", func(s *vault.Subject) { s.Generation = 1 }},
		{"no state", func(s *vault.Subject) { s.State = 0 }},
		{"unknown state", func(s *vault.Subject) { s.State = 3 }},
	} {
		w.run(c.name, func(w *world) {
			s := w.subject(w.tenant())
			s.Generation = 2
			w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertSubject(ctx, s)) })
			e := w.erase(s)
			n := e
			c.change(&n)
			update := func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, n, 2) }
			if err := w.try(update); err == nil {
				w.Error("UpdateSubject succeeded")
			}
			w.stands("the row after a refused update", e)
			if err := w.try(func(ctx context.Context, tx vault.Tx) error {
				if err := update(ctx, tx); err == nil {
					w.Error("UpdateSubject succeeded")
				}
				return nil // what the schema refused does not commit, whoever keeps silent
			}); err == nil {
				w.Error("Update committed a transaction in which the schema refused a row")
			}
			w.stands("the row after a refused update that nobody reported", e)
		})
	}
}

// locksExclude: a ShareLock excludes an ExclusiveLock, and that one both.
func locksExclude(w *world) {
	for _, c := range []struct {
		name          string
		first, second vault.Lock
	}{
		{"share and exclusive", vault.ShareLock, vault.ExclusiveLock},
		{"exclusive and exclusive", vault.ExclusiveLock, vault.ExclusiveLock},
	} {
		w.run(c.name, func(w *world) {
			s := w.person(w.tenant())
			var inside, overlaps atomic.Int32
			together(16, func(i int) {
				lock := c.first
				if i%2 == 1 {
					lock = c.second
				}
				err := w.try(func(ctx context.Context, tx vault.Tx) error {
					if _, err := tx.Subject(ctx, s.Tenant, s.Lookup, lock); err != nil {
						return err
					}
					weight := int32(1)
					if lock == vault.ExclusiveLock {
						weight = 100
					}
					if n := inside.Add(weight); n > 100 || n == 100 && weight != 100 {
						overlaps.Add(1)
					}
					_, err := tx.Keys(ctx, s.Tenant, s.UID)
					inside.Add(-weight)
					return err
				})
				if err != nil {
					w.Errorf("Update: %v", err)
				}
			})
			if n := overlaps.Load(); n != 0 {
				w.Errorf("%d transactions held locks that exclude each other", n)
			}
		})
	}
}
