package vault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/erasure"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// people makes n people and returns their names.
func people(t *testing.T, v *vaulttest.Vault, n int) (names []string) {
	t.Helper()
	for i := range n {
		names = append(names, fmt.Sprintf("c-%03d", i))
		v.Put(t, names[i], "customer", "self", map[string]string{"email": names[i] + "@example.org"})
	}
	return names
}

// officer is a data-protection officer of that name.
func officer(v *vaulttest.Vault, name string) accessctl.Caller {
	c := v.As("dpo", "")
	c.Subject = name
	return c
}

func asked(t *testing.T, err error) vault.ApprovalError {
	t.Helper()
	var waits *vault.ApprovalError
	if !errors.As(err, &waits) {
		t.Fatalf("the error is %v, want one that asks for a second person", err)
	}
	return *waits
}

// I17: the 21st erasure within an hour waits for a second, different person.
func TestTheTwentyFirstErasureWaitsForASecondPerson(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerMille: -1}})
	names := people(t, v, 24)
	first, second := officer(v, "first"), officer(v, "second")
	for _, n := range names[:20] {
		if _, err := v.Erase(t.Context(), first, vault.Erasing{Subject: n}); err != nil {
			t.Fatal(err)
		}
	}
	late := vault.Erasing{Subject: names[20]}
	_, err := v.Erase(t.Context(), first, late)
	waits := asked(t, err)
	if got := see(t, v, v.As("app", "support"), names[20], "email"); got != "plain: "+names[20]+"@example.org" {
		t.Errorf("while it waits: %q", got)
	}
	_, err = v.Erase(t.Context(), first, late)
	if again := asked(t, err); again.ID != waits.ID {
		t.Error("asked again there is another approval")
	}
	if _, err := v.Approve(t.Context(), first, waits.ID, true); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("the one who asked approves: %v", err)
	}
	if _, err := v.Approve(t.Context(), v.As("support", ""), waits.ID, true); !errors.Is(err, vault.ErrDenied) {
		t.Errorf("a role that may not erase approves: %v", err)
	}
	w, err := v.Approve(t.Context(), second, waits.ID, true)
	if err != nil || w.State != "approved" {
		t.Fatalf("%+v, %v", w, err)
	}
	// It holds for exactly what was asked, by the one who asked, once.
	if _, err := v.Erase(t.Context(), first, vault.Erasing{Subject: names[21]}); err == nil {
		t.Error("the approval of one person erased another")
	}
	raw, err := v.Erase(t.Context(), first, late)
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := evidence.OpenCertificate(raw, v.VerifierKey()); err != nil || c.ApprovedBy != second.Actor() {
		t.Errorf("the certificate names as second person %q (%v)", c.ApprovedBy, err)
	}
	if _, err := v.Reenrol(t.Context(), first, names[20]); err != nil {
		t.Fatal(err)
	}
	_, err = v.Erase(t.Context(), first, late)
	if spent := asked(t, err); spent.ID == waits.ID {
		t.Error("a spent approval is used again")
	}
	if _, err := v.Erase(t.Context(), second, vault.Erasing{Subject: names[22]}); err != nil {
		t.Errorf("another officer is counted with the first: %v", err)
	}
	v.Clock.Advance(time.Hour + time.Second)
	if _, err := v.Erase(t.Context(), first, vault.Erasing{Subject: names[23]}); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestAnApprovalCannotBeForged(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: 1, PerMille: -1}})
	names := people(t, v, 3)
	if _, err := v.Erase(t.Context(), officer(v, "first"), vault.Erasing{Subject: names[0]}); err != nil {
		t.Fatal(err)
	}
	_, err := v.Erase(t.Context(), officer(v, "first"), vault.Erasing{Subject: names[1]})
	asked(t, err)
	if _, err := behind(t, v).Exec(`UPDATE approval SET state = 2, decider = 'somebody'`); err != nil {
		t.Fatal(err)
	}
	_, err = v.Erase(t.Context(), officer(v, "first"), vault.Erasing{Subject: names[1]})
	asked(t, err)
}

func TestAnApprovalExpires(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: 1, PerMille: -1, Window: 1000 * time.Hour}})
	names := people(t, v, 2)
	first, second := officer(v, "first"), officer(v, "second")
	if _, err := v.Erase(t.Context(), first, vault.Erasing{Subject: names[0]}); err != nil {
		t.Fatal(err)
	}
	_, err := v.Erase(t.Context(), first, vault.Erasing{Subject: names[1]})
	waits := asked(t, err)
	if _, err := v.Approve(t.Context(), second, waits.ID, true); err != nil {
		t.Fatal(err)
	}
	v.Clock.Advance(erasure.ApprovalLife + time.Minute)
	_, err = v.Erase(t.Context(), first, vault.Erasing{Subject: names[1]})
	if again := asked(t, err); again.ID == waits.ID {
		t.Error("an approval that has expired stands again")
	}
	if _, err := v.Approve(t.Context(), second, waits.ID, false); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("deciding an expired one: %v", err)
	}
}

func TestAListIsApprovedAsAWhole(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: 3, PerMille: -1}})
	names := people(t, v, 8)
	first, second := officer(v, "first"), officer(v, "second")
	run := func(list []string) (done int, err error) {
		err = v.EraseMany(t.Context(), first, list, nil, func(one vault.ErasedOne) {
			if one.Err != nil {
				t.Errorf("%s: %v", one.Subject, one.Err)
			}
			done++
		})
		return done, err
	}
	if n, err := run(names[:3]); n != 3 || err != nil {
		t.Fatalf("a short list: %d, %v", n, err)
	}
	n, err := run(names[3:])
	waits := asked(t, err)
	if n != 0 {
		t.Errorf("%d of a list that waits were erased", n)
	}
	if _, err := v.Approve(t.Context(), second, waits.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := run(names[4:]); err == nil {
		t.Error("another list passes with the approval of this one")
	}
	for range 2 { // broken off, it is run again
		if n, err := run(names[3:]); n != 5 || err != nil {
			t.Errorf("the approved list: %d, %v", n, err)
		}
	}
	for _, name := range names {
		if got := see(t, v, v.As("app", "support"), name, "email"); got != "gone" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAShareOfTheTenantWaits(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: -1, PerMille: 100, MinPeople: 10}})
	names := people(t, v, 20)
	for i, n := range names[:3] {
		_, err := v.Erase(t.Context(), officer(v, fmt.Sprint("officer ", i)), vault.Erasing{Subject: n})
		if i < 2 && err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			asked(t, err)
		}
	}
}

// A person may always erase themself: the breaker is against insiders.
func TestThePersonNeedsNobodyElse(t *testing.T) {
	v := newVault(t, vaulttest.Options{Limits: erasure.Limits{PerWindow: 1, PerMille: 1, MinPeople: 1}, Policy: plainPolicy})
	for _, n := range people(t, v, 3) {
		if _, err := v.Erase(t.Context(), v.Person(n, ""), vault.Erasing{Subject: n}); err != nil {
			t.Errorf("%s: %v", n, err)
		}
	}
}
