package evidence_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/evidence"
)

// A service certifies an erasure; anyone who has the public key can check it.
func Example() {
	signer, err := evidence.NewSigner(make([]byte, 32)) // a real seed is random
	if err != nil {
		fmt.Println(err)
		return
	}
	when := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	doc, err := signer.Sign(&evidence.Certificate{
		ID:         uuid.MustParse("01932b5e-7c00-7000-8000-0000000000c1"),
		Tenant:     "default",
		Fence:      "00112233445566778899aabbccddeeff",
		Generation: 1,
		Scope:      evidence.WholePerson,
		Destroyed:  []evidence.KeyLost{{Group: "default", GroupID: 2, Version: 1, KEKVersion: 3}},
		ErasedAt:   when,
		ErasedBy:   "https://id.example.org#dpo-1",
		Event:      uuid.MustParse("01932b5e-7c00-7000-8000-000000000001"),
		Guarantees: []evidence.Guarantee{{Text: "Every live copy of the keys is destroyed.", Kind: evidence.Cryptographic}},
		Ledger:     true,
		IssuedAt:   when,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	public, err := evidence.ParseKey("ed25519:O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _, err := evidence.OpenCertificate(doc, public)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.ErasedBy, c.ErasedAt.Format(time.RFC3339), c.Guarantees[0].Kind)
	// Output: https://id.example.org#dpo-1 2026-11-02T09:30:00Z cryptographic
}
