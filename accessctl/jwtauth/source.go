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
	life       context.Context // of the Verifier: a read outlives the request that began it
	onChange   func()          // called when the set has changed

	state atomic.Pointer[state]

	mu      sync.Mutex
	flight  chan struct{} // closed when the read under way is over; nil if there is none
	unknown *rate.Limiter // reads that an unknown kid causes
}

// state is what is known of a key set. The zero state knows none.
type state struct {
	set  *keySet
	err  error     // of the last read
	good time.Time // when it was last read
	done time.Time // when a read was last over, good or not
}

// current returns the key set to verify with, or nil. A set that should have been
// read again by now is read first; if that fails, the old one serves until it is
// stale.
func (s *source) current(ctx context.Context) *keySet {
	st := s.state.Load()
	if s.now().Sub(st.done) >= s.every+refreshSlack {
		wait(ctx, s.join(nil), fetchWait)
		st = s.state.Load()
	}
	if !st.serves(s.now(), s.stale) {
		return nil
	}
	return st.set
}

func (st *state) serves(now time.Time, stale time.Duration) bool {
	return st.set != nil && now.Sub(st.good) < stale
}

// failure says why there is no key set yet, or nil if there is one.
func (s *source) failure() error {
	switch st := s.state.Load(); {
	case st.set != nil:
		return nil
	case st.err != nil:
		return st.err
	}
	return ErrKeySet
}

// knowing returns the key set after a read that was made because the present one
// does not hold a key. There is at most one such read in 30 s, which all wait for
// that come while it is under way.
func (s *source) knowing(ctx context.Context, id string, set *keySet) *keySet {
	if set.ids[id] {
		return set
	}
	wait(ctx, s.join(func() bool { return s.unknown.AllowN(s.now(), 1) }), fetchWait)
	return s.current(ctx)
}

// refresh reads the set now and waits until that is over or ctx is.
func (s *source) refresh(ctx context.Context) {
	wait(ctx, s.join(nil), fetchTimeout)
}

func wait(ctx context.Context, over <-chan struct{}, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// join returns when the read under way is over, or begins one if allowed says so
// (nil: yes) and the Verifier lives.
func (s *source) join(allowed func() bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil {
		return s.flight
	}
	over := make(chan struct{})
	if s.life.Err() != nil || allowed != nil && !allowed() {
		close(over)
		return over
	}
	s.flight = over
	go func() {
		defer close(over)
		s.read()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
	}()
	return over
}

// close waits for the read under way, if any. life must have ended.
func (s *source) close() {
	s.mu.Lock()
	flight := s.flight
	s.mu.Unlock()
	if flight != nil {
		<-flight
	}
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
		s.state.Store(&state{set: old.set, err: err, good: old.good, done: now})
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
