//go:build !race

package jwtauth_test

import "testing"

// TestARememberedTokenCostsNoAllocation: it is verified with every request. (The
// race detector allocates as well: hence the build tag.)
func TestARememberedTokenCostsNoAllocation(t *testing.T) {
	v, whole := verifier(t, config(newClock())), typical(keys()["a-ed"])
	if n := testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
