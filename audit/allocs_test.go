//go:build !race

package audit_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/audit"
)

// TestParseLeafAllocations: the parser, five texts, the list of ten fields as it
// grows five times, the leaf again to compare with, and nothing for each field. (The
// race detector allocates as well: hence the build tag.) Those of AppendLeaf are
// pinned by TestAppendLeafAllocatesOnce.
func TestParseLeafAllocations(t *testing.T) {
	text := []byte(leaf(t, tenFields()))
	if n := testing.AllocsPerRun(200, func() {
		if _, err := audit.ParseLeaf(text); err != nil {
			t.Fatal(err)
		}
	}); n > 12 {
		t.Errorf("%v allocations", n)
	}
}

// TestLeafWriterAllocations: events that share their fields are written into the room that
// there is.
func TestLeafWriterAllocations(t *testing.T) {
	e, room := tenFields(), make([]byte, 0, audit.MaxLeaf)
	var w audit.LeafWriter
	if n := testing.AllocsPerRun(200, func() {
		if _, err := w.Append(room, &e); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
