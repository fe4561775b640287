//go:build seeded

package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// This file is in no binary but the one that TestSeededBugsAreCaught builds with the
// tag seeded. FIELDVAULT_TEST_SEED chooses one of the bugs; without it the binary has
// none. Each is a mistake that a key vault is likely to make one day.
const (
	seedNoFence   = "cache-without-fence" // a read trusts what an earlier one has loaded
	seedFence50ms = "fence-50ms"          // the same, for 50 ms
	seedRewrap    = "rewrap-blind"        // a rewrap writes a person's keys as it has read them, whatever was stored or destroyed since
	seedPut       = "put-cached-key"      // a write goes by what an earlier one has loaded, and does not look again
	seedNoLock    = "no-row-lock"         // a transaction checks the person's row and does not lock it
	seedCachedYes = "consent-cached"      // a node that has seen a consent does not look again
)

// seededRewrap is how long a rewrap with seedRewrap waits before it stores.
const seededRewrap = time.Second

var seed = os.Getenv("FIELDVAULT_TEST_SEED")

// seedStore puts the bug between the core and its store.
func seedStore(s Store) Store {
	switch seed {
	case "":
		return s
	case seedNoFence, seedFence50ms, seedRewrap, seedPut, seedNoLock, seedCachedYes:
		return &seededStore{Store: s, loads: map[string]seededLoad{}, keys: map[uuid.UUID][]DataKey{}, rows: map[string]Subject{}}
	}
	panic("there is no seeded bug " + seed)
}

type seededLoad struct {
	loaded *Loaded
	at     time.Time
}

type seededStore struct {
	Store

	mu    sync.Mutex
	loads map[string]seededLoad   // by query
	keys  map[uuid.UUID][]DataKey // seedPut
	rows  map[string]Subject      // seedPut, by lookup
}

// LoadForReveal answers reads of records from memory.
func (s *seededStore) LoadForReveal(ctx context.Context, q LoadQuery) (*Loaded, error) {
	age := time.Duration(-1)
	if len(q.Items) > 0 && !slices.ContainsFunc(q.Items, func(r Ref) bool { return r.Collection == 0 }) {
		switch seed {
		case seedNoFence:
			age = time.Hour
		case seedFence50ms:
			age = 50 * time.Millisecond
		}
	}
	return s.load(ctx, q, age)
}

func (s *seededStore) load(ctx context.Context, q LoadQuery, age time.Duration) (*Loaded, error) {
	name := fmt.Sprintf("%+v", q)
	s.mu.Lock()
	have, ok := s.loads[name]
	s.mu.Unlock()
	if ok && time.Since(have.at) < age {
		l := *have.loaded
		l.Items = slices.Clone(l.Items)
		return &l, nil
	}
	began := time.Now()
	l, err := s.Store.LoadForReveal(ctx, q)
	if err != nil || age < 0 || slices.ContainsFunc(l.Items, func(i LoadedItem) bool { return i.Subject == nil || i.Subject.State != Live }) {
		return l, err
	}
	kept := *l
	kept.Items = slices.Clone(l.Items)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads[name] = seededLoad{&kept, began}
	for i := range kept.Items {
		p := kept.Items[i].Subject
		s.rows[string(p.Lookup)], s.keys[p.UID] = *p, kept.Items[i].Keys
	}
	return l, nil
}

// seedWriter is the store that a write loads from.
func seedWriter(s Store) Store {
	if x, ok := s.(*seededStore); ok && seed == seedPut {
		return seededWriter{x}
	}
	return s
}

type seededWriter struct{ *seededStore }

func (s seededWriter) LoadForReveal(ctx context.Context, q LoadQuery) (*Loaded, error) {
	return s.load(ctx, q, time.Hour)
}

func (s *seededStore) Update(ctx context.Context, f func(Tx) error) error {
	return s.Store.Update(ctx, func(tx Tx) error { return f(&seededTx{Tx: tx, s: s}) })
}

// Settle is the store's.
func (s *seededStore) Settle(ctx context.Context) error {
	return s.Store.(Settler).Settle(ctx)
}

type seededTx struct {
	Tx
	s     *seededStore
	blind bool // seedPut: this is a write, which does not look
}

func (t *seededTx) Subject(ctx context.Context, tenant int32, lookup []byte, lock Lock) (Subject, error) {
	switch {
	case seed == seedNoLock:
		lock = NoLock
	case seed == seedPut && lock == ShareLock:
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if p, ok := t.s.rows[string(lookup)]; ok {
			t.blind = true
			return p, nil
		}
	}
	return t.Tx.Subject(ctx, tenant, lookup, lock)
}

func (t *seededTx) Keys(ctx context.Context, tenant int32, uid uuid.UUID) ([]DataKey, error) {
	if t.blind {
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		return t.s.keys[uid], nil
	}
	return t.Tx.Keys(ctx, tenant, uid)
}

// RewrapKeys writes the keys it is given in place of all that stand. It is as slow as on
// a busy machine: people and their groups are erased, and written to, meanwhile.
func (t *seededTx) RewrapKeys(ctx context.Context, tenant int32, keys []Rewrapped) (int, error) {
	if seed != seedRewrap {
		return t.Tx.RewrapKeys(ctx, tenant, keys)
	}
	time.Sleep(seededRewrap)
	n := 0
	for i, k := range keys {
		if i == 0 || k.UID != keys[i-1].UID {
			if _, err := t.DestroyKeys(ctx, tenant, k.UID); err != nil {
				return n, err
			}
		}
		again := DataKey{Group: k.Group, Epoch: k.Epoch, Version: k.Version, KEKVersion: k.Next, Wrapped: k.Wrapped}
		stored, err := t.Tx.InsertKey(ctx, tenant, k.UID, again)
		if err != nil && !errors.Is(err, ErrStaleKEK) && !errors.Is(err, ErrNoRow) { // the schema gives nobody erased a key
			return n, err
		}
		if stored {
			n++
		}
	}
	return n, nil
}

var seededConsents sync.Map

// seedConsent remembers people whose consent this node has once seen. Here only one
// purpose rests on consent.
func seedConsent(uid uuid.UUID, now accessctl.Consent) accessctl.Consent {
	if seed != seedCachedYes {
		return now
	}
	if now == accessctl.ConsentGranted {
		seededConsents.Store(uid, true)
	}
	if _, ok := seededConsents.Load(uid); ok {
		return accessctl.ConsentGranted
	}
	return now
}
