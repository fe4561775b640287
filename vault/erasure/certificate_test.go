package erasure_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault/erasure"
)

func facts() erasure.Facts {
	return erasure.Facts{
		ID: uuid.UUID{1}, Tenant: "acme", Lookup: bytes.Repeat([]byte{7}, 16), Generation: 2, Scope: evidence.WholePerson,
		Destroyed: []evidence.KeyLost{{Group: "identity", GroupID: 1, Epoch: 1, Version: 1, KEKVersion: 3}},
		Actor:     "https://issuer.example.org#dpo", Event: uuid.UUID{2}, ErasedAt: noon,
	}
}

func promised(s erasure.Settings) func(*erasure.Facts) {
	return func(f *erasure.Facts) { f.Horizon = s.Horizon(noon) }
}

// A certificate promises what is true, and signs and opens again.
func TestCertificate(t *testing.T) {
	key := sha256.Sum256([]byte("a signing key"))
	signer, err := evidence.NewSigner(key[:])
	if err != nil {
		t.Fatal(err)
	}
	const noLimit, inLedger, noLedger, livesOn = "No time limit is promised", "on record outside the database", "no ledger is configured", "The person lives on"
	for _, tt := range []struct {
		name      string
		edit      func(*erasure.Facts)
		says      []string
		saysNot   []string
		guarantee int
	}{
		{"nothing configured", func(*erasure.Facts) {}, []string{noLimit, noLedger, "the fence"}, []string{inLedger, livesOn}, 5},
		{"with a ledger", func(f *erasure.Facts) { f.Ledger = true }, []string{noLimit, inLedger}, []string{noLedger}, 5},
		{"with a horizon", promised(settings()), []string{noLedger, "itself destroyed within 90 days"}, []string{noLimit}, 8},
		{"only backups of the database", promised(erasure.Settings{BackupRetention: day}), []string{noLimit, "deleted within 1 day."}, nil, 6},
		{"groups", func(f *erasure.Facts) { f.Scope = evidence.KeyGroups }, []string{livesOn, "of these groups"}, []string{"the fence"}, 5},
		{"a second person", func(f *erasure.Facts) { f.Approver = "https://issuer.example.org#chief" }, nil, nil, 5},
		{"nothing to destroy", func(f *erasure.Facts) { f.Destroyed = nil }, nil, nil, 5},
	} {
		f := facts()
		tt.edit(&f)
		doc, err := signer.Sign(erasure.Certificate(f))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		c, _, err := evidence.OpenCertificate(doc, signer.Public())
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if len(c.Guarantees) != tt.guarantee || c.ApprovedBy != f.Approver || c.Ledger != f.Ledger || !c.Horizon.Equal(f.Horizon.At) || !c.IssuedAt.Equal(noon) {
			t.Errorf("%s: %+v", tt.name, c)
		}
		for _, s := range tt.says {
			if !strings.Contains(string(doc), s) {
				t.Errorf("%s: does not say %q:\n%s", tt.name, s, doc)
			}
		}
		for _, s := range tt.saysNot {
			if strings.Contains(string(doc), s) {
				t.Errorf("%s: says %q:\n%s", tt.name, s, doc)
			}
		}
	}
	f := facts()
	f.Approver = f.Actor
	if _, err := signer.Sign(erasure.Certificate(f)); err == nil {
		t.Error("one who is their own second person is certified")
	}
}
