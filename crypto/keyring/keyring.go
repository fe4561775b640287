// Package keyring makes, opens, rotates and rewraps data keys.
//
// A data key is a Tink keyset of AES256-GCM keys that belongs to one person,
// generation and key group. It is made here, wrapped by a [KEK] (Vault Transit
// or a file), stored by others in its wrapped form, and opened only in memory.
// A [Ring] also makes and opens the named 32-byte secrets of a tenant, such as
// index and cursor keys.
//
// What always holds:
//
//   - A wrapped key opens only under the context with which it was wrapped:
//     tenant, person, key group and epoch (field.KeyContext). One that was moved
//     to another row is [ErrUnwrap].
//   - Stored data chooses no algorithm: wrapped text that is not of its strict
//     form never reaches the KEK, and an opened keyset holds enabled AES256-GCM
//     keys with the TINK prefix or is refused.
//   - The cache is a cache of opened keys and no more. A hit needs the same
//     identity and the same wrapped bytes, or those into which the KEK rewrapped
//     them here, so that a wrapped key that was exchanged in the database is never
//     hidden by a warm cache. Whether the person lives is decided by whoever loaded
//     the wrapped key, never here.
//   - All misses of one call are one Unwrap a tenant, and concurrent misses of
//     one key, by whatever callers, are one unwrap.
//   - An unwrap belongs to no caller: it runs under Config.Timeout of its own,
//     so that one caller's cancelled context fails no other.
//
// A Ring holds no storage and decides nothing. Opened keys cannot be wiped from
// memory (Tink copies them); they are dropped, and the garbage collector frees
// them.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// System is the name of the KEK that wraps the service's own secrets. It is no
// tenant's name: those begin with a letter.
const System = "_system"

// KEK wraps keys. transit.KEK and localkek.KEK implement it, without importing
// this package.
//
// key is the name of a tenant, or [System]. contexts, plaintexts and wrapped
// are lists of equal length; the results are lists of that length. An
// implementation binds each item to its context, may be used concurrently, and
// keeps none of its arguments. Wrapping under a key that does not exist is an
// error and creates nothing.
//
// Unwrap and Rewrap report on each item: errs is nil or has an error (or nil)
// for each. err means that nothing was answered.
type KEK interface {
	// Wrap wraps each plaintext under the latest version of the key, all or none.
	Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) (wrapped []string, err error)
	// Unwrap opens each wrapped key under the context in the same place.
	Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (plaintexts [][]byte, errs []error, err error)
	// Rewrap wraps anew, under the latest version, what opens under the context
	// in the same place.
	Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (rewrapped []string, errs []error, err error)
}

// A Meter counts how often each version of a KEK encrypts: with AES-GCM and random
// nonces that must stay below 2^32 (NIST SP 800-38D, section 8.3). It is told before
// a use, so that no end of the process loses one.
type Meter interface {
	// Take counts n uses that are about to be made, and says under which version it
	// did. An error means that they must not be made.
	Take(ctx context.Context, key string, n int) (version int, err error)
	// Moved counts n uses under the version that was really used, which was another
	// than Take said: the key has been rotated. An error means that what was
	// wrapped must not be used.
	Moved(ctx context.Context, key string, version, n int) error
}

// ID is the identity of a data key.
type ID struct {
	Tenant  string
	UID     [16]byte // the person, in one generation
	Group   uint32   // the key group
	Epoch   uint32   // of the key group
	Version uint32   // of the data key: goes up when a person's key is rotated
}

// Sealed is a data key as it is stored.
type Sealed struct {
	ID      ID
	Wrapped Wrapped
}

// Config says how a [Ring] works.
type Config struct {
	// KEK wraps and unwraps. Required.
	KEK KEK
	// Meter counts the uses of KEK. Optional: without one they are counted in
	// [Stats] alone.
	Meter Meter
	// MaxEntries is how many opened keys are kept. 0: 100,000. Negative: none.
	MaxEntries int
	// MaxAge is for how long an opened key is kept. 0: 5 minutes. Negative:
	// none is kept.
	MaxAge time.Duration
	// Timeout bounds each call of the KEK. 0: 5 seconds. Negative is refused.
	Timeout time.Duration
	// Now is the clock by which keys age. Required.
	Now func() time.Time
}

const (
	defaultEntries = 100_000
	defaultAge     = 5 * time.Minute
	defaultTimeout = 5 * time.Second
)

// Ring makes and opens keys. It is safe for concurrent use.
type Ring struct {
	kek     KEK
	meter   Meter // nil: none
	timeout time.Duration
	cache   *cache // nil: nothing is kept

	mu      sync.Mutex // guards flights, and the step from a flight to the cache
	flights map[flightKey]*flight

	hits, misses, unwraps, wraps atomic.Int64
}

// New returns a ring. It refuses a configuration without KEK or clock. A ring
// that keeps opened keys has a goroutine that drops them in time: see
// [Ring.Close].
func New(c Config) (*Ring, error) {
	switch {
	case c.KEK == nil:
		return nil, errors.New("keyring: Config.KEK is required")
	case c.Now == nil:
		return nil, errors.New("keyring: Config.Now is required")
	case c.Timeout < 0:
		return nil, errors.New("keyring: Config.Timeout is negative")
	}
	r := &Ring{kek: c.KEK, meter: c.Meter, timeout: orDefault(c.Timeout, defaultTimeout), flights: map[flightKey]*flight{}}
	if c.MaxEntries < 0 || c.MaxAge < 0 {
		return r, nil
	}
	var err error
	r.cache, err = newCache(orDefault(c.MaxEntries, defaultEntries), orDefault(c.MaxAge, defaultAge), c.Now)
	if err != nil {
		return nil, fmt.Errorf("making the key cache: %w", err)
	}
	return r, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Close drops all opened keys and ends the ring's goroutine. The ring can still
// be used, but opened keys are then dropped only when others take their place.
func (r *Ring) Close() {
	if r.cache != nil {
		r.cache.close()
	}
}

// Keep puts an opened key, made by [Ring.Make] and stored under w, into the
// cache. Call it after the transaction that stored w has committed, and only
// for the winner of a race: a key that was never stored must not be used.
func (r *Ring) Keep(id ID, w Wrapped, k *field.Key) {
	if r.cache != nil && k != nil {
		r.cache.put(id, w, k)
	}
}

// Forget drops all opened keys of a person: after an erasure, so that they
// leave memory. It is no fence. An unwrap that is under way still serves those
// who wait for it, but its result is not kept.
func (r *Ring) Forget(tenant string, uid [16]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, f := range r.flights {
		if k.id.Tenant == tenant && k.id.UID == uid {
			f.forget = true
		}
	}
	if r.cache != nil {
		r.cache.forget(person{tenant, uid})
	}
}

// ForgetAll drops all opened keys, as [Ring.Forget] does those of one person.
func (r *Ring) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.flights {
		f.forget = true
	}
	if r.cache != nil {
		r.cache.keys.InvalidateAll()
	}
}

// Stats counts what a ring has done since it was made.
type Stats struct {
	Hits    int64 // keys that were found opened
	Misses  int64 // keys that were not; several may have waited for one unwrap
	Unwraps int64 // keys and secrets that the KEK was asked to open
	Wraps   int64 // keys and secrets that the KEK was asked to wrap: they count against its limit of use
	Entries int   // opened keys that are kept now
}

// Stats returns the counts of this moment. They may be some operations apart
// from one another. It tidies the cache up, so call it as often as metrics are
// read and not more.
func (r *Ring) Stats() Stats {
	s := Stats{Hits: r.hits.Load(), Misses: r.misses.Load(), Unwraps: r.unwraps.Load(), Wraps: r.wraps.Load()}
	if r.cache != nil {
		s.Entries = r.cache.len()
	}
	return s
}
