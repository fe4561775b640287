package vault_test

import (
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// takeKind leases the job of a kind, after any other's lease has ended.
func takeKind(t *testing.T, v *vaulttest.Vault, kind string) (j vault.Job) {
	t.Helper()
	v.Clock.Advance(2 * time.Minute)
	now := v.Clock.Now()
	err := v.Store.Update(t.Context(), func(tx vault.Tx) (err error) {
		j, err = tx.TakeJob(t.Context(), []string{kind}, "test", now, now.Add(time.Minute))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// request asks for a change of the tenant's key, and leases the job.
func request(t *testing.T, v *vaulttest.Vault, kind string) vault.Job {
	t.Helper()
	if _, err := v.RequestKEK(t.Context(), v.As("operator", ""), kind); err != nil {
		t.Fatal(err)
	}
	return takeKind(t, v, kind)
}

// A keeper that dies after it has changed the key and before it can say so leaves a job
// that the next one ends as done. One that asks for what there is no reason for fails.
func TestAKeepersJobThatIsKilledIsDone(t *testing.T) {
	v := newVault(t)
	populate(t, v, 3)
	step := func(j vault.Job) (vault.Job, bool, error) {
		return v.KeyStep(t.Context(), v.Operator(), v.Keeper(), j)
	}
	for _, kind := range []string{vault.JobRetire, vault.JobTrim} {
		j := request(t, v, kind)
		_, _, err := step(j)
		wantKeyError(t, "nothing to do: "+kind, err)
		_, _, err = step(takeKind(t, v, kind))
		wantKeyError(t, "nothing to do, by another: "+kind, err)
		j = takeKind(t, v, kind)
		j.State = vault.JobFailed
		save(t, v, j)
	}
	rotate(t, v, vaulttest.Tenant)
	rewrap(t, v, v.Vault)
	for _, kind := range []string{vault.JobRetire, vault.JobTrim} {
		first, done, err := step(request(t, v, kind)) // and is killed
		if err != nil || !done {
			t.Fatalf("%s: done %t, %v", kind, done, err)
		}
		j, done, err := step(takeKind(t, v, kind))
		if err != nil || !done || j.Note != first.Note || j.Done != 1 {
			t.Fatalf("%s, taken over: done %t, %v: %+v", kind, done, err, j)
		}
		j.State = vault.JobDone
		save(t, v, j)
	}
	if s := kekStatus(t, v); s.MinDecrypt != 2 || s.MinAvailable != 2 {
		t.Errorf("the key is not retired and trimmed: %+v", s)
	}
	all(t, v, 0, 3, email)
}
