//go:build !race

package tree_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// TestHashingCostsNoAllocation: neither that of a leaf, nor what it changes in the
// tree. (The race detector allocates as well: hence the build tag.)
func TestHashingCostsNoAllocation(t *testing.T) {
	var r tree.Range
	leaf := event(t, "default", 0)
	if n := testing.AllocsPerRun(1000, func() {
		r.Append(tree.LeafHash(leaf), nil)
		r.Root()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
