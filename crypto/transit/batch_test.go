package transit_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// What one call gives goes in one request, up to MaxBatch.
func TestExplicitBatches(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	k := s.KEK(t)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 100)
	if r, i := k.Requests(), k.Items(); r != 1 || i != 100 {
		t.Fatalf("wrapping 100: %d requests, %d items", r, i)
	}
	mustOpen(t, k, key, contexts, wrapped)
	if r, i := k.Requests(), k.Items(); r != 2 || i != 200 {
		t.Fatalf("and unwrapping them: %d requests, %d items", r, i)
	}
	cfg := s.Config(transit.Auth{Token: s.RootToken})
	cfg.MaxBatch = 30
	small := transittest.New(t, cfg)
	mustOpen(t, small, key, contexts, wrapped)
	if r, i := small.Requests(), small.Items(); r != 4 || i != 100 {
		t.Errorf("in batches of 30: %d requests, %d items", r, i)
	}
}

// A full batch of the largest items is parted by size, below what Vault takes.
func TestLargeItems(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	cfg := s.Config(transit.Auth{Token: s.RootToken})
	cfg.Timeout = time.Minute // the work is large, and the machine may be busy
	k := transittest.New(t, cfg)
	key := newKey(t, k, "acme")
	large := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
	contexts, plaintexts := make([][]byte, 100), make([][]byte, 100)
	for i := range contexts {
		contexts[i], plaintexts[i] = place(i), large
	}
	wrapped, err := k.Wrap(t.Context(), key, contexts, plaintexts)
	if err != nil {
		t.Fatal(err)
	}
	got, errs, err := k.Unwrap(t.Context(), key, contexts, wrapped)
	if err != nil || errs != nil {
		t.Fatal(err, errs)
	}
	for i := range got {
		if !bytes.Equal(got[i], large) {
			t.Fatalf("item %d is not what was wrapped", i)
		}
	}
	if n := k.Requests(); n != 6 { // 87 KiB of base64 each: 46 in 4 MiB
		t.Errorf("%d requests", n)
	}
}

// held returns a Vault of its own and a client that waits for it long enough for
// nothing to time out while it is stopped.
func held(t *testing.T, unwraps int) (k *transit.KEK, s *transittest.Server) {
	t.Helper()
	s = transittest.StartOwn(t, transittest.Options{})
	cfg := s.Config(transit.Auth{Token: s.RootToken})
	cfg.Timeout, cfg.Unwraps = time.Minute, unwraps
	return transittest.New(t, cfg), s
}

// Calls that come while a request is under way are sent together, unless as many
// requests may be under way as there are calls.
func TestCoalesce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unwraps     int
		least, most int64 // requests
	}{{0, 1, 8}, {64, 64, 64}} {
		k, s := held(t, c.unwraps)
		if r, i := together(t, k, s); r < c.least || r > c.most || i != 64 {
			t.Errorf("with %d at once: %d requests of %d items for 64 single calls", c.unwraps, r, i)
		}
	}
}

// together unwraps 64 keys in 64 calls while Vault is stopped, and then goes on.
func together(t *testing.T, k *transit.KEK, s *transittest.Server) (requests, items int64) {
	t.Helper()
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 64)
	requests, items = k.Requests(), k.Items()
	s.Stop()
	done := make(chan error, len(wrapped))
	for i := range wrapped {
		go func() {
			got, errs, err := k.Unwrap(t.Context(), key, contexts[i:i+1], wrapped[i:i+1])
			if err == nil && (errs != nil || !bytes.Equal(got[0], plain(i))) {
				err = errors.New("not what was wrapped")
			}
			done <- err
		}()
	}
	time.Sleep(300 * time.Millisecond) // for all to wait; were they late, they would cost requests
	s.Continue()
	for range wrapped {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return k.Requests() - requests, k.Items() - items
}

// A request belongs to all its callers: one who gives up does not end it.
func TestCancelIsOnesOwn(t *testing.T) {
	t.Parallel()
	k, s := held(t, 0)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 3)
	s.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		i    int
		err  error
		good bool
	}
	done := make(chan result, 3)
	for i := range 3 { // 1 stays; 0 and 2 give up, whoever is under way or waits
		c := ctx
		if i == 1 {
			c = t.Context()
		}
		go func() {
			got, errs, err := k.Unwrap(c, key, contexts[i:i+1], wrapped[i:i+1])
			done <- result{i, err, err == nil && errs == nil && bytes.Equal(got[0], plain(i))}
		}()
	}
	time.Sleep(100 * time.Millisecond)
	cancel()
	for range 2 {
		if r := <-done; r.i == 1 || !errors.Is(r.err, context.Canceled) || errors.Is(r.err, transit.ErrUnavailable) {
			t.Errorf("call %d: %v", r.i, r.err)
		}
	}
	s.Continue()
	if r := <-done; r.i != 1 || !r.good {
		t.Errorf("call %d: %v", r.i, r.err)
	}
}

// A caller's deadline is an answer that did not come in time.
func TestDeadline(t *testing.T) {
	t.Parallel()
	k, s := held(t, 0)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 1)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := k.Unwrap(ctx, key, contexts, wrapped); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Unwrap: %v", err)
	}
	if _, err := k.Status(ctx, key); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Status: %v", err)
	}
	s.Continue()
	mustOpen(t, k, key, contexts, wrapped)
}

func TestClose(t *testing.T) {
	t.Parallel()
	k, s := held(t, 0)
	key := newKey(t, k, "acme")
	contexts, wrapped := wrap(t, k, key, 1)
	s.Stop()
	done := make(chan error, 1)
	go func() {
		_, _, err := k.Unwrap(t.Context(), key, contexts, wrapped)
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("under way: %v", err)
	}
	if _, _, err := k.Unwrap(t.Context(), key, contexts, wrapped); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Unwrap afterwards: %v", err)
	}
	if err := k.Ping(t.Context()); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("Ping afterwards: %v", err)
	}
}
