package vault_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A telling store says what its listener heard, after it was acted on.
type telling struct {
	*pgstore.Store
	news chan vault.News
}

func (s *telling) Listen(ctx context.Context, heard func(vault.News)) error {
	return s.Store.Listen(ctx, func(n vault.News) {
		heard(n)
		s.news <- n
	})
}

// next is the next news, or the test fails.
func (s *telling) next(t *testing.T) vault.News {
	t.Helper()
	select {
	case n := <-s.news:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("no news has come")
		return vault.News{}
	}
}

// A peer is another node on a database: a store, a cache and a core of its own.
type peer struct {
	*vault.Vault
	store *telling
	ring  *keyring.Ring
}

// newPeer makes one; it listens if it runs.
func newPeer(t *testing.T, v *vaulttest.Vault, url string, runs bool) *peer {
	t.Helper()
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p := &peer{store: &telling{s, make(chan vault.News, 100)}}
	if p.ring, err = keyring.New(keyring.Config{KEK: v.KEK, Now: v.Clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.ring.Close)
	p.Vault, err = vault.New(t.Context(), vault.Config{
		Store: p.store, Ring: p.ring, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler), SweepEvery: time.Hour,
	})
	if err != nil || !runs {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if n := p.store.next(t); n != (vault.News{}) {
		t.Fatalf("the first news is %+v, want that anything may have been missed", n)
	}
	return p
}

// reads reads a person's address at the peer.
func (p *peer) reads(t *testing.T, v *vaulttest.Vault, subject string) error {
	t.Helper()
	out, err := p.Reveal(t.Context(), v.As("billing", "billing"), []vault.Item{{Subject: subject, Collection: "customer", Record: "self", Fields: []string{"email"}}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Err
}

// An erasure on one node frees the person's opened keys on the others, without a
// request there; and nothing rests on that: a node that hears nothing, or not any
// more, answers that the person is gone, too.
func TestNewsFreesOpenedKeys(t *testing.T) {
	url := storetest.Postgres(t)
	if err := pgstore.Migrate(t.Context(), url, func(string) {}); err != nil {
		t.Fatal(err)
	}
	s, err := pgstore.Open(t.Context(), pgstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	v := vaulttest.New(t, vaulttest.Options{Store: s})
	b, deaf := newPeer(t, v, url, true), newPeer(t, v, url, false)
	people, uids, seen := []string{"c-1", "c-2", "c-3"}, map[string]uuid.UUID{}, map[uuid.UUID]bool{}
	for _, subject := range people {
		v.Put(t, subject, "customer", "self", map[string]string{"email": email})
		records, err := s.ScanRecords(t.Context(), vault.ScanPos{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if !seen[r.Pos.UID] {
				uids[subject], seen[r.Pos.UID] = r.Pos.UID, true
			}
		}
		for _, p := range []*peer{b, deaf} {
			if err := p.reads(t, v, subject); err != nil {
				t.Fatal(err)
			}
		}
	}
	entries := func(when string, p *peer, want int) {
		t.Helper()
		if n := p.ring.Stats().Entries; n != want {
			t.Errorf("%s: %d opened keys, want %d", when, n, want)
		}
	}
	warm := b.ring.Stats().Entries
	each := warm / len(people)
	if each == 0 || warm != each*len(people) {
		t.Fatalf("%d opened keys of %d people", warm, len(people))
	}
	erase := func(subject string) {
		t.Helper()
		if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: subject}); err != nil {
			t.Fatal(err)
		}
	}

	erase("c-1")
	if n := b.store.next(t); n != (vault.News{Tenant: 1, UID: uids["c-1"]}) {
		t.Errorf("the news is %+v", n)
	}
	entries("after an erasure elsewhere", b, warm-each)
	entries("where nobody listens", deaf, warm)
	for _, p := range []*peer{b, deaf} {
		if err := p.reads(t, v, "c-1"); !errors.Is(err, vault.ErrGone) {
			t.Errorf("a read after the erasure: %v", err)
		}
	}

	kill(t, url)
	if n := b.store.next(t); n != (vault.News{}) {
		t.Errorf("the news of a lost connection is %+v", n)
	}
	entries("after the connection was lost", b, 0)
	erase("c-2")
	if err := b.reads(t, v, "c-2"); !errors.Is(err, vault.ErrGone) {
		t.Errorf("a read after an erasure that was not heard of: %v", err)
	}
	for b.store.next(t) != (vault.News{}) { // it listens again, perhaps before the erasure
	}
	if err := b.reads(t, v, "c-3"); err != nil {
		t.Fatal(err)
	}
	erase("c-3")
	for b.store.next(t) != (vault.News{Tenant: 1, UID: uids["c-3"]}) {
	}
	entries("after it listens again", b, 0)
}

// kill ends the listeners of a database.
func kill(t *testing.T, url string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // it only reads
	var n int
	err = c.QueryRow(t.Context(), `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'LISTEN %'`).Scan(&n)
	if err != nil || n != 1 {
		t.Fatalf("%d listeners were ended: %v", n, err)
	}
}
