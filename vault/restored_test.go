package vault_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A restoredStore becomes another incarnation of the database between what a request
// reads first and its transaction.
type restoredStore struct {
	vault.Store
	vault.Settler
	restored *atomic.Bool
}

type restoredTx struct{ vault.Tx }

func (restoredTx) Incarnation(context.Context) (string, error) { return "another", nil }

func (s restoredStore) Update(ctx context.Context, f func(vault.Tx) error) error {
	return s.Store.Update(ctx, func(tx vault.Tx) error {
		if s.restored.Load() {
			tx = restoredTx{tx}
		}
		return f(tx)
	})
}

// A database that was restored after a request was let in takes nothing of it that
// would begin something on a state that the ledger may contradict. What protects
// people goes through.
func TestADatabaseRestoredUnderARequest(t *testing.T) {
	v := newVault(t)
	for _, s := range []string{"c-1", "c-2", "c-3"} {
		v.Put(t, s, "customer", "self", map[string]string{"email": email})
	}
	dpo, app := v.As("dpo", ""), v.As("app", "")
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-3"}); err != nil {
		t.Fatal(err)
	}
	settler, ok := v.Store.(vault.Settler)
	if !ok {
		t.Fatal("the store does not settle")
	}
	store := restoredStore{Store: v.Store, Settler: settler, restored: new(atomic.Bool)}
	n, err := vault.New(t.Context(), vault.Config{
		Store: store, Ring: v.Ring, Ledger: v.Ledger, Now: v.Clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	store.restored.Store(true)
	consent := func(decision string) error {
		_, err := n.RecordConsent(t.Context(), dpo, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: decision})
		return err
	}
	put := vault.Write{Subject: "c-1", Collection: "customer", Record: "new", Fields: vaulttest.Values(map[string]string{"email": email})}
	for name, do := range map[string]func() error{
		"delete":  func() error { return n.Delete(t.Context(), app, "c-1", "customer", "self", 0) },
		"reenrol": func() error { _, err := n.Reenrol(t.Context(), dpo, "c-3"); return err },
		"grant":   func() error { return consent("granted") },
		"put": func() error {
			_, err := n.Put(t.Context(), v.As("app", "support"), put, vault.Idempotency{})
			return err
		},
		"rotate": func() error { _, _, err := n.RotatePerson(t.Context(), v.As("operator", ""), "c-1"); return err },
	} {
		if err := do(); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
	}
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"withdraw", func() error { return consent("withdrawn") }},
		{"hold", func() error { return n.SetHold(t.Context(), dpo, "c-2", true, "") }},
		{"release", func() error { return n.SetHold(t.Context(), dpo, "c-2", false, "") }},
		{"erase", func() error { _, err := n.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-2"}); return err }},
	} {
		if err := c.do(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if got := see(t, v, v.As("billing", "billing"), "c-1", "email"); got != "plain: "+email {
		t.Errorf("what was to be deleted is %q", got)
	}
}
