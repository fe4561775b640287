//go:build !race

package consent_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl/consent"
)

// TestAllocations pins what a read pays for each consent row. (The race detector
// allocates as well: hence the build tag.)
func TestAllocations(t *testing.T) {
	e, uid := typical(), uuid.MustParse("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f")
	for _, c := range []struct {
		name string
		want float64
		f    func()
	}{
		{"Under: nothing", 0, func() { e.Under(7, now) }},
		{"Check: nothing", 0, func() { _ = e.Check(now) }},
		{"Canonical: the list of parts, and their bytes", 2, func() { consent.Canonical("default", uid, e) }},
	} {
		if got := testing.AllocsPerRun(200, c.f); got > c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
}
