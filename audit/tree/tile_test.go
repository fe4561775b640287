package tree_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/tree"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct {
		tile    tree.Tile
		entries bool
		path    string
	}{
		{tree.Tile{Width: 256}, false, "tile/0/000"},
		{tree.Tile{Width: 1}, false, "tile/0/000.p/1"},
		{tree.Tile{N: 1234, Width: 256}, false, "tile/0/x001/234"},
		{tree.Tile{N: 1234, Width: 17}, false, "tile/0/x001/234.p/17"},
		{tree.Tile{Level: 2, N: 1234067, Width: 255}, false, "tile/2/x001/x234/067.p/255"},
		{tree.Tile{Level: 63, N: 1000, Width: 256}, false, "tile/63/x001/000"},
		{tree.Tile{N: 1<<52 - 1, Width: 256}, false, "tile/0/x004/x503/x599/x627/x370/495"},
		{tree.Tile{N: 5, Width: 256}, true, "tile/entries/005"},
		{tree.Tile{N: 999999, Width: 128}, true, "tile/entries/x999/999.p/128"},
	} {
		path := c.tile.Path()
		if c.entries {
			path = tree.EntriesPath(c.tile.N, c.tile.Width)
		}
		got, entries, err := tree.ParsePath(c.path)
		if path != c.path || got != c.tile || entries != c.entries || err != nil {
			t.Errorf("%v is %q, want %q, which is %v, %v, %v", c.tile, path, c.path, got, entries, err)
		}
	}
}

func badPaths() []string {
	return []string{
		"", "/", "tile", "tile/", "tile//", "tile/0", "tile/0/", "tile/000", "0/000", "/tile/0/000", "Tile/0/000", "tile/tile/0/000",
		"tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1234", "tile/0/x000/001", "tile/0/x000", "tile/0/x001", "tile/0/001/234",
		"tile/0/x001/x234", "tile/0/x001//234", "tile/0/x01/234", "tile/0/X001/234", "tile/0/xx01/234", "tile/0/-01", "tile/0/+01",
		"tile/0/0x1", "tile/0/1e2", "tile/0/ 01", "tile/0/001 ", "tile/0/001\n", "tile/0/\u0661\u0661\u0661",
		"tile/00/001", "tile/01/001", "tile/-1/001", "tile/64/001", "tile/256/001", "tile/a/001", "tile//001", "tile/data/001", "tile/8/data/001", "tile/8/0/001",
		"tile/0/001.p", "tile/0/001.p/", "tile/0/001.p/0", "tile/0/001.p/00", "tile/0/001.p/01", "tile/0/001.p/256", "tile/0/001.p/-1", "tile/0/001.p/+1",
		"tile/0/001.p/1/", "tile/0/001.p/1.p/1", "tile/0/001.P/1", "tile/0/001p/1", "tile/0/x001.p/1/001", "tile/0/001/.p/1", "tile/0/001..p/1",
		"tile/0/../001", "tile/0/./001", "tile/0/001/..", "tile/0/%30%30%31", "tile/entries", "tile/entries/", "tile/entries/1", "tile/entries/0/001", "tile/entries/001.p/256",
		"tile/0/x004/x503/x599/x627/x370/496", "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/x009/x223/x372/x036/x854/x775/807", "tile/0/x018/x446/x744/x073/x709/x551/617",
		"tile/0/" + strings.Repeat("x001/", 1000) + "001", "checkpoint",
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, path := range badPaths() {
		if tile, _, err := tree.ParsePath(path); !errors.Is(err, tree.ErrPath) || tile != (tree.Tile{}) {
			t.Errorf("%q: %v, %v", path, tile, err)
		}
	}
}

// TestPathsRoundTrip: every tile has one path, which is its own.
func TestPathsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<rapid.IntRange(0, 52).Draw(t, "bits")-1).Draw(t, "n")
		tile := tree.Tile{Level: rapid.IntRange(0, 63).Draw(t, "level"), N: n, Width: rapid.IntRange(1, 256).Draw(t, "width")}
		if got, entries, err := tree.ParsePath(tile.Path()); got != tile || entries || err != nil {
			t.Fatalf("%v came back as %v, %v, %v", tile, got, entries, err)
		}
		tile.Level = 0
		if got, entries, err := tree.ParsePath(tree.EntriesPath(n, tile.Width)); got != tile || !entries || err != nil {
			t.Fatalf("bundle %v came back as %v, %v, %v", tile, got, entries, err)
		}
	})
}

// allTiles are all tiles of a tree of the given size.
func allTiles(size int64) map[tree.Tile]bool {
	all := map[tree.Tile]bool{}
	for level := 0; size > 0; level, size = level+1, size/tree.Width {
		for n := range (size + tree.Width - 1) / tree.Width {
			all[tree.Tile{Level: level, N: n, Width: int(min(tree.Width, size-n*tree.Width))}] = true
		}
	}
	return all
}

// checkTilesOf compares with the naive model: what is added is what the larger tree has
// and the smaller one has not.
func checkTilesOf(t failer, from, to int64) {
	t.Helper()
	before, want := allTiles(from), allTiles(to)
	for tile := range before {
		delete(want, tile)
	}
	got := tree.TilesOf(from, to)
	for _, tile := range got {
		if !want[tile] {
			t.Fatalf("from %d to %d: %v is not added", from, to, tile)
		}
		delete(want, tile)
	}
	sorted := slices.IsSortedFunc(got, func(a, b tree.Tile) int {
		return 2*(a.Level-b.Level) + int(min(1, max(-1, a.N-b.N)))
	})
	if len(want) > 0 || !sorted {
		t.Fatalf("from %d to %d: %v are left out; sorted: %v", from, to, want, sorted)
	}
}

func TestTilesOfIsAllThatIsNew(t *testing.T) {
	sizes := []int64{0, 1, 2, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65792, 131071, 131072, 131073}
	for i, from := range sizes {
		for _, to := range sizes[i:] {
			checkTilesOf(t, from, to)
		}
	}
	for _, bad := range [][2]int64{{1, 0}, {5, 5}, {0, 0}, {-1, 1}, {256, 255}} {
		if got := tree.TilesOf(bad[0], bad[1]); len(got) > 0 {
			t.Errorf("from %d to %d: %v", bad[0], bad[1], got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 5000).Draw(t, "from")
		checkTilesOf(t, from, from+rapid.Int64Range(0, 3000).Draw(t, "more"))
	})
}

// TestBundlesRoundTrip: what was appended comes back, and no more.
func TestBundlesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 256).Draw(t, "leaves")
		var bundle []byte
		var err error
		for _, leaf := range leaves {
			if bundle, err = tree.AppendEntry(bundle, leaf); err != nil {
				t.Fatal(err)
			}
		}
		got, err := tree.SplitEntries(bundle, len(leaves))
		if err != nil || !slices.EqualFunc(got, leaves, bytes.Equal) || slices.ContainsFunc(got, func(b []byte) bool { return b == nil }) {
			t.Fatalf("%q came back as %q, %v", leaves, got, err)
		}
		cut := bundle[:rapid.IntRange(0, len(bundle)-1).Draw(t, "cut")]
		if _, err := tree.SplitEntries(cut, len(leaves)); !errors.Is(err, tree.ErrFormat) {
			t.Fatalf("cut to %d bytes: %v", len(cut), err)
		}
		if _, err := tree.SplitEntries(append(bundle, 0), len(leaves)); !errors.Is(err, tree.ErrFormat) {
			t.Fatalf("one byte more: %v", err)
		}
	})
}

func TestEntriesAreBounded(t *testing.T) {
	b, err := tree.AppendEntry(nil, make([]byte, 65535))
	if err != nil || len(b) != 65537 || b[0] != 0xff || b[1] != 0xff {
		t.Errorf("the longest entry: %d bytes, %v", len(b), err)
	}
	if b, err := tree.AppendEntry([]byte("x"), make([]byte, 65536)); !errors.Is(err, tree.ErrSize) || string(b) != "x" {
		t.Errorf("longer: %d bytes, %v", len(b), err)
	}
	for name, bad := range map[string]struct {
		bundle string
		width  int
	}{
		"empty": {"", 1}, "half a length": {"\x00", 1}, "no content": {"\x00\x01", 1}, "one missing": {"\x00\x00", 2},
		"one more": {"\x00\x00\x00\x00", 1}, "width 0": {"", 0}, "width -1": {"", -1}, "width 257": {strings.Repeat("\x00", 514), 257},
	} {
		if got, err := tree.SplitEntries([]byte(bad.bundle), bad.width); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	two, err := tree.SplitEntries([]byte("\x00\x01a\x00\x01b"), 2)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(two[0], "xxx"...)
	if string(two[1]) != "b" {
		t.Errorf("appending to an entry changes the next: %q", two[1])
	}
}
