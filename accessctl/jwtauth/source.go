package jwtauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// source keeps the key set of one issuer current. All reads go through one flight,
// so at most one is under way.
type source struct {
	fetch      func(context.Context) ([]byte, error)
	algorithms []string
	every      time.Duration // between reads
	stale      time.Duration // how long a set is used without a good read
	now        func() time.Time
	log        *slog.Logger

	state   atomic.Pointer[state]
	flight  singleflight.Group
	unknown *rate.Limiter

	life     context.Context //nolint:containedctx // reads outlive the request that began them, never the Verifier
	mu       sync.Mutex      // guards closed and orders flights.Add before flights.Wait
	closed   bool
	flights  sync.WaitGroup
	onChange func()
}

// state is what is known of a key set. The zero state knows none.
type state struct {
	set  *keySet
	good time.Time // when it was last read
	done time.Time // when a read was last over, good or not
}

// current returns the key set to verify with, or nil. A set that should have been
// read again by now is read first; if that fails, the old one serves until it is
// stale.
func (s *source) current(ctx context.Context) *keySet {
	st := s.state.Load()
	if s.now().Sub(st.done) >= s.every+refreshSlack {
		s.wait(ctx, s.read)
		st = s.state.Load()
	}
	if st.set == nil || s.now().Sub(st.good) >= s.stale {
		return nil
	}
	return st.set
}

// knowing returns the key set after a read that was made because the present one
// does not hold a key; there is at most one such read in 30 s.
func (s *source) knowing(ctx context.Context, id string, set *keySet) *keySet {
	if set.ids[id] {
		return set
	}
	s.wait(ctx, func() {
		if s.unknown.AllowN(s.now(), 1) {
			s.read()
		}
	})
	return s.current(ctx)
}

// refresh reads the set now, and waits for it as long as ctx lasts.
func (s *source) refresh(ctx context.Context) {
	select {
	case <-s.join(s.read):
	case <-ctx.Done():
	}
}

// wait joins the flight for as long as a verification may wait.
func (s *source) wait(ctx context.Context, read func()) {
	timer := time.NewTimer(fetchWait)
	defer timer.Stop()
	select {
	case <-s.join(read):
	case <-timer.C:
	case <-ctx.Done():
	}
}

// join starts a flight, or joins the one under way.
func (s *source) join(read func()) <-chan singleflight.Result {
	return s.flight.DoChan("", func() (any, error) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, nil //nolint:nilnil // nobody looks at the result
		}
		s.flights.Add(1)
		s.mu.Unlock()
		defer s.flights.Done()
		read()
		return nil, nil //nolint:nilnil // nobody looks at the result
	})
}

// close ends the read under way, if any, and waits for it. life must have ended.
func (s *source) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.flights.Wait()
}

// read fetches and installs the key set. It runs in a flight, never twice at once.
func (s *source) read() {
	ctx, cancel := context.WithTimeout(s.life, fetchTimeout)
	defer cancel()
	old := s.state.Load()
	set, err := s.load(ctx, old.set)
	now := s.now()
	if err != nil {
		s.log.WarnContext(ctx, "reading a key set failed; the one before still serves", "error", err)
		s.state.Store(&state{set: old.set, good: old.good, done: now})
		return
	}
	s.state.Store(&state{set: set, good: now, done: now})
	if set != old.set {
		s.onChange()
	}
}

// load returns the key set as it stands, the old one if nothing has changed.
func (s *source) load(ctx context.Context, old *keySet) (*keySet, error) {
	b, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	if old != nil && sha256.Sum256(b) == old.digest {
		return old, nil
	}
	return parseKeySet(b, s.algorithms)
}

// fetcher returns how an issuer's key set is read.
func fetcher(is *Issuer, client *http.Client) func(context.Context) ([]byte, error) {
	switch {
	case is.JWKSURL != "":
		return func(ctx context.Context) ([]byte, error) { return fetchURL(ctx, client, is.JWKSURL) }
	case is.JWKSFile != "":
		return func(context.Context) ([]byte, error) { return readFile(is.JWKSFile) }
	}
	return func(context.Context) ([]byte, error) { return is.JWKS, nil }
}

func fetchURL(ctx context.Context, client *http.Client, url string) (_ []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: making the request: %w", ErrKeySet, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: fetching: %w", ErrKeySet, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", ErrKeySet, resp.StatusCode)
	}
	return readAll(resp.Body)
}

func readFile(path string) (_ []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%w: opening: %w", ErrKeySet, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return readAll(f)
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("%w: reading: %w", ErrKeySet, err)
	}
	if len(b) > maxKeySet {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrKeySet, maxKeySet)
	}
	return b, nil
}
