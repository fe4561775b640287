//go:build !race

package vault_test

import (
	"math"
	"testing"
)

// TestRevealAllocations bounds what a read allocates: so much for a call and so much
// for each field of a large one, the store's and the driver's share included. (The
// race detector allocates as well: hence the build tag.)
func TestRevealAllocations(t *testing.T) {
	for _, c := range []struct {
		people int
		most   float64
	}{{1, 340}, {100, 8.5 * 1000}} {
		v := newCrowd(t, c.people)
		v.reveal(t.Context(), t)
		// The least of several: the store's own work between the calls is not the call's.
		least := math.Inf(1)
		for range 5 {
			least = min(least, testing.AllocsPerRun(3, func() { v.reveal(t.Context(), t) }))
		}
		if least > c.most {
			t.Errorf("%d people x 10 fields: %v allocations, want at most %v", c.people, least, c.most)
		}
	}
}
