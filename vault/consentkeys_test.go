package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// An earlyStore lets something happen before its process's next transaction, once.
type earlyStore struct {
	vault.Store
	first func()
}

func (s *earlyStore) Update(ctx context.Context, f func(vault.Tx) error) error {
	if first := s.first; first != nil {
		s.first = nil
		first()
	}
	return s.Store.Update(ctx, f)
}

// late is another process, in which f happens before the next transaction.
func late(t *testing.T, v *vaulttest.Vault, f func()) *vault.Vault {
	t.Helper()
	s := &earlyStore{Store: v.Store}
	n := node(t, v, s, v.KEK)
	s.first = f
	return n
}

// TestAWithdrawalGoesByTheNewestCatalog: what the withdrawal of a consent destroys, and
// the lifting of a hold after one, is decided by the catalog that is in force when it
// commits.
func TestAWithdrawalGoesByTheNewestCatalog(t *testing.T) {
	const alone, shared = "purposes: [health]", "purposes: [health, support]"
	for _, tt := range []struct{ name, from, to, want string }{
		{"rests on more now", alone, shared, "plain: 61"},
		{"rests on it alone now", shared, alone, "absent"},
	} {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, held %v", tt.name, held), func(t *testing.T) {
				v := rightsVault(t)
				pulse(t, v, tt.from)
				withdrawLate(t, v, held, func() { publish(t, v, alone, tt.to) })
				publish(t, v, alone, shared)
				wants(t, see(t, v, v.As("app", "support"), "c-1", "pulse"), tt.want)
			})
		}
	}
}

// publish applies the catalog with one change, or none.
func publish(t *testing.T, v *vaulttest.Vault, from, to string) {
	t.Helper()
	if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(strings.Replace(rightsCatalog, from, to, 1)), false); err != nil {
		t.Fatal(err)
	}
}

// pulse stores a value that a consent was given for, under a catalog that says what its
// field is for.
func pulse(t *testing.T, v *vaulttest.Vault, purposes string) {
	t.Helper()
	publish(t, v, "purposes: [health]", purposes)
	if _, err := says(t, v.Vault, v.As("dpo", ""), vault.Decided{Purpose: "health", Decision: "granted", Explicit: true}); err != nil {
		t.Fatal(err)
	}
	w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: map[string]json.RawMessage{"pulse": json.RawMessage("61")}}
	if _, err := v.Vault.Put(t.Context(), v.As("app", "health"), w, vault.Idempotency{}); err != nil {
		t.Fatal(err)
	}
}

// withdrawLate withdraws that consent while f happens; held: under a hold, which is then
// lifted while f happens.
func withdrawLate(t *testing.T, v *vaulttest.Vault, held bool, f func()) {
	t.Helper()
	hold := func(n *vault.Vault, held bool) {
		if err := n.SetHold(t.Context(), v.As("dpo", ""), "c-1", held, ""); err != nil {
			t.Fatal(err)
		}
	}
	withdrawn, n := vault.Decided{Purpose: "health", Decision: "withdrawn"}, v.Vault
	if held {
		hold(v.Vault, true)
	} else {
		n = late(t, v, f)
	}
	if _, err := says(t, n, v.As("dpo", ""), withdrawn); err != nil {
		t.Fatal(err)
	}
	if held {
		hold(late(t, v, f), false)
	}
}

// TestANoStandsWhateverClocksSay: on two nodes whose clocks are five minutes apart, a no
// that is acknowledged while a yes of the node that is ahead waits to be recorded stands;
// and so does one that is acknowledged after it.
func TestANoStandsWhateverClocksSay(t *testing.T) {
	for _, no := range []string{"withdrawn", "refused"} {
		t.Run(no, func(t *testing.T) {
			v := rightsVault(t)
			dpo, app := v.As("dpo", ""), v.As("app", "news")
			s := &earlyStore{Store: v.Store}
			ahead, err := vault.New(t.Context(), vault.Config{
				Store: s, Ring: v.Ring, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler),
				Now: func() time.Time { return v.Clock.Now().Add(5 * time.Minute) },
			})
			if err != nil {
				t.Fatal(err)
			}
			decide := func(n *vault.Vault, decision string) error {
				_, err := says(t, n, dpo, vault.Decided{Purpose: "news", Decision: decision})
				return err
			}
			shut := func() {
				t.Helper()
				for _, n := range []*vault.Vault{v.Vault, ahead} {
					wants(t, opens(t, n, app), "consent")
				}
			}
			for range 2 {
				s.first = func() {
					if err := decide(v.Vault, no); err != nil {
						t.Fatal(err)
					}
				}
				if err := decide(ahead, "granted"); !errors.Is(err, vault.ErrConflict) {
					t.Errorf("a yes that did not see the no: %v", err)
				}
				shut()
				if err := decide(ahead, "granted"); err != nil {
					t.Errorf("a yes after it: %v", err)
				}
				wants(t, opens(t, v.Vault, app), "plain")
				if err := decide(v.Vault, no); err != nil {
					t.Fatal(err)
				}
				shut()
				v.Clock.Advance(10 * time.Minute)
			}
		})
	}
}
