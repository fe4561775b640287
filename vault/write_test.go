package vault_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

func write(fields map[string]string) vault.Write {
	return vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: vaulttest.Values(fields)}
}

func TestPutReplacesAndPatchMerges(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	patch := write(map[string]string{"city": "Prague"})
	patch.Patch = true
	patch.Fields["phone"] = json.RawMessage("null")
	out, err := v.Vault.Put(t.Context(), app, patch, vault.Idempotency{})
	if err != nil || out.Revision != 2 || out.Created {
		t.Fatalf("patch = %+v, %v", out, err)
	}
	for field, want := range map[string]string{"city": "plain: Prague", "phone": "absent", "email": "plain: " + email} {
		if got := see(t, v, app, "c-1", field); got != want {
			t.Errorf("after the patch, %s: %q, want %q", field, got, want)
		}
	}
	out, err = v.Vault.Put(t.Context(), app, write(map[string]string{"email": "new@example.org"}), vault.Idempotency{})
	if err != nil || out.Revision != 3 {
		t.Fatalf("put = %+v, %v", out, err)
	}
	for field, want := range map[string]string{"city": "absent", "email": "plain: new@example.org"} {
		if got := see(t, v, app, "c-1", field); got != want {
			t.Errorf("after the put, %s: %q, want %q", field, got, want)
		}
	}
}

func TestRevisionsGoOnOverDeletion(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 9); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("delete at a wrong revision: %v", err)
	}
	if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 1); err != nil {
		t.Fatal(err)
	}
	if got := see(t, v, app, "c-1", "email"); got != "not found" {
		t.Errorf("after deletion: %q", got)
	}
	if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 0); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("deleting again: %v", err)
	}
	patch := write(map[string]string{"city": "Oslo"})
	patch.Patch = true
	if _, err := v.Vault.Put(t.Context(), app, patch, vault.Idempotency{}); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("patch of a deleted record: %v", err)
	}
	out, err := v.Vault.Put(t.Context(), app, write(map[string]string{"city": "Oslo"}), vault.Idempotency{})
	if err != nil || out.Revision != 3 || !out.Created {
		t.Errorf("put after deletion = %+v, %v, want revision 3, created", out, err)
	}
}

func TestIfMatch(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	w := write(map[string]string{"city": "Oslo"})
	w.IfMatch = 2
	if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{}); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("wrong revision: %v", err)
	}
	w.IfMatch = 1
	if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{}); err != nil {
		t.Errorf("right revision: %v", err)
	}
	w.Subject = "c-404"
	if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{}); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("unknown person: %v", err)
	}
}

func TestRefusedValuesAreNamedByFieldAndRuleOnly(t *testing.T) {
	v := withCustomer(t)
	w := write(map[string]string{"email": "not an address canary-7391", "phone": "canary-7391", "nosuch": "canary-7391"})
	_, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{})
	var bad *vault.InvalidError
	if !errors.As(err, &bad) || len(bad.Problems) != 3 {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error shows a value: %v", err)
	}
}

// I15: one effect, and the answer dies with the person.
func TestIdempotency(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	once := vault.Idempotency{Key: "k1", Request: []byte("PUT city Oslo")}
	w := write(map[string]string{"city": "Oslo"})
	for range 3 {
		out, err := v.Vault.Put(t.Context(), app, w, once)
		if err != nil || out.Revision != 2 {
			t.Fatalf("put = %+v, %v, want revision 2", out, err)
		}
	}
	other := vault.Idempotency{Key: "k1", Request: []byte("PUT city Paris")}
	if _, err := v.Vault.Put(t.Context(), app, w, other); !errors.Is(err, vault.ErrMismatch) {
		t.Errorf("the same key for another request: %v", err)
	}
	stranger := app
	stranger.Subject = "another"
	if out, err := v.Vault.Put(t.Context(), stranger, w, once); err != nil || out.Revision != 3 {
		t.Errorf("another principal's key = %+v, %v, want revision 3", out, err)
	}
	v.Clock.Advance(25 * 60 * 60 * 1e9)
	if out, err := v.Vault.Put(t.Context(), app, w, once); err != nil || out.Revision != 4 {
		t.Errorf("a day later = %+v, %v, want revision 4", out, err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Vault.Put(t.Context(), app, w, once); !errors.Is(err, vault.ErrGone) {
		t.Errorf("after erasure: %v, want ErrGone", err)
	}
}

func TestBatchAnswersEachItem(t *testing.T) {
	v := withCustomer(t)
	good := write(map[string]string{"city": "Oslo"})
	stale := write(map[string]string{"city": "Oslo"})
	stale.Record, stale.IfMatch = "other", 7
	unknown := write(map[string]string{"city": "Oslo"})
	unknown.Collection = "nosuch"
	fresh := write(map[string]string{"city": "Bergen"})
	fresh.Subject = "c-2"
	out, err := v.PutBatch(t.Context(), v.As("app", "support"), []vault.Write{good, stale, unknown, fresh}, vault.Idempotency{})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil || out[0].Revision != 2 {
		t.Errorf("good: %+v", out[0])
	}
	if !errors.Is(out[1].Err, vault.ErrConflict) {
		t.Errorf("stale: %+v", out[1])
	}
	if out[2].Err == nil {
		t.Errorf("unknown collection: %+v", out[2])
	}
	if out[3].Err != nil || !out[3].Created {
		t.Errorf("new person: %+v", out[3])
	}
}

func TestFiftyFirstWritesOfOnePersonMakeOneKey(t *testing.T) {
	v := newVault(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			w := write(map[string]string{"city": "Oslo"})
			w.Record = fmt.Sprintf("r%d", i)
			if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	page, err := v.List(t.Context(), v.As("app", "support"), "c-1", "customer", "", 0)
	if err != nil || len(page.Records) != 50 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

// I17, and DESIGN 7: a hold refuses everything that destroys ciphertext.
func TestHold(t *testing.T) {
	v := withCustomer(t)
	dpo, app := v.As("dpo", ""), v.As("app", "support")
	if err := v.SetHold(t.Context(), dpo, "c-1", true, "litigation"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("erase: %v", err)
	}
	if err := v.Delete(t.Context(), app, "c-1", "customer", "self", 0); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("delete: %v", err)
	}
	if _, err := v.Vault.Put(t.Context(), app, write(map[string]string{"email": "x@example.org"}), vault.Idempotency{}); !errors.Is(err, vault.ErrHeld) {
		t.Errorf("overwrite: %v", err)
	}
	add := write(map[string]string{"city": "Oslo"})
	add.Patch = true
	if _, err := v.Vault.Put(t.Context(), app, add, vault.Idempotency{}); err != nil {
		t.Errorf("adding a field: %v", err)
	}
	if got := see(t, v, app, "c-1", "email"); got != "plain: "+email {
		t.Errorf("reading: %q", got)
	}
	if err := v.SetHold(t.Context(), dpo, "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Errorf("erase after the hold: %v", err)
	}
}

func TestRestrictionHidesFromTheNextRead(t *testing.T) {
	v := withCustomer(t)
	dpo := v.As("dpo", "")
	if err := v.SetRestriction(t.Context(), dpo, "c-1", true, "accuracy contested"); err != nil {
		t.Fatal(err)
	}
	if got := see(t, v, v.As("billing", "billing"), "c-1", "email"); got != "hidden: restricted" {
		t.Errorf("billing: %q", got)
	}
	if got := see(t, v, v.Person("c-1", "self"), "c-1", "email"); got != "plain: "+email {
		t.Errorf("the person: %q", got)
	}
	if err := v.SetRestriction(t.Context(), dpo, "c-1", false, ""); err != nil {
		t.Fatal(err)
	}
	if got := see(t, v, v.As("billing", "billing"), "c-1", "email"); got != "plain: "+email {
		t.Errorf("after lifting: %q", got)
	}
}

func TestAConsentUnderOneKeyIsRecordedOnce(t *testing.T) {
	v := withCustomer(t)
	dpo := v.As("dpo", "")
	once := vault.Decided{
		Subject: "c-1", Purpose: "marketing", Decision: "granted",
		Once: vault.Idempotency{Key: "k", Request: []byte("granted")},
	}
	first, err := v.RecordConsent(t.Context(), dpo, once)
	if err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(1e9)
	if again, err := v.RecordConsent(t.Context(), dpo, once); err != nil || string(again) != string(first) {
		t.Errorf("repeated: another receipt, %v", err)
	}
	withdraw := vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: "withdrawn"}
	if _, err := v.RecordConsent(t.Context(), dpo, withdraw); err != nil {
		t.Fatal(err)
	}
	if _, err := v.RecordConsent(t.Context(), dpo, once); err != nil {
		t.Errorf("repeated after the withdrawal: %v", err)
	}
	if got := see(t, v, v.As("marketing", "marketing"), "c-1", "email"); got != "hidden: consent" {
		t.Errorf("a repeated grant opened what was withdrawn: %q", got)
	}
	once.Once.Request = []byte("another")
	if _, err := v.RecordConsent(t.Context(), dpo, once); !errors.Is(err, vault.ErrMismatch) {
		t.Errorf("the key for another request: %v", err)
	}
}

func TestAValueThatIsTooLarge(t *testing.T) {
	v := withCustomer(t)
	w := write(map[string]string{"address": strings.Repeat("x", 65<<10)})
	if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); !errors.Is(err, vault.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}
