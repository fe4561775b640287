package tree_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/tree"
)

var appendVectors = flag.Bool("append-vectors", false, "append missing lines to the golden vectors")

// vectors are the golden lines. Add new ones at the end; never change one.
func vectors(t *testing.T) []string {
	t.Helper()
	l := newLog(t, numbers(1000))
	lines := []string{
		"leaf " + hex.EncodeToString(l.leaves[0]) + " " + hex.EncodeToString(l.hashes[0][0][:]),
		"key " + must(tree.VerifierKey(origin, public(key(1))))(t),
		"witness " + tree.CosignerKey(witness, public(key(9))),
	}
	for _, size := range []int64{0, 1, 2, 3, 7, 255, 256, 257, 1000} {
		c := l.at(size)
		lines = append(lines,
			fmt.Sprintf("root %d %x", size, c.Root[:]),
			fmt.Sprintf("checkpoint %d %q", size, l.signed(t, size)))
	}
	for _, tile := range []tree.Tile{{Width: 256}, {N: 1234067, Width: 17}, {Level: 1, Width: 3}, {Level: 63, N: 1000, Width: 256}} {
		lines = append(lines, "path "+tile.Path(), "path "+tree.EntriesPath(tile.N, tile.Width))
	}
	for _, i := range []int64{0, 255, 256, 999} {
		lines = append(lines, fmt.Sprintf("inclusion %d 1000 %v", i, must(tree.ProveInclusion(t.Context(), l, l.at(1000), i))(t)))
	}
	for _, from := range []int64{1, 256, 700} {
		lines = append(lines, fmt.Sprintf("consistency %d 1000 %v", from, must(tree.ProveConsistency(t.Context(), l, l.at(1000), from))(t)))
	}
	bundle := must(tree.AppendEntry(must(tree.AppendEntry(nil, l.leaves[0]))(t), nil))(t)
	return append(lines,
		"bundle "+hex.EncodeToString(bundle),
		fmt.Sprintf("cosigned %q", cosign(t, l.signed(t, 1000), witness, 9, time.Unix(1793620800, 0))))
}

// must takes a result and its error, and then the test that the error ends.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestGoldenVectors: what was once written is written so for ever.
func TestGoldenVectors(t *testing.T) {
	path := filepath.Join("testdata", "vectors.txt")
	b, err := os.ReadFile(path)
	if err != nil && !*appendVectors {
		t.Fatal(err)
	}
	golden := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(b) == 0 {
		golden = nil
	}
	lines := vectors(t)
	for i, want := range golden {
		if i >= len(lines) || lines[i] != want {
			t.Errorf("line %d is no longer what is written: %s", i+1, want)
		}
	}
	switch {
	case len(golden) >= len(lines):
	case !*appendVectors:
		t.Errorf("%d lines are missing; -append-vectors appends them", len(lines)-len(golden))
	default:
		text := strings.Join(append(golden, lines[len(golden):]...), "\n") + "\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
