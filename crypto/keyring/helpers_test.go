package keyring_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_750_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newRing returns a ring with the given configuration, completed.
func newRing(tb testing.TB, c keyring.Config) *keyring.Ring {
	tb.Helper()
	if c.Now == nil {
		c.Now = newClock().Now
	}
	r, err := keyring.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// id returns the identity of person n's first data key.
func id(n int) keyring.ID {
	return keyring.ID{Tenant: "default", UID: [16]byte{14: byte(n >> 8), 15: byte(n + 1)}, Group: 2, Epoch: 1, Version: 1}
}

// stored makes data keys with a ring of its own, so that they are in no cache.
func stored(tb testing.TB, kek keyring.KEK, ids ...keyring.ID) []keyring.Sealed {
	tb.Helper()
	r := newRing(tb, keyring.Config{KEK: kek, MaxEntries: -1})
	_, wrapped, err := r.Make(context.Background(), ids)
	if err != nil {
		tb.Fatal(err)
	}
	list := make([]keyring.Sealed, len(ids))
	for i := range ids {
		list[i] = keyring.Sealed{ID: ids[i], Wrapped: wrapped[i]}
	}
	return list
}

func people(n int) []keyring.ID {
	ids := make([]keyring.ID, n)
	for i := range ids {
		ids[i] = id(i)
	}
	return ids
}

// openOne opens one key, whose error is the item's or the call's.
func openOne(r *keyring.Ring, s keyring.Sealed) (*field.Key, error) {
	keys, errs, err := r.Open(context.Background(), []keyring.Sealed{s})
	if err != nil {
		return nil, err
	}
	if errs != nil {
		return keys[0], errs[0]
	}
	return keys[0], nil
}

// works reports whether two keys are the same key.
func works(a, b *field.Key) bool {
	p := field.Place{Tenant: "default", UID: [16]byte{15: 1}, Group: 2, Collection: 1, Record: "r", Field: 1}
	ct, err := a.Seal(p, secret.FromString("value"))
	if err != nil {
		return false
	}
	v, err := b.Open(p, ct)
	return err == nil && v.Equal(secret.FromString("value"))
}

// wrapRaw wraps arbitrary bytes as the data key of id.
func wrapRaw(tb testing.TB, kek keyring.KEK, id keyring.ID, plain []byte) keyring.Sealed {
	tb.Helper()
	contexts := [][]byte{field.KeyContext(id.Tenant, id.UID, id.Group, id.Epoch)}
	texts, err := kek.Wrap(context.Background(), id.Tenant, contexts, [][]byte{plain})
	if err != nil {
		tb.Fatal(err)
	}
	w, err := keyring.ParseWrapped(texts[0])
	if err != nil {
		tb.Fatal(err)
	}
	return keyring.Sealed{ID: id, Wrapped: w}
}

var errKEK = errors.New("the KEK is down")

// oddKEK answers in ways in which no KEK should.
type oddKEK struct {
	*cryptotest.KEK
	unwrap func(plain [][]byte, errs []error) ([][]byte, []error, error)
	wrap   func([]string) ([]string, error)
	rewrap func(texts []string, errs []error) ([]string, []error, error)
}

func (k oddKEK) Wrap(ctx context.Context, key string, contexts, plaintexts [][]byte) ([]string, error) {
	w, err := k.KEK.Wrap(ctx, key, contexts, plaintexts)
	if err != nil || k.wrap == nil {
		return w, err
	}
	return k.wrap(w)
}

func (k oddKEK) Unwrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) ([][]byte, []error, error) {
	plain, errs, err := k.KEK.Unwrap(ctx, key, contexts, wrapped)
	if err != nil || k.unwrap == nil {
		return plain, errs, err
	}
	return k.unwrap(plain, errs)
}

func (k oddKEK) Rewrap(ctx context.Context, key string, contexts [][]byte, wrapped []string) ([]string, []error, error) {
	texts, errs, err := k.KEK.Rewrap(ctx, key, contexts, wrapped)
	if err != nil || k.rewrap == nil {
		return texts, errs, err
	}
	return k.rewrap(texts, errs)
}
