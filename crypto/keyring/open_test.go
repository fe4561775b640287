package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestThousandOpensOfOneColdKeyAreOneUnwrap is the case of THREATS: 1,000
// concurrent reads of one cold subject make one call of the KEK. With and
// without cache: the unwrap is shared, not only its result.
func TestThousandOpensOfOneColdKeyAreOneUnwrap(t *testing.T) {
	for _, entries := range []int{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			kek := cryptotest.NewKEK(t)
			r := newRing(t, keyring.Config{KEK: kek, MaxEntries: entries})
			s := stored(t, kek, id(0))[0]
			kek.Stop()
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					if k, err := openOne(r, s); err != nil || k == nil {
						t.Errorf("one of a thousand: %v", err)
					}
				})
			}
			synctest.Wait() // until all of them wait for the one
			kek.Continue()
			wg.Wait()
			if c := kek.Counts(); c.Unwraps != 1 || c.UnwrapItems != 1 {
				t.Errorf("%d entries: %+v, want one Unwrap of one key", entries, c)
			}
			if s := r.Stats(); s.Misses != 1000 || s.Unwraps != 1 {
				t.Errorf("%d entries: %+v, want 1000 misses and one unwrap", entries, s)
			}
			r.Close()
		})
	}
}

// TestThousandOpensInAnyOrder is the same without holding the KEK: whoever comes
// after the unwrap finds the key in the cache.
func TestThousandOpensInAnyOrder(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	for round := range 20 {
		s := stored(t, kek, id(round))[0]
		if n := unwraps(kek, func() {
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() {
					if _, err := openOne(r, s); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}); n != 1 {
			t.Fatalf("round %d: %d Unwraps, want 1", round, n)
		}
	}
}

// momentContext runs a function at the moment at which Open has looked into the
// cache and has not yet begun anything.
type momentContext struct {
	context.Context
	moment func()
}

func (c momentContext) Err() error {
	c.moment()
	return c.Context.Err()
}

// TestOpenLooksTwice: a key that another caller opened between the look into the
// cache and the beginning of an unwrap is not unwrapped again.
func TestOpenLooksTwice(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	s := stored(t, kek, id(0))[0]
	ctx := momentContext{context.Background(), func() { mustOpen(t, r, s) }}
	if n := unwraps(kek, func() {
		if keys, errs, err := r.Open(ctx, []keyring.Sealed{s}); err != nil || errs != nil || keys[0] == nil {
			t.Error(errs, err)
		}
	}); n != 1 {
		t.Errorf("%d Unwraps, want 1", n)
	}
}

// TestConcurrentOpensShareTheirMisses: of overlapping sets, each key is
// unwrapped once.
func TestConcurrentOpensShareTheirMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: kek})
		defer r.Close()
		keys := stored(t, kek, people(30)...)
		kek.Stop()
		var wg sync.WaitGroup
		for i := range 21 {
			wg.Go(func() { mustOpen(t, r, keys[i:i+10]...) })
			synctest.Wait()
		}
		kek.Continue()
		wg.Wait()
		if c := kek.Counts(); c.UnwrapItems != 30 || c.Unwraps != 21 {
			t.Errorf("%+v, want 30 items in 21 calls, each with what was new", c)
		}
	})
}

func TestOneUnwrapPerTenant(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	ids := people(100)
	for i := range ids {
		if i%3 == 0 {
			ids[i].Tenant = "acme"
		}
	}
	keys := stored(t, kek, ids...)
	if n := unwraps(kek, func() { mustOpen(t, r, append(keys, keys...)...) }); n != 2 {
		t.Errorf("%d Unwraps for two tenants, want 2", n)
	}
	if c := kek.Counts(); c.UnwrapItems != 100 {
		t.Errorf("%d items, want 100: what is asked for twice is unwrapped once", c.UnwrapItems)
	}
}

func TestOpenNothing(t *testing.T) {
	r := cryptotest.NewRing(t)
	keys, errs, err := r.Open(context.Background(), nil)
	if len(keys) != 0 || errs != nil || err != nil {
		t.Errorf("%v, %v, %v, want nothing", keys, errs, err)
	}
}

// TestOneBadKeyFailsAlone: each item has its own error, in its own place.
func TestOneBadKeyFailsAlone(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(5)...)
	mustOpen(t, r, keys[0])
	keys[1].ID.Epoch++
	keys[3].Wrapped.Version = 0
	got, errs, err := r.Open(context.Background(), keys)
	if err != nil || len(errs) != 5 {
		t.Fatal(errs, err)
	}
	for i := range keys {
		if bad := i == 1 || i == 3; bad != errors.Is(errs[i], keyring.ErrUnwrap) || bad != (got[i] == nil) {
			t.Errorf("key %d: %v, opened %t", i, errs[i], got[i] != nil)
		}
	}
	if !errors.Is(errs[3], keyring.ErrWrapped) || errors.Is(errs[1], keyring.ErrWrapped) {
		t.Error("only the malformed key is ErrWrapped")
	}
}

func TestOpenFailsWithTheKEK(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(3)...)
	mustOpen(t, r, keys[0])
	kek.Fail(errKEK)
	got, errs, err := r.Open(context.Background(), keys)
	if !errors.Is(err, keyring.ErrUnavailable) || !errors.Is(err, errKEK) || got != nil || errs != nil {
		t.Errorf("%v, %v, %v, want ErrUnavailable with its cause, and nothing else", got, errs, err)
	}
	if errors.Is(err, keyring.ErrUnwrap) {
		t.Error("a KEK that is down looks like a key that is damaged")
	}
	mustOpen(t, r, keys[0])
	if _, err := r.OpenSecrets(context.Background(), "default", []string{"a"}, []keyring.Wrapped{keys[0].Wrapped}); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("secrets: %v, want ErrUnavailable", err)
	}
	if _, _, err := r.Rewrap(context.Background(), keys); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("rewrapping: %v, want ErrUnavailable", err)
	}
	kek.Fail(nil)
	mustOpen(t, r, keys...)
}

func TestOpenFailsOnOddAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		unwrap func([][]byte, []error) ([][]byte, []error, error)
		item   bool
	}{
		"too few plaintexts":  {func(p [][]byte, e []error) ([][]byte, []error, error) { return p[:1], e, nil }, false},
		"too many plaintexts": {func(p [][]byte, e []error) ([][]byte, []error, error) { return append(p, nil), e, nil }, false},
		"too few errors":      {func(p [][]byte, e []error) ([][]byte, []error, error) { return p, e[:1], nil }, false},
		"nothing":             {func([][]byte, []error) ([][]byte, []error, error) { return nil, nil, nil }, false},
		"empty plaintexts":    {func(p [][]byte, e []error) ([][]byte, []error, error) { return make([][]byte, len(p)), nil, nil }, true},
	} {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: oddKEK{KEK: kek, unwrap: c.unwrap}})
		keys, errs, err := r.Open(context.Background(), stored(t, kek, people(2)...))
		switch {
		case c.item:
			if err != nil || !errors.Is(errs[0], keyring.ErrUnwrap) || !errors.Is(errs[1], keyring.ErrUnwrap) || keys[0] != nil {
				t.Errorf("%s: %v, %v, want ErrUnwrap for each", name, errs, err)
			}
		case !errors.Is(err, keyring.ErrUnavailable) || keys != nil:
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestCancelledCallerFailsNoOther: the unwrap that one caller began, and then
// gave up, serves the others.
func TestCancelledCallerFailsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: kek})
		defer r.Close()
		s := stored(t, kek, id(0))[0]
		kek.Stop()
		ctx, cancel := context.WithCancel(context.Background())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			_, _, err := r.Open(ctx, []keyring.Sealed{s})
			first <- err
		}()
		synctest.Wait()
		go func() {
			_, err := openOne(r, s)
			second <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, keyring.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("who cancelled: %v, want ErrUnavailable and Canceled", err)
		}
		kek.Continue()
		if err := <-second; err != nil {
			t.Errorf("who waited: %v", err)
		}
		if c := kek.Counts(); c.Unwraps != 1 {
			t.Errorf("%d Unwraps, want 1", c.Unwraps)
		}
	})
}

// TestGivenUpUnwrapIsKept: what a caller began and gave up serves the next, even
// if that caller has meanwhile used its memory for something else.
func TestGivenUpUnwrapIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kek := cryptotest.NewKEK(t)
		r := newRing(t, keyring.Config{KEK: kek})
		defer r.Close()
		s := stored(t, kek, id(0))[0]
		kek.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		mine := s
		mine.Wrapped.Bytes = bytes.Clone(s.Wrapped.Bytes)
		if _, _, err := r.Open(ctx, []keyring.Sealed{mine}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
		clear(mine.Wrapped.Bytes)
		kek.Continue()
		synctest.Wait()
		if n := unwraps(kek, func() { mustOpen(t, r, s) }); n != 0 {
			t.Errorf("%d Unwraps, want none", n)
		}
	})
}

// TestHangingKEKIsBounded: a KEK that never answers ends with Config.Timeout,
// and the next call asks again.
func TestHangingKEKIsBounded(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			kek := cryptotest.NewKEK(t)
			r := newRing(t, keyring.Config{KEK: kek, Timeout: timeout})
			defer r.Close()
			s := stored(t, kek, id(0))[0]
			_, w, err := r.MakeSecrets(context.Background(), "default", []string{"a"})
			if err != nil {
				t.Fatal(err)
			}
			kek.Stop()
			for what, f := range map[string]func() error{
				"Open": func() error { _, err := openOne(r, s); return err },
				"Make": func() error { _, _, err := r.Make(context.Background(), people(1)); return err },
				"Rewrap": func() error {
					_, _, err := r.Rewrap(context.Background(), []keyring.Sealed{s})
					return err
				},
				"OpenSecrets": func() error {
					_, err := r.OpenSecrets(context.Background(), "default", []string{"a"}, w)
					return err
				},
			} {
				if err := f(); !errors.Is(err, keyring.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, want ErrUnavailable and DeadlineExceeded", what, err)
				}
			}
			kek.Continue()
			mustOpen(t, r, s)
		})
	}
}

// TestEndedContext: nothing is begun for a caller that has gone, but what is
// warm is served.
func TestEndedContext(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(2)...)
	mustOpen(t, r, keys[0])
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if n := unwraps(kek, func() {
		if _, _, err := r.Open(ctx, keys); !errors.Is(err, keyring.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want ErrUnavailable and Canceled", err)
		}
	}); n != 0 {
		t.Errorf("%d Unwraps, want none", n)
	}
	if got, _, err := r.Open(ctx, keys[:1]); err != nil || got[0] == nil {
		t.Errorf("a warm key: %v", err)
	}
}

// TestRingIsConcurrent lets everything happen at once; the race detector looks
// on, and every key that opens is the right one.
func TestRingIsConcurrent(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek, MaxEntries: 8})
	made, w, err := r.Make(context.Background(), people(16))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				n := (i*7 + g) % 16
				switch i % 5 {
				case 0:
					r.Forget("default", id(n).UID)
				case 1:
					r.Keep(id(n), w[n], made[n])
				case 2:
					r.Stats()
				default:
					k, err := openOne(r, keyring.Sealed{ID: id(n), Wrapped: w[n]})
					if err != nil || !works(k, made[n]) {
						t.Errorf("key %d opens as another: %v", n, err)
					}
				}
			}
		})
	}
	wg.Wait()
}
