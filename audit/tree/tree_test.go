package tree_test

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// stored are the hashes of a tree as tlog keeps them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		hashes[i] = s[x]
	}
	return hashes, nil
}

func (s stored) with(t testing.TB, n int64, leaf []byte) stored {
	t.Helper()
	h, err := tlog.StoredHashes(n, leaf, s)
	if err != nil {
		t.Fatal(err)
	}
	return append(s, h...)
}

// TestRangeIsTheTreeOfRFC6962: of every size, its root is that which tlog computes,
// it comes back from its roots, and the subtrees that it reports are those of tlog.
func TestRangeIsTheTreeOfRFC6962(t *testing.T) {
	var r tree.Range
	var s stored
	complete := 0
	for n, leaf := range numbers(1101) {
		want, err := tlog.TreeHash(int64(n), s)
		if err != nil || r.Root() != want || r.Size() != int64(n) {
			t.Fatalf("size %d: root %v, want %v, %v", r.Size(), r.Root(), want, err)
		}
		again, err := tree.NewRange(r.Size(), r.Roots())
		if err != nil || again.Root() != want || !slices.Equal(again.Roots(), r.Roots()) {
			t.Fatalf("size %d comes back with the root %v, %v", n, again.Root(), err)
		}
		s = s.with(t, int64(n), leaf)
		again.Append(tree.LeafHash(leaf), func(level int, i int64, h tree.Hash) {
			complete++
			if want := s[tlog.StoredHashIndex(level*tree.Height, i)]; h != want {
				t.Errorf("hash %d of level %d is %v, want %v", i, level, h, want)
			}
		})
		r.Append(tree.LeafHash(leaf), nil)
		if again.Root() != r.Root() {
			t.Fatalf("size %d grows otherwise after it came back", n)
		}
	}
	if complete != 1101/tree.Width {
		t.Errorf("%d subtrees", complete)
	}
}

func TestRangeReportsSubtreesOfEveryLevel(t *testing.T) {
	start := int64(1<<24 - 1)
	roots := make([]tree.Hash, 24)
	for i := range roots {
		roots[i][0] = byte(i + 1)
	}
	r, err := tree.NewRange(start, roots)
	if err != nil {
		t.Fatal(err)
	}
	var got [][2]int64
	var last tree.Hash
	r.Append(tree.Hash{}, func(level int, n int64, h tree.Hash) {
		got, last = append(got, [2]int64{int64(level), n}), h
	})
	if want := [][2]int64{{1, 1<<16 - 1}, {2, 1<<8 - 1}, {3, 0}}; !slices.Equal(got, want) || last != r.Root() {
		t.Errorf("%v, want %v; %v is the root", got, want, r.Root())
	}
}

func TestRangeIsAValue(t *testing.T) {
	var a tree.Range
	for _, leaf := range numbers(6) {
		a.Append(tree.LeafHash(leaf), nil)
	}
	before, b := a.Root(), a
	b.Append(tree.Hash{1}, nil)
	if a.Root() != before || a.Size() != 6 || b.Size() != 7 || b.Root() == before {
		t.Error("a copy is not its own")
	}
}

func TestTheEmptyTree(t *testing.T) {
	var r tree.Range
	if r.Root() != sha256.Sum256(nil) || r.Size() != 0 || len(r.Roots()) != 0 {
		t.Errorf("%v", r.Root())
	}
}

// TestRangeOfAnySize: a tree of any size is determined by its roots.
func TestRangeOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 1<<60).Draw(t, "size")
		var roots []tree.Hash
		for i := range 61 {
			if size>>i&1 == 1 {
				roots = append(roots, tree.Hash{byte(i), 1})
			}
		}
		slices.Reverse(roots)
		r, err := tree.NewRange(size, roots)
		if err != nil || r.Size() != size || !slices.Equal(r.Roots(), roots) {
			t.Fatalf("%v, %v", r.Roots(), err)
		}
		if size == 0 {
			return
		}
		want, err := tlog.TreeHash(size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			hashes := make([]tlog.Hash, len(indexes))
			for i, x := range indexes {
				level, _ := tlog.SplitStoredHashIndex(x)
				hashes[i] = tree.Hash{byte(level), 1}
			}
			return hashes, nil
		}))
		if err != nil || r.Root() != want {
			t.Fatalf("root %v, want %v, %v", r.Root(), want, err)
		}
	})
}

func TestNewRangeRefuses(t *testing.T) {
	for name, bad := range map[string]struct {
		size  int64
		roots int
	}{
		"a root of nothing": {0, 1}, "no root": {1, 0}, "too few": {7, 2}, "too many": {8, 3},
		"negative": {-1, 64}, "too large": {1<<60 + 1, 2},
	} {
		if _, err := tree.NewRange(bad.size, make([]tree.Hash, bad.roots)); !errors.Is(err, tree.ErrSize) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
