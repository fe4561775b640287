package vault_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/erasure"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const day = 24 * time.Hour

// horizons are settings of an operator who keeps the key store's backups 10 days.
func horizons() erasure.Settings {
	return erasure.Settings{
		BackupRetention: 90 * day, KEKBackupRetention: 10 * day, VaultSnapshotRetention: 3 * day, TrimLag: 30 * day, IndexLag: 60 * day,
	}
}

// aging is a vault whose clock a test moves by days.
type aging struct {
	*testing.T
	*vaulttest.Vault
	first time.Time
}

// newAging makes one. Without indexes, only the key-encryption key matters.
func newAging(t *testing.T, indexed bool) *aging {
	t.Helper()
	catalog := string(sample.Catalog())
	if !indexed {
		catalog = unindexed(catalog)
	}
	v := newVault(t, vaulttest.Options{Catalog: catalog, Horizon: horizons()})
	return &aging{t, v, v.Clock.Now()}
}

// unindexed is a catalog without its indexes.
func unindexed(catalog string) string {
	return regexp.MustCompile(`, index: \{[^{}]*(\{[^{}]*\})?\}`).ReplaceAllString(catalog, "")
}

// at moves the clock to a day, or to just before it.
func (a *aging) at(days int, before time.Duration) {
	a.Helper()
	a.Clock.Advance(a.first.Add(time.Duration(days)*day - before).Sub(a.Clock.Now()))
}

// rotates adds a version, and moves everything to it.
func (a *aging) rotates() {
	a.Helper()
	rotate(a.T, a.Vault, vaulttest.Tenant)
	rewrap(a.T, a.Vault, a.Vault.Vault)
}

func (a *aging) retires() {
	a.Helper()
	if _, err := a.RetireKEK(a.Context(), a.Operator(), a.Keeper(), vaulttest.Tenant); err != nil {
		a.Fatal(err)
	}
}

func (a *aging) trims() {
	a.Helper()
	if _, err := a.TrimKEK(a.Context(), a.Operator(), a.Keeper(), vaulttest.Tenant); err != nil {
		a.Fatal(err)
	}
}

// past checks before which day the erased are past the horizon; negative: none is.
func (a *aging) past(when string, days int) {
	a.Helper()
	h, err := a.Horizon(a.Context(), vaulttest.Tenant)
	if err != nil {
		a.Fatal(err)
	}
	want := time.Time{}
	if days >= 0 {
		want = a.first.Add(time.Duration(days) * day)
	}
	if !h.ErasedBefore.Equal(want) {
		a.Errorf("%s: erased before %v is past, want %v", when, h.ErasedBefore, want)
	}
}

// I4: who was erased before a version was made is past the horizon once every version
// from before is destroyed, and the copies of the key store from before that are gone.
func TestErasedBeforeFollowsTheVersions(t *testing.T) {
	a := newAging(t, false)
	populate(t, a.Vault, 3)
	a.past("at first", -1)
	a.at(5, 0)
	a.rotates() // version 2
	a.past("after a rotation", -1)
	a.at(6, 0)
	a.retires()
	a.at(100, 0)
	a.past("retired long ago: that can be taken back", -1)
	a.trims()
	a.past("trimmed: backups of the key store are left", -1)
	a.at(110, time.Second)
	a.past("just before the last of them goes", -1)
	a.at(110, 0)
	a.past("the last is gone", 5)
	a.rotates() // version 3
	a.at(120, 0)
	a.retires()
	a.trims()
	a.at(130, time.Second)
	a.past("the second trim is too young, the first counts", 5)
	a.at(130, 0)
	a.past("the second counts", 110)
}

// A version that was destroyed past the service is destroyed from when it was seen to
// be; one that comes back, because the key store was restored, is not.
func TestErasedBeforeRestsOnWhatStands(t *testing.T) {
	a := newAging(t, false)
	a.at(5, 0)
	a.rotates()
	a.retires()
	a.at(20, 0)
	if err := a.Keeper().Trim(a.Context(), vaulttest.Tenant, 2); err != nil {
		t.Fatal(err)
	}
	a.at(40, 0)
	a.past("nobody has looked", -1)
	if err := a.ObserveKeys(a.Context()); err != nil {
		t.Fatal(err)
	}
	a.at(50, time.Second)
	a.past("it was seen 10 days ago, nearly", -1)
	a.at(45, 0)
	if err := a.ObserveKeys(a.Context()); err != nil {
		t.Fatal(err)
	}
	a.at(50, 0)
	a.past("seen 10 days ago, and again since", 5)

	if _, err := a.KeyStatus(a.Context(), a.Operator(), untrimmed{a.Keeper()}); err != nil {
		t.Fatal(err)
	}
	a.past("the key store was restored, and has the version", -1)
	a.at(51, 0)
	if err := a.ObserveKeys(a.Context()); err != nil {
		t.Fatal(err)
	}
	a.at(61, time.Second)
	a.past("it was destroyed again 10 days ago, nearly", -1)
	a.at(61, 0)
	a.past("it was destroyed again 10 days ago", 5)
}

// An untrimmed key store, restored from a copy, has every version again.
type untrimmed struct{ vault.KeyAdmin }

func (r untrimmed) Status(ctx context.Context, key string) (vault.KeyVersions, error) {
	s, err := r.KeyAdmin.Status(ctx, key)
	s.MinAvailable, s.MinDecrypt = 1, 1
	return s, err
}

// A version that nobody saw being made is taken to be as old as the one before.
func TestErasedBeforeOfAVersionMadePastTheService(t *testing.T) {
	a := newAging(t, false)
	a.at(5, 0)
	a.rotates() // version 2
	a.at(7, 0)
	if _, err := a.Keeper().Rotate(a.Context(), vaulttest.Tenant); err != nil { // version 3
		t.Fatal(err)
	}
	a.at(8, 0)
	if _, err := a.RewrapKEK(a.Context(), a.Operator(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	rewrap(t, a.Vault, a.Vault.Vault)
	a.retires()
	a.trims()
	a.at(30, 0)
	a.past("version 3, made on day 7, counts from day 5", 5)
}

// With indexes, an old dump with a living index key answers guesses: the erased wait
// until that is destroyed, and every version that wrapped it.
func TestErasedBeforeWaitsForIndexKeys(t *testing.T) {
	a := newAging(t, true)
	v := a.Vault
	v.Tampered() // index keys go by hand
	cycle := func(rotated int) {
		a.at(rotated, 0)
		a.rotates()
		a.retires()
		a.trims()
		a.at(rotated+10, 0)
	}
	cycle(5)
	a.past("its index keys live", -1)
	a.at(20, 0)
	err := v.Store.Update(t.Context(), func(tx vault.Tx) error {
		own, err := tx.TenantKeys(t.Context(), 1)
		if err != nil {
			return err
		}
		gone := 0
		for _, k := range own {
			if strings.HasPrefix(k.Label, "index/") {
				gone++
				if _, err := tx.DeleteTenantKey(t.Context(), 1, k.Label); err != nil {
					return err
				}
				if err := tx.NoteKey(t.Context(), 1, vault.KeyLife{Key: k.Label, Destroyed: v.Clock.Now()}); err != nil {
					return err
				}
			}
		}
		if gone == 0 {
			t.Error("the test has no index keys")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a.past("destroyed, but wrapped copies of the index keys open", -1)
	cycle(30)
	a.past("what wrapped them is destroyed, too", 30)
}

// Without the retention of the key store's copies nothing is said.
func TestErasedBeforeNeedsTheRetention(t *testing.T) {
	s := horizons()
	s.VaultSnapshotRetention = 0
	catalog := unindexed(string(sample.Catalog()))
	v := newVault(t, vaulttest.Options{Catalog: catalog, Horizon: s})
	a := &aging{t, v, v.Clock.Now()}
	a.at(5, 0)
	a.rotates()
	a.retires()
	a.trims()
	a.at(300, 0)
	a.past("a snapshot may be kept for ever", -1)
}
