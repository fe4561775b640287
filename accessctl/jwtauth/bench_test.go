package jwtauth_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// BenchmarkVerify is what a token costs: seen for the first time, signed with each
// algorithm, and remembered.
func BenchmarkVerify(b *testing.B) {
	for _, id := range []string{"a-ed", "a-ec", "a-rsa"} {
		k := keys()[id]
		b.Run("first/"+k.alg, func(b *testing.B) {
			cfg := config(newClock())
			cfg.MaxCached = -1
			verifyAgain(b, verifier(b, cfg), typical(k))
		})
	}
	b.Run("remembered", func(b *testing.B) {
		verifyAgain(b, verifier(b, config(newClock())), typical(keys()["a-ed"]))
	})
}

func verifyAgain(b *testing.B, v *jwtauth.Verifier, whole string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), whole); err != nil {
			b.Fatal(err)
		}
	}
}

// typical is a token such as a service holds: two roles, narrowed to two purposes.
func typical(k keyPair) string {
	return token(k, header(k), payload(`roles=["app","billing"]`, `purposes=["billing","support"]`))
}
