package vault_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const consentCatalog = `
title: Test
groups:
  marketing: {title: Marketing}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
  marketing: {title: Marketing, text: To sell, benefit: Offers, basis: consent}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support], index: {kind: equality}}
      taste: {title: Taste, type: text, purposes: [marketing], group: marketing, index: {kind: equality}}
  other:
    title: Other
    fields:
      note: {title: Note, type: text, purposes: [support]}
`

const openPolicy = `permit(principal in Role::"app", action, resource);
permit(principal in Role::"dpo", action, resource is Person);
permit(principal in Role::"operator", action, resource is Service);
permit(principal in Role::"notes", action, resource in Collection::"other");
permit(principal in Role::"subject", action, resource) when { context.own };`

func events(t *testing.T, v *vaulttest.Vault) []audit.Event {
	t.Helper()
	return v.Events(t)
}

func wantInvalid(t *testing.T, err error) {
	t.Helper()
	var bad *vault.InvalidError
	if !errors.As(err, &bad) {
		t.Errorf("got %v, want an *InvalidError", err)
	}
}

func open(t *testing.T, v *vaulttest.Vault) *sql.DB {
	t.Helper()
	v.Tampered()
	db, err := sql.Open("sqlite", v.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func decide(t *testing.T, v *vaulttest.Vault, subject, decision string) {
	t.Helper()
	if _, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: subject, Purpose: "marketing", Decision: decision}); err != nil {
		t.Fatal(err)
	}
}

func TestAttackSearchNoCollection(t *testing.T) {
	v := withCustomer(t)
	_, err := v.Search(t.Context(), v.As("app", "support"), vault.Query{Field: "email", Equals: json.RawMessage(`"a@example.org"`)})
	wantInvalid(t, err)
}

func TestAttackDeleteNoCollection(t *testing.T) {
	v := withCustomer(t)
	wantInvalid(t, v.Delete(t.Context(), v.As("app", "support"), "c-1", "", "self", 0))
}

func TestAttackSecondNodeGetsSettings(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: "-", Policy: "-"})
	n := v.Node(t, nil)
	if _, err := v.ApplyCatalog(t.Context(), v.Operator(), []byte(consentCatalog), false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ApplyPolicy(t.Context(), v.Operator(), []byte(openPolicy), false); err != nil {
		t.Fatal(err)
	}
	_, err := n.Put(t.Context(), v.As("app", "support"), write(map[string]string{"email": email}), vault.Idempotency{})
	if err != nil {
		t.Errorf("put on the second node: %v", err)
	}
	for _, c := range n.Ready(t.Context()) {
		if !c.OK {
			t.Errorf("%+v", c)
		}
	}
}

func TestAttackEmptyPutForAnother(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: consentCatalog, Policy: openPolicy})
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	w := vault.Write{Subject: "c-2", Collection: "customer", Record: "self", Patch: true}
	out, err := v.Vault.Put(t.Context(), v.Person("c-1", "self"), w, vault.Idempotency{})
	if !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a person patches another's record: %+v, %v", out, err)
	}
	w = vault.Write{Subject: "c-3", Collection: "customer", Record: "self"}
	out, err = v.Vault.Put(t.Context(), v.As("notes", "support"), w, vault.Idempotency{})
	if !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a role without any right to the collection makes a person and a record: %+v, %v", out, err)
	}
}

func TestAttackActorOfAnotherPerson(t *testing.T) {
	v := withCustomer(t)
	v.Put(t, "c-2", "customer", "self", map[string]string{"email": email})
	if got := see(t, v, v.Person("c-2", "self"), "c-1", "email"); got != "not found" {
		t.Errorf("another person sees %q", got)
	}
	es := events(t, v)
	e := es[len(es)-1]
	if e.Actor == "self:"+e.UID.String() {
		t.Errorf("the log says that the victim looked: %s %s %s", e.Actor, e.Outcome, e.Code)
	}
}

func TestAttackAllHiddenIsDenied(t *testing.T) {
	v := withCustomer(t)
	if got := see(t, v, v.As("marketing", "marketing"), "c-1", "email"); got != "hidden: consent" {
		t.Fatal(got)
	}
	es := events(t, v)
	if e := es[len(es)-1]; e.Outcome != audit.Denied {
		t.Errorf("nothing was shown, and the log says %s %s", e.Outcome, e.Code)
	}
}

func TestAttackStarWithoutExportIsRecorded(t *testing.T) {
	v := withCustomer(t)
	before := len(events(t, v))
	if got := see(t, v, v.As("app", "support"), "c-1", "*"); got != "denied" {
		t.Fatal(got)
	}
	if len(events(t, v)) == before {
		t.Error("a refusal left no event")
	}
}

func TestAttackStaleGrant(t *testing.T) {
	v := withCustomer(t)
	decide(t, v, "c-1", "granted")
	v.Ring.Forget(vaulttest.Tenant, subjectUID(t, v, "c-1"))
	v.KEK.Stop()
	done := make(chan error, 1)
	go func() {
		_, err := v.RecordConsent(t.Context(), v.As("dpo", ""), vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: "granted", Evidence: json.RawMessage(`{"a":1}`)})
		done <- err
	}()
	v.KEK.AwaitHeld(1)
	v.Clock.Advance(time.Millisecond)
	decide(t, v, "c-1", "withdrawn")
	v.KEK.Continue()
	err := <-done
	if got := see(t, v, v.As("marketing", "marketing"), "c-1", "email"); got != "hidden: consent" {
		t.Errorf("a grant made before the withdrawal was recorded after it (%v), and opens: %s", err, got)
	}
}

func TestAttackConsentReplay(t *testing.T) {
	v := withCustomer(t)
	decide(t, v, "c-1", "granted")
	v.Clock.Advance(time.Second)
	decide(t, v, "c-1", "withdrawn")
	db := open(t, v)
	if _, err := db.Exec(`UPDATE consent SET (decision, notice, method, at, expires, mac) = (SELECT decision, notice, method, at, expires, mac FROM consent_event h WHERE h.uid = consent.uid AND h.purpose = consent.purpose ORDER BY id LIMIT 1)`); err != nil {
		t.Fatal(err)
	}
	if got := see(t, v, v.As("marketing", "marketing"), "c-1", "email"); got != "hidden: consent" {
		t.Errorf("an older consent put back opens: %s", got)
	}
	r, err := v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(r.Findings) == 0 {
		t.Errorf("and fsck finds nothing: %+v %v", r, err)
	}
}

func TestAttackOldGroupKeyPutBack(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: consentCatalog, Policy: openPolicy})
	decide(t, v, "c-1", "granted")
	v.Put(t, "c-1", "customer", "self", map[string]string{"taste": "jazz", "email": email})
	db := open(t, v)
	stolen := storedKeys(t, db)
	decide(t, v, "c-1", "withdrawn")
	v.Clock.Advance(time.Second)
	decide(t, v, "c-1", "granted")
	if got := see(t, v, v.As("app", "marketing"), "c-1", "taste"); got != "absent" {
		t.Fatal(got)
	}
	bendKeys(t, db, func(uid uuid.UUID, k *vault.DataKey) {
		if k.Group == 3 {
			*k = *keyOf(t, stolen, uid, 3)
		}
	})
	if got := see(t, v, v.As("app", "marketing"), "c-1", "taste"); got == "plain: jazz" {
		t.Errorf("the group's old key, put back, opens: %s", got)
	}
}

func TestAttackFsckMissingRow(t *testing.T) {
	for name, q := range map[string]string{
		"deleted":    `DELETE FROM record`,
		"revision 0": `UPDATE record SET revision = 0, deleted = 1, sealed = NULL`,
		"raised":     `UPDATE record SET revision = revision + 5`,
	} {
		t.Run(name, func(t *testing.T) {
			v := withCustomer(t)
			if _, err := open(t, v).Exec(q); err != nil {
				t.Fatal(err)
			}
			if _, err := open(t, v).Exec(`DELETE FROM search_index`); err != nil {
				t.Fatal(err)
			}
			r, err := v.Fsck(t.Context(), v.Operator(), nil)
			if err != nil || len(r.Findings) == 0 {
				t.Errorf("fsck finds nothing: %+v %v", r, err)
			}
			for _, f := range r.Findings {
				t.Log(f.What)
			}
		})
	}
}

func TestAttackMismatchMakesPerson(t *testing.T) {
	v := withCustomer(t)
	app := v.As("app", "support")
	if _, err := v.Vault.Put(t.Context(), app, write(map[string]string{"email": email}), vault.Idempotency{Key: "k", Request: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	w := write(map[string]string{"email": email})
	w.Subject = "c-2"
	if _, err := v.Vault.Put(t.Context(), app, w, vault.Idempotency{Key: "k", Request: []byte("2")}); !errors.Is(err, vault.ErrMismatch) {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-2"}); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("a refused write made the person: erase = %v", err)
	}
}

func TestAttackBatchHidesRefusal(t *testing.T) {
	v := withCustomer(t)
	if err := v.SetHold(t.Context(), v.As("dpo", ""), "c-1", true, ""); err != nil {
		t.Fatal(err)
	}
	bad := write(map[string]string{"email": "x@example.org"})
	good := bad
	good.Record = "second"
	out, err := v.PutBatch(t.Context(), v.As("app", "support"), []vault.Write{bad, good}, vault.Idempotency{})
	if err != nil || !errors.Is(out[0].Err, vault.ErrHeld) || out[1].Err != nil {
		t.Fatal(out, err)
	}
	es := events(t, v)
	if e := es[len(es)-1]; e.Code != "held" {
		t.Errorf("an overwrite of held data was refused, and the log does not say so: %s %q", e.Outcome, e.Code)
	}
}

func TestAttackRetiredCollection(t *testing.T) {
	v := newVault(t, vaulttest.Options{Catalog: consentCatalog, Policy: openPolicy})
	v.Put(t, "c-1", "other", "self", map[string]string{"note": "x"})
	next := []byte(`
title: Test
groups:
  marketing: {title: Marketing}
purposes:
  support: {title: Support, text: To help, benefit: Help, basis: contract}
  marketing: {title: Marketing, text: To sell, benefit: Offers, basis: consent}
collections:
  customer:
    title: Customers
    fields:
      email: {title: E-mail, type: email, purposes: [support], index: {kind: equality}}
      taste: {title: Taste, type: text, purposes: [marketing], group: marketing, index: {kind: equality}}
`)
	if _, err := v.ApplyCatalog(t.Context(), v.Operator(), next, false); err != nil {
		t.Fatal(err)
	}
}

func TestAttackSweepStarvedAndDestructive(t *testing.T) {
	v := withCustomer(t)
	db := open(t, v)
	if _, err := db.Exec(`PRAGMA ignore_check_constraints = on; UPDATE subject SET state = 2; PRAGMA ignore_check_constraints = off`); err != nil {
		t.Fatal(err)
	}
	n, err := v.Sweep(t.Context())
	t.Log(n, err)
	if _, err := db.Exec(`UPDATE subject SET generation = 1`); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.QueryRow(`SELECT count(*) FROM subject WHERE keys IS NOT NULL`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left == 0 {
		t.Error("one flipped column, unmarked, and the sweep destroyed a living person's keys and records")
	}
}

func TestAttackReenrolKeepsNoCertificate(t *testing.T) {
	v := withCustomer(t)
	dpo := v.As("dpo", "")
	if _, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	db := open(t, v)
	if _, err := db.Exec(`UPDATE subject SET certificate = x'7b7d'`); err != nil {
		t.Fatal(err)
	}
	c, err := v.Erase(t.Context(), dpo, vault.Erasing{Subject: "c-1"})
	if err == nil && string(c) == "{}" {
		t.Error("a certificate changed by SQL is handed out as ours")
	}
}

// After a step of the clock backwards the bound of 5 s does not vanish.
func TestAttackClockStepsBack(t *testing.T) {
	v := withCustomer(t)
	v.Ring.Forget(vaulttest.Tenant, subjectUID(t, v, "c-1"))
	v.KEK.Stop()
	answer := make(chan string, 1)
	go func() { answer <- see(t, v, v.As("billing", "billing"), "c-1", "email") }()
	v.KEK.AwaitHeld(1)
	if _, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"}); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(-time.Hour)
	v.KEK.Continue()
	if got := <-answer; got != "gone" {
		t.Errorf("clock an hour back and an erasure: %q", got)
	}
}

func TestAttackRaisedRevision(t *testing.T) {
	v := withCustomer(t)
	if _, err := open(t, v).Exec(`UPDATE record SET revision = revision + 5`); err != nil {
		t.Fatal(err)
	}
	r, err := v.Fsck(t.Context(), v.Operator(), nil)
	if err != nil || len(r.Findings) == 0 {
		t.Errorf("fsck finds nothing: %+v %v", r, err)
	}
}

// duplicates in one batch, with an idempotency key, twice
