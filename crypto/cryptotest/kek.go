// Package cryptotest serves tests that need keys, or that prove the absence of
// plaintext.
//
// [NewKEK] is a key-encryption key in memory that counts what is asked of it and
// can be made to fail, to hang or to be slow; [NewRing] is a ring over one.
// [Canaries] are planted values, and the search for them in bytes and files, in
// whatever encoding they may have got there.
package cryptotest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// KeyStatus says which versions a key has, as in the real KEKs.
type KeyStatus struct {
	Latest, MinDecrypt, MinEncrypt, MinAvailable int
}

// KEK is a [keyring.KEK] in memory. Keys come into being when they are first
// used, unless [KEK.RequireKeys] was called. It is safe for concurrent use.
type KEK struct {
	mu       sync.Mutex
	keys     map[string]*key
	require  bool
	fail     error
	delay    time.Duration
	stopped  chan struct{} // closed by Continue; nil when running
	waiting  int
	arrived  *sync.Cond
	counts   Counts
	requests []Request
}

// Counts says what was asked of a [KEK]: calls, and the items in them. Calls
// that failed or hung are counted.
type Counts struct {
	Wraps, Unwraps, Rewraps             int // calls
	WrapItems, UnwrapItems, RewrapItems int // items
}

// Request is one call that was made of a [KEK].
type Request struct {
	Verb  string // wrap, unwrap or rewrap
	Key   string
	Items int
}

type key struct {
	KeyStatus
	versions map[int]cipher.AEAD
}

// NewKEK returns a KEK without keys. Calls that are held by [KEK.Stop] go on at
// the end of the test.
func NewKEK(tb testing.TB) *KEK {
	tb.Helper()
	k := &KEK{keys: map[string]*key{}}
	k.arrived = sync.NewCond(&k.mu)
	tb.Cleanup(k.Continue)
	return k
}

// Copy returns a KEK with the keys that k has now, of which nothing was asked yet. What
// is done to the keys of one is not done to those of the other.
func (k *KEK) Copy(tb testing.TB) *KEK {
	tb.Helper()
	c := NewKEK(tb)
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, e := range k.keys {
		c.keys[name] = &key{e.KeyStatus, maps.Clone(e.versions)}
	}
	return c
}

// NewRing returns a ring over a KEK of its own. Its clock stands still, so that
// nothing it keeps grows old. It is closed at the end of the test.
func NewRing(tb testing.TB) *keyring.Ring {
	tb.Helper()
	return RingOn(tb, NewKEK(tb))
}

// RingOn is [NewRing] over a given KEK.
func RingOn(tb testing.TB, kek keyring.KEK) *keyring.Ring {
	tb.Helper()
	r, err := keyring.New(keyring.Config{KEK: kek, Now: func() time.Time { return time.Unix(1_750_000_000, 0) }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// Fail makes every call return err from now on; nil ends it.
func (k *KEK) Fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = err
}

// Delay makes every call take at least d from now on; 0 ends it.
func (k *KEK) Delay(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.delay = d
}

// Stop makes every call hang from now on, until [KEK.Continue] or the end of its
// context.
func (k *KEK) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped == nil {
		k.stopped = make(chan struct{})
	}
}

// Continue ends [KEK.Stop].
func (k *KEK) Continue() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped != nil {
		close(k.stopped)
		k.stopped = nil
	}
}

// AwaitHeld waits until n calls hang in [KEK.Stop] at once.
func (k *KEK) AwaitHeld(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.waiting < n {
		k.arrived.Wait()
	}
}

// RequireKeys makes calls for keys that [KEK.CreateKey] did not create fail with
// [ErrNoKey], as the real KEKs do.
func (k *KEK) RequireKeys() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.require = true
}

// Counts returns what was asked so far.
func (k *KEK) Counts() Counts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts
}

// Calls returns the number of calls of any kind so far.
func (k *KEK) Calls() int {
	c := k.Counts()
	return c.Wraps + c.Unwraps + c.Rewraps
}

// Items returns the number of items in all calls so far.
func (k *KEK) Items() int {
	c := k.Counts()
	return c.WrapItems + c.UnwrapItems + c.RewrapItems
}

// Log returns the calls so far, in the order in which they arrived; of more
// than ten thousand, the first.
func (k *KEK) Log() []Request {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Request(nil), k.requests...)
}

// Wrap implements [keyring.KEK].
func (k *KEK) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	err := k.enter(ctx, Request{"wrap", key, len(plaintexts)}, len(contexts))
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, err := k.key(key)
	if err != nil {
		return nil, err
	}
	wrapped := make([]string, len(plaintexts))
	for i := range plaintexts {
		wrapped[i] = e.wrap(contexts[i], plaintexts[i])
	}
	return wrapped, nil
}

// Unwrap implements [keyring.KEK].
func (k *KEK) Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (plaintexts [][]byte, errs []error, err error) {
	if err := k.enter(ctx, Request{"unwrap", key, len(wrapped)}, len(contexts)); err != nil {
		return nil, nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, err := k.key(key)
	if err != nil {
		return nil, nil, err
	}
	plaintexts, errs = make([][]byte, len(wrapped)), make([]error, len(wrapped))
	for i := range wrapped {
		plaintexts[i], errs[i] = e.unwrap(contexts[i], wrapped[i])
	}
	return plaintexts, errs, nil
}

// Rewrap implements [keyring.KEK].
func (k *KEK) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) (rewrapped []string, errs []error, err error) {
	if err := k.enter(ctx, Request{"rewrap", key, len(wrapped)}, len(contexts)); err != nil {
		return nil, nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e, err := k.key(key)
	if err != nil {
		return nil, nil, err
	}
	rewrapped, errs = make([]string, len(wrapped)), make([]error, len(wrapped))
	for i := range wrapped {
		var plain []byte
		if plain, errs[i] = e.unwrap(contexts[i], wrapped[i]); errs[i] == nil {
			rewrapped[i] = e.wrap(contexts[i], plain)
		}
	}
	return rewrapped, errs, nil
}

// enter counts a call and lets it wait, hang or fail as the test has said.
func (k *KEK) enter(ctx context.Context, r Request, contexts int) error {
	k.mu.Lock()
	k.count(r)
	fail, delay, stopped := k.fail, k.delay, k.stopped
	if stopped != nil {
		k.waiting++
		k.arrived.Broadcast()
	}
	k.mu.Unlock()
	err := wait(ctx, delay, stopped)
	if stopped != nil {
		k.mu.Lock()
		k.waiting--
		k.mu.Unlock()
	}
	if err != nil {
		return err
	}
	if fail != nil {
		return fail
	}
	if contexts != r.Items {
		return fmt.Errorf("cryptotest: %d contexts for %d items", contexts, r.Items)
	}
	return nil
}

func (k *KEK) count(r Request) {
	if len(k.requests) < 10_000 {
		k.requests = append(k.requests, r)
	}
	switch r.Verb {
	case "wrap":
		k.counts.Wraps++
		k.counts.WrapItems += r.Items
	case "unwrap":
		k.counts.Unwraps++
		k.counts.UnwrapItems += r.Items
	case "rewrap":
		k.counts.Rewraps++
		k.counts.RewrapItems += r.Items
	}
}

// wait waits for as long as a call takes, or until ctx ends.
func wait(ctx context.Context, delay time.Duration, stopped <-chan struct{}) error {
	if stopped != nil {
		select {
		case <-stopped:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// key returns a key, which it makes unless keys are required. The caller holds
// mu.
func (k *KEK) key(name string) (*key, error) {
	if e, ok := k.keys[name]; ok {
		return e, nil
	}
	if k.require {
		return nil, ErrNoKey
	}
	return k.create(name), nil
}

func (k *KEK) create(name string) *key {
	e := &key{KeyStatus: KeyStatus{Latest: 1, MinDecrypt: 1, MinAvailable: 1}, versions: map[int]cipher.AEAD{1: newAEAD()}}
	k.keys[name] = e
	return e
}

func (e *key) wrap(context, plain []byte) string {
	box := e.versions[e.Latest].Seal(nil, nil, plain, context) //nolint:gosec // the AEAD makes its own random nonce
	return "local:v" + strconv.Itoa(e.Latest) + ":" + base64.StdEncoding.EncodeToString(box)
}

func (e *key) unwrap(context []byte, wrapped string) ([]byte, error) {
	w, err := keyring.ParseWrapped(wrapped)
	if err != nil || !strings.HasPrefix(wrapped, "local:") {
		return nil, ErrItem
	}
	a, ok := e.versions[w.Version]
	if !ok || w.Version < e.MinDecrypt {
		return nil, ErrVersion
	}
	plain, err := a.Open(nil, nil, w.Bytes[1:], context)
	if err != nil {
		return nil, ErrItem
	}
	return plain, nil
}

// newAEAD returns AES-256-GCM under a fresh key.
func newAEAD() cipher.AEAD {
	block, err := aes.NewCipher(randomKey())
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return a
}
