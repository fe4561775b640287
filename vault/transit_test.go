package vault_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// The life of a version on the real Vault, each step with no more rights than its
// role has: the keeper, who may open no key, rotates, retires and trims; a node,
// which may change no key, moves what is wrapped.
func TestLifeOfAKEKVersionInVault(t *testing.T) {
	ctx, clock, server := t.Context(), vaulttest.NewClock(), transittest.Start(t)
	store, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: filepath.Join(t.TempDir(), "vault.db"), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	process := func(role string) (*transit.KEK, *vault.Vault, *keyring.Ring) {
		kek := transittest.New(t, server.Config(transit.Auth{Token: server.Token(role)}))
		ring, err := keyring.New(keyring.Config{KEK: kek, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ring.Close)
		if role == "keeper" {
			if err := vault.EnsureSystem(ctx, store, ring, kek); err != nil {
				t.Fatal(err)
			}
		}
		v, err := vault.New(ctx, vault.Config{Store: store, Ring: ring, Now: clock.Now, NewID: vaulttest.NewID, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return kek, v, ring
	}
	keeperKEK, keeper, _ := process("keeper")
	as := &vaulttest.Vault{Clock: clock}
	op := as.Operator()
	if _, err := keeper.CreateTenant(ctx, op, keeperKEK, vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	nodeKEK, n, nodeRing := process("node")
	if _, err := n.ApplyCatalog(ctx, op, sample.Catalog(), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.ApplyPolicy(ctx, op, sample.Policy(), false); err != nil {
		t.Fatal(err)
	}
	v := &vaulttest.Vault{Vault: n, Store: store, Ring: nodeRing, Clock: clock}
	populate(t, v, 520)
	old := firstKeys(t, v, 1)
	// To the keeper the tenant is closed; for an operator at the machine it acts all the same.
	admin := vault.NewKeyAdmin(keeperKEK)

	if _, _, err := n.RotateKEK(ctx, op, vault.NewKeyAdmin(nodeKEK), vaulttest.Tenant); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a node rotates: %v", err)
	}
	for _, key := range []string{vaulttest.Tenant, keyring.System} {
		if version, _, err := keeper.RotateKEK(ctx, op, admin, key); version != 2 || err != nil {
			t.Fatalf("rotating %s: version %d, %v", key, version, err)
		}
		if _, _, err := keeper.RewrapStep(ctx, vault.Job{Tenant: 1}); err == nil {
			t.Error("the keeper rewraps")
		}
		rewrap(t, v, n)
		if _, err := keeper.RetireKEK(ctx, op, admin, key); err != nil {
			t.Fatalf("retiring %s: %v", key, err)
		}
		if _, err := keeper.TrimKEK(ctx, op, admin, key); err != nil {
			t.Fatalf("trimming %s: %v", key, err)
		}
	}
	list, err := keeper.KeyStatus(ctx, op, admin)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.MinAvailable != 2 || s.Latest != 2 || len(s.Wraps) != 1 || s.Wraps[0].Version != 2 {
			t.Errorf("at the end: %+v", s)
		}
	}
	for name, row := range map[string]int32{vaulttest.Tenant: 1, keyring.System: vault.SystemTenant} {
		var lives []vault.KeyLife
		err := store.View(ctx, func(tx vault.Tx) (err error) {
			lives, err = tx.KeyLives(ctx, row)
			return err
		})
		for _, l := range lives {
			if l.Key == vault.LifeKEK && (l.Created.IsZero() || l.Destroyed.IsZero() != (l.Version == 2)) {
				t.Errorf("on record of %s: %+v", name, l)
			}
		}
		if len(lives) < 2 || err != nil {
			t.Errorf("on record of %s: %+v, %v", name, lives, err)
		}
	}
	_, cold, _ := process("node")
	out, err := cold.Reveal(ctx, as.As("billing", "billing"), []vault.Item{{Subject: "k-519", Collection: "customer", Record: "self", Fields: []string{"email"}}})
	if err != nil || out[0].Err != nil || string(out[0].Fields[0].Value.Expose()) != email {
		t.Errorf("a read at the end: %+v, %v", out, err)
	}
	if _, errs, err := nodeRing.Rewrap(ctx, old); err != nil || errs == nil || !errors.Is(errs[0], keyring.ErrUnwrap) {
		t.Errorf("a wrapped key from before opens: %v, %v", errs, err)
	}
}
