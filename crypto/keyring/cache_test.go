package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// unwraps counts the Unwraps during f.
func unwraps(kek *cryptotest.KEK, f func()) int {
	before := kek.Counts().Unwraps
	f()
	return kek.Counts().Unwraps - before
}

func mustOpen(t *testing.T, r *keyring.Ring, keys ...keyring.Sealed) {
	t.Helper()
	_, errs, err := r.Open(context.Background(), keys)
	if err != nil || errs != nil {
		t.Fatalf("opening %d keys: %v, %v", len(keys), errs, err)
	}
}

func TestOpenedKeysAreKept(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(10)...)
	if n := unwraps(kek, func() { mustOpen(t, r, keys...) }); n != 1 {
		t.Errorf("opening 10 cold keys takes %d Unwraps, want 1", n)
	}
	if n := unwraps(kek, func() { mustOpen(t, r, keys...); mustOpen(t, r, keys[3]) }); n != 0 {
		t.Errorf("opening warm keys takes %d Unwraps, want 0", n)
	}
	if s := r.Stats(); s.Hits != 11 || s.Misses != 10 || s.Unwraps != 10 || s.Entries != 10 {
		t.Errorf("%+v, want 11 hits, 10 misses, 10 unwraps, 10 entries", s)
	}
}

func TestOnlyMissesAreUnwrapped(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(5)...)
	mustOpen(t, r, keys[:3]...)
	before := kek.Counts()
	mustOpen(t, r, keys...)
	if c := kek.Counts(); c.Unwraps-before.Unwraps != 1 || c.UnwrapItems-before.UnwrapItems != 2 {
		t.Errorf("two misses of five: %+v after %+v, want one Unwrap of two", c, before)
	}
}

// TestKeysOfOnePerson: several groups, epochs and versions of one person are
// kept side by side.
func TestKeysOfOnePerson(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ids := []keyring.ID{id(0), id(0), id(0), id(0)}
	ids[1].Group, ids[2].Epoch, ids[3].Version = 3, 2, 2
	keys := stored(t, kek, ids...)
	for _, k := range keys {
		mustOpen(t, r, k)
	}
	if n := unwraps(kek, func() { mustOpen(t, r, keys...) }); n != 0 {
		t.Errorf("%d Unwraps, want none", n)
	}
	if s := r.Stats(); s.Entries != 4 {
		t.Errorf("%d entries, want 4", s.Entries)
	}
}

// TestWarmCacheHidesNoExchange: a key that was exchanged in the database, or
// put back, is not served from the cache under its name.
func TestWarmCacheHidesNoExchange(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, id(0), id(1), id(0))
	mustOpen(t, r, keys[:2]...)

	exchanged := keyring.Sealed{ID: keys[0].ID, Wrapped: keys[1].Wrapped}
	if _, err := openOne(r, exchanged); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("another person's key under a warm identity: %v, want ErrUnwrap", err)
	}
	first, err := openOne(r, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	other, err := openOne(r, keys[2])
	if err != nil || works(first, other) {
		t.Errorf("another key of the same identity is served from the cache: %v", err)
	}
	version := keys[0]
	version.Wrapped.Version++
	if _, err := openOne(r, version); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("another KEK version of the same bytes: %v, want ErrUnwrap", err)
	}
}

// TestCacheKeepsItsOwnCopy changes the caller's bytes after they were opened.
func TestCacheKeepsItsOwnCopy(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	s := stored(t, kek, id(0))[0]
	mine := s
	mine.Wrapped.Bytes = bytes.Clone(s.Wrapped.Bytes)
	mustOpen(t, r, mine)
	mine.Wrapped.Bytes[10] ^= 1
	if _, err := openOne(r, mine); !errors.Is(err, keyring.ErrUnwrap) {
		t.Errorf("the cache changed with its caller's bytes: %v", err)
	}
	if n := unwraps(kek, func() { mustOpen(t, r, s) }); n != 0 {
		t.Errorf("%d Unwraps of a warm key, want none", n)
	}
}

func TestOpenedKeysGrowOld(t *testing.T) {
	kek, now := cryptotest.NewKEK(t), newClock()
	r := newRing(t, keyring.Config{KEK: kek, MaxAge: time.Minute, Now: now.Now})
	ids := []keyring.ID{id(0), id(0)}
	ids[1].Group = 3
	keys := stored(t, kek, ids...)
	mustOpen(t, r, keys[0])
	now.Add(40 * time.Second)
	mustOpen(t, r, keys[1]) // must not renew the first
	now.Add(19 * time.Second)
	if n := unwraps(kek, func() { mustOpen(t, r, keys...) }); n != 0 {
		t.Errorf("before their time: %d Unwraps, want none", n)
	}
	now.Add(time.Second)
	if n := unwraps(kek, func() { mustOpen(t, r, keys[1]) }); n != 0 {
		t.Errorf("the younger one: %d Unwraps, want none", n)
	}
	if n := unwraps(kek, func() { mustOpen(t, r, keys[0]) }); n != 1 {
		t.Errorf("the older one, read all the while: %d Unwraps, want 1", n)
	}
	now.Add(24 * time.Hour)
	if n := unwraps(kek, func() { mustOpen(t, r, keys...) }); n != 1 {
		t.Errorf("a day later: %d Unwraps, want 1 of both", n)
	}
	if s := r.Stats(); s.Entries != 2 {
		t.Errorf("%d entries, want 2: what is too old is dropped", s.Entries)
	}
}

// TestOldKeysLeaveWithTheNext: an old key does not stay in memory because a
// younger one of the same person does.
func TestOldKeysLeaveWithTheNext(t *testing.T) {
	kek, now := cryptotest.NewKEK(t), newClock()
	r := newRing(t, keyring.Config{KEK: kek, MaxAge: time.Minute, Now: now.Now})
	ids := []keyring.ID{id(0), id(0), id(0)}
	ids[1].Group, ids[2].Group = 3, 4
	for i, k := range stored(t, kek, ids...) {
		mustOpen(t, r, k)
		if s, want := r.Stats(), min(i+1, 2); s.Entries != want {
			t.Errorf("after key %d: %d entries, want %d", i, s.Entries, want)
		}
		now.Add(35 * time.Second)
	}
}

func TestCacheIsBounded(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek, MaxEntries: 20})
	keys := stored(t, kek, people(500)...)
	mustOpen(t, r, keys...)
	if s := r.Stats(); s.Entries > 20 || s.Entries == 0 {
		t.Errorf("%d entries, want 1 to 20", s.Entries)
	}
}

func TestCacheOff(t *testing.T) {
	for name, c := range map[string]keyring.Config{
		"no entries": {MaxEntries: -1},
		"no age":     {MaxAge: -1},
	} {
		kek := cryptotest.NewKEK(t)
		c.KEK = kek
		r := newRing(t, c)
		keys := stored(t, kek, id(0))
		k, w, err := r.Make(context.Background(), []keyring.ID{id(1)})
		if err != nil {
			t.Fatal(err)
		}
		r.Keep(id(1), w[0], k[0])
		if n := unwraps(kek, func() {
			mustOpen(t, r, keys...)
			mustOpen(t, r, keys...)
			mustOpen(t, r, keyring.Sealed{ID: id(1), Wrapped: w[0]})
		}); n != 3 {
			t.Errorf("%s: %d Unwraps of three, want 3", name, n)
		}
		r.Forget("default", id(0).UID)
		if s := r.Stats(); s.Entries != 0 || s.Hits != 0 {
			t.Errorf("%s: %+v, want nothing kept", name, s)
		}
	}
}

func TestKeep(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys, w, err := r.Make(context.Background(), people(2))
	if err != nil {
		t.Fatal(err)
	}
	r.Keep(id(0), w[0], keys[0])
	r.Keep(id(1), w[1], nil) // keeps nothing
	for i, want := range []int{0, 1} {
		if n := unwraps(kek, func() {
			got, err := openOne(r, keyring.Sealed{ID: id(i), Wrapped: w[i]})
			if err != nil || !works(got, keys[i]) {
				t.Errorf("key %d is not the one that was made: %v", i, err)
			}
		}); n != want {
			t.Errorf("key %d: %d Unwraps, want %d", i, n, want)
		}
	}
}

func TestForget(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ids := []keyring.ID{id(0), id(0), id(1), id(0)}
	ids[1].Group, ids[3].Tenant = 3, "acme"
	keys := stored(t, kek, ids...)
	mustOpen(t, r, keys...)
	r.Forget("default", id(0).UID)
	for i, want := range []int{1, 1, 0, 0} {
		if n := unwraps(kek, func() { mustOpen(t, r, keys[i]) }); n != want {
			t.Errorf("key %d: %d Unwraps, want %d", i, n, want)
		}
	}
	r.Forget("default", [16]byte{1}) // nobody
}

// TestForgetReachesUnwrapsUnderWay: who waits is served, but nothing is kept.
func TestForgetReachesUnwrapsUnderWay(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(2)...)
	kek.Stop()
	done := make(chan error)
	go func() {
		_, errs, err := r.Open(context.Background(), keys)
		done <- errors.Join(append(errs, err)...)
	}()
	kek.AwaitHeld(1)
	r.Forget("default", id(0).UID)
	kek.Continue()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		if n := unwraps(kek, func() { mustOpen(t, r, keys[i]) }); n != want {
			t.Errorf("key %d: %d Unwraps, want %d", i, n, want)
		}
	}
}

func TestClose(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, id(0))
	mustOpen(t, r, keys...)
	r.Close()
	r.Close()
	if n := unwraps(kek, func() { mustOpen(t, r, keys...) }); n != 1 {
		t.Errorf("after Close: %d Unwraps, want 1: opened keys are dropped, the ring still works", n)
	}
}
