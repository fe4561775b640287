package vault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// Keys of a person that were changed to what cannot be read, or that their row says are
// under another version, stop no other's rewrap: the job says so and ends, nothing is
// retired before, and their person can be erased.
func TestKeysThatCannotBeReadAreNotLeftBehind(t *testing.T) {
	for name, sql := range map[string]string{
		"cut short":             `UPDATE subject SET keys = CAST(substr(keys, 1, 9) AS BLOB) WHERE uid = ?`,
		"said to be moved":      `UPDATE subject SET kek_version = 2 WHERE uid = ?`,
		"said to be destroyed":  `UPDATE subject SET kek_version = 0 WHERE uid = ?`,
		"none, and none to say": `UPDATE subject SET kek_version = 0, keys = x'01' WHERE uid = ?`,
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			populate(t, v, 30)
			first := keysBelow(t, v, 1<<30)[0]
			if _, err := behind(t, v).Exec(sql, first.UID[:]); err != nil {
				t.Fatal(err)
			}
			rotate(t, v, vaulttest.Tenant)
			j, done, err := take(t, v), false, error(nil)
			for range 30 {
				var next vault.Job
				if next, done, err = v.RewrapStep(t.Context(), j); err != nil || done {
					break
				}
				j = next
			}
			if !errors.Is(err, vault.ErrIntegrity) || done {
				t.Fatalf("the rewrap ends: %v, done %v", err, done)
			}
			for _, k := range keysBelow(t, v, 2) {
				if k.UID != first.UID {
					t.Fatal("a key of another person was left")
				}
			}
			j.State, j.Note = vault.JobFailed, "keys cannot be read"
			save(t, v, j)
			_, err = v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant)
			wantKeyError(t, "retiring with keys left", err)
			closed := 0
			for i := range 30 {
				subject := fmt.Sprintf("k-%d", i)
				if got := see(t, v, v.As("billing", "billing"), subject, "email"); got != "integrity" {
					continue
				}
				closed++
				if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: subject}); err != nil {
					t.Fatal(err)
				}
			}
			if closed != 1 {
				t.Errorf("%d people do not open, want 1", closed)
			}
			if _, err := v.RewrapKEK(t.Context(), v.Operator(), vaulttest.Tenant); err != nil {
				t.Fatal(err)
			}
			rewrap(t, v, v.Vault)
			if _, err := v.RetireKEK(t.Context(), v.Operator(), v.Keeper(), vaulttest.Tenant); err != nil {
				t.Errorf("retiring after the erasure: %v", err)
			}
		})
	}
}
