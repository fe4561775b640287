package vault_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A signer signs with a key of its own.
type signer struct{ key ed25519.PrivateKey }

func (s signer) Public() ed25519.PublicKey {
	pub, _ := s.key.Public().(ed25519.PublicKey)
	return pub
}

func (s signer) SignNote(text []byte) []byte { return ed25519.Sign(s.key, text) }

// An ailing store fails when it is told to.
type ailing struct {
	trail.Store
	err error
}

func (a *ailing) View(ctx context.Context, f func(trail.Tx) error) error {
	if a.err != nil {
		return a.err
	}
	return a.Store.View(ctx, f)
}

// TestLagTellsWhatWaits: the lag grows while rows wait, whether a step took as many as
// it may, or fails, or the key is not open; and is nothing once all are in the tree.
func TestLagTellsWhatWaits(t *testing.T) {
	v := vaulttest.New(t)
	v.Tampered() // another key signs
	store, locked := &ailing{Store: vault.LogStore(v.Store)}, false
	key := signer{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	s, err := trail.New(trail.Config{
		Store: store, Origin: "lag.example.org", Owner: "one", Batch: 2, Now: v.Clock.Now, Logger: slog.New(slog.DiscardHandler),
		Signer: func() trail.Signer {
			if locked {
				return nil
			}
			return key
		},
		Tenant: func(int32) (trail.Tenant, bool) {
			return trail.Tenant{Name: vaulttest.Tenant, Vouches: func([]tree.Hash, []byte) bool { return true }, Keeps: func(*audit.Event) bool { return true }}, true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	lag := func(want time.Duration, when string) {
		t.Helper()
		if got := s.Stats().Lag; got != want {
			t.Errorf("%s: the lag is %v, want %v", when, got, want)
		}
	}
	step := func(fails bool) int {
		t.Helper()
		n, err := s.Step(t.Context())
		if (err != nil) != fails {
			t.Fatal(err)
		}
		return n
	}
	lag(0, "before the first step")
	v.Put(t, "c-1", "customer", "self", map[string]string{"city": "Ulm"})
	v.Clock.Advance(10 * time.Second)
	if step(false) != 2 {
		t.Fatal("there are not enough events")
	}
	lag(10*time.Second, "a full batch")
	v.Clock.Advance(5 * time.Second)
	lag(15*time.Second, "5 s later, as rows wait")
	for step(false) > 0 {
	}
	lag(0, "all are in the tree")
	v.Clock.Advance(time.Minute)
	lag(0, "a minute later")

	step(false)
	store.err = errors.New("no")
	v.Clock.Advance(3 * time.Second)
	step(true)
	v.Clock.Advance(4 * time.Second)
	lag(7*time.Second, "the store fails")
	store.err = nil
	step(false)
	lag(0, "the store works")

	locked = true
	v.Clock.Advance(2 * time.Second)
	step(false)
	lag(2*time.Second, "the key is not open")
}
