package fpe_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/fpe"
)

func BenchmarkEncrypt(b *testing.B) {
	digits := newCipher(b, unhex(b, nistKey), fpe.Digits)
	wide := newCipher(b, unhex(b, nistKey), fpe.Digits).Wide()
	for _, c := range []struct {
		name   string
		cipher *fpe.Cipher
		n      int
	}{
		{"card, 64 bits", digits, 16},
		{"card, big", wide, 16},
		{"100 digits", digits, 100},
		{"longest", digits, fpe.MaxLen},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			text, tweak := strings.Repeat("4", c.n), []byte("tenant/person/field")
			for b.Loop() {
				if _, err := c.cipher.Encrypt(tweak, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
