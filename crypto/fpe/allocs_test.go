//go:build !race

package fpe_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/fpe"
)

// TestAllocations pins how often a call allocates, which does not depend on the machine. (The race
// detector allocates as well, and makes pools forget: hence the build tag.)
func TestAllocations(t *testing.T) {
	c, wide := newCipher(t, unhex(t, nistKey), fpe.Digits), newCipher(t, unhex(t, nistKey), fpe.Digits).Wide()
	tweak, long := []byte("tenant/person/field"), strings.Repeat("4", 100)
	for _, r := range []struct {
		name string
		want float64
		f    func()
	}{
		{"64 bits: the result", 1, func() { _, _ = c.Encrypt(tweak, "4111111111111111") }},
		{"64 bits back: the result", 1, func() { _, _ = c.Decrypt(tweak, "4111111111111111") }},
		{"math/big: the result", 1, func() { _, _ = wide.Encrypt(tweak, "4111111111111111") }},
		{"math/big, long: the result", 1, func() { _, _ = c.Encrypt(tweak, long) }},
		{"a refusal by its characters: nothing", 0, func() { _, _ = c.Encrypt(tweak, "411111111111111x") }},
	} {
		r.f()
		if got := testing.AllocsPerRun(200, r.f); got > r.want {
			t.Errorf("%s: %v allocations, want %v", r.name, got, r.want)
		}
	}
}
