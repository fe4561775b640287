package vault_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

const email = "luisg@embraer.com.br"

// withCustomer is a vault that holds customer c-1.
func withCustomer(t *testing.T) *vaulttest.Vault {
	t.Helper()
	v := newVault(t)
	v.Put(t, "c-1", "customer", "self", map[string]string{
		"first_name": "Luís", "last_name": "Gonçalves", "email": email, "phone": "+55 (12) 3923-5555", "country": "Brazil",
	})
	return v
}

// see reveals one field and says what came of it: a view and value, or an error.
func see(t *testing.T, v *vaulttest.Vault, c accessctl.Caller, subject, field string) string {
	t.Helper()
	out, err := v.Reveal(t.Context(), c, []vault.Item{{Subject: subject, Collection: "customer", Record: "self", Fields: []string{field}}})
	if err != nil {
		return name(err)
	}
	if out[0].Err != nil {
		return name(out[0].Err)
	}
	if len(out[0].Fields) == 0 {
		return "absent"
	}
	f := out[0].Fields[0]
	if f.View == accessctl.Hidden {
		return "hidden: " + string(f.Reason)
	}
	return f.View.String() + ": " + string(f.Value.Expose())
}

func name(err error) string {
	for text, e := range map[string]error{
		"denied": vault.ErrDenied, "not found": vault.ErrNotFound, "gone": vault.ErrGone, "held": vault.ErrHeld,
		"conflict": vault.ErrConflict, "integrity": vault.ErrIntegrity, "unavailable": vault.ErrUnavailable,
		"mismatch": vault.ErrMismatch, "too large": vault.ErrTooLarge,
	} {
		if errors.Is(err, e) {
			return text
		}
	}
	return err.Error()
}

func TestWhoSeesWhat(t *testing.T) {
	v := withCustomer(t)
	for _, tt := range []struct {
		role    accessctl.Role
		purpose accessctl.Purpose
		subject string
		want    string
	}{
		{"app", "support", "c-1", "plain: " + email},
		{"app", "billing", "c-1", "plain: " + email},
		{"app", "marketing", "c-1", "denied"},
		{"support", "support", "c-1", "masked: l••••@embraer.com.br"},
		{"support", "billing", "c-1", "denied"},
		{"billing", "billing", "c-1", "plain: " + email},
		{"marketing", "marketing", "c-1", "hidden: consent"},
		{"dpo", "support", "c-1", "denied"},
		{"analyst", "analytics", "c-1", "denied"},
		{"operator", "support", "c-1", "denied"},
		{"nobody", "support", "c-1", "denied"},
		{"support", "support", "c-2", "not found"},
		{"marketing", "marketing", "c-2", "not found"},
	} {
		if got := see(t, v, v.As(tt.role, tt.purpose), tt.subject, "email"); got != tt.want {
			t.Errorf("%s for %s sees of %s: %q, want %q", tt.role, tt.purpose, tt.subject, got, tt.want)
		}
	}
}

func TestConsentOpensAndWithdrawalCloses(t *testing.T) {
	v := withCustomer(t)
	marketing, dpo := v.As("marketing", "marketing"), v.As("dpo", "")
	decide := func(decision string) {
		t.Helper()
		if _, err := v.RecordConsent(t.Context(), dpo, vault.Decided{Subject: "c-1", Purpose: "marketing", Decision: decision}); err != nil {
			t.Fatal(err)
		}
	}
	decide("granted")
	if got := see(t, v, marketing, "c-1", "email"); got != "plain: "+email {
		t.Errorf("with consent: %q", got)
	}
	decide("withdrawn")
	if got := see(t, v, marketing, "c-1", "email"); got != "hidden: consent" {
		t.Errorf("after withdrawal: %q", got)
	}
}

func TestNobodySeesAfterErasure(t *testing.T) {
	v := withCustomer(t)
	billing := v.As("billing", "billing")
	if got := see(t, v, billing, "c-1", "email"); got != "plain: "+email {
		t.Fatalf("before: %q", got)
	}
	first, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1", Reason: "asked for"})
	if err != nil {
		t.Fatal(err)
	}
	if got := see(t, v, billing, "c-1", "email"); got != "gone" {
		t.Errorf("after: %q", got)
	}
	again, err := v.Erase(t.Context(), v.As("dpo", ""), vault.Erasing{Subject: "c-1"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(again)); diff != "" {
		t.Errorf("erasing again gives another certificate (-first +again):\n%s", diff)
	}
	if n, err := v.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v, want 1", n, err)
	}
	if got := see(t, v, billing, "c-1", "email"); got != "gone" {
		t.Errorf("after the sweep: %q", got)
	}
	w := vault.Write{Subject: "c-1", Collection: "customer", Record: "self", Fields: vaulttest.Values(map[string]string{"email": email})}
	if _, err := v.Vault.Put(t.Context(), v.As("app", "support"), w, vault.Idempotency{}); !errors.Is(err, vault.ErrGone) {
		t.Errorf("Put after erasure: %v, want ErrGone", err)
	}
}

// What one test does no other sees, though their vaults begin alike.
func TestVaultsOfOneTemplateShareNoState(t *testing.T) {
	one, other := withCustomer(t), newVault(t)
	if got := see(t, other, other.As("billing", "billing"), "c-1", "email"); got != "not found" {
		t.Errorf("another vault: %s", got)
	}
	if _, err := one.KEK.Rotate(t.Context(), vaulttest.Tenant); err != nil {
		t.Fatal(err)
	}
	if s, err := other.KEK.Status(t.Context(), vaulttest.Tenant); err != nil || s.Latest != 1 {
		t.Errorf("another vault's key-encryption key: %+v, %v", s, err)
	}
	if one.Path == other.Path || one.LedgerPath == other.LedgerPath {
		t.Error("two vaults share a file")
	}
}
