package tree_test

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// TestProofsOfAllSmallTrees: every leaf and every prefix of every small tree has its
// proof, which proves nothing else.
func TestProofsOfAllSmallTrees(t *testing.T) {
	const most = 40
	l := newLog(t, numbers(most))
	for size := int64(0); size <= most; size++ {
		c := l.at(size)
		for i := range size {
			proof, err := tree.ProveInclusion(t.Context(), l, c, i)
			if err != nil {
				t.Fatalf("entry %d of %d: %v", i, size, err)
			}
			for other := range int64(most) {
				if err := tree.CheckInclusion(c, i, l.hashes[0][other], proof); errors.Is(err, tree.ErrProof) != (other != i) {
					t.Fatalf("the proof of entry %d of %d is checked for entry %d: %v", i, size, other, err)
				}
			}
			if err := tree.CheckInclusion(c, i+1, l.hashes[0][i], proof); !errors.Is(err, tree.ErrProof) {
				t.Fatalf("entry %d of %d at another index: %v", i, size, err)
			}
		}
		for from := range size + 1 {
			proof, err := tree.ProveConsistency(t.Context(), l, c, from)
			if err != nil {
				t.Fatalf("from %d to %d: %v", from, size, err)
			}
			for other := range int64(most + 1) {
				if err := tree.CheckConsistency(l.at(other), c, proof); errors.Is(err, tree.ErrProof) != (other != from) && (len(proof) > 0 || other != 0 && other != size) {
					t.Fatalf("the proof from %d to %d is checked from %d: %v", from, size, other, err)
				}
			}
		}
	}
}

// TestProofsOfLargerTrees: they hold at any size, and no bit of what they are checked
// with can change, and no hash be left out or added.
func TestProofsOfLargerTrees(t *testing.T) {
	l := newLog(t, numbers(1500))
	rapid.Check(t, func(t *rapid.T) {
		c := l.at(rapid.Int64Range(1, 1500).Draw(t, "size"))
		i := rapid.Int64Range(0, c.Size-1).Draw(t, "index")
		leaf := l.hashes[0][i]
		proof, err := tree.ProveInclusion(t.Context(), l, c, i)
		if err != nil || tree.CheckInclusion(c, i, leaf, proof) != nil {
			t.Fatalf("%v, %v", proof, err)
		}
		checkForged(t, c, proof, func(c tree.Checkpoint, p []tree.Hash) error { return tree.CheckInclusion(c, i, leaf, p) })
		leaf[3] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit of the leaf")
		if err := tree.CheckInclusion(c, i, leaf, proof); !errors.Is(err, tree.ErrProof) {
			t.Fatalf("of another leaf: %v", err)
		}
		old := l.at(rapid.Int64Range(0, c.Size).Draw(t, "from"))
		proof, err = tree.ProveConsistency(t.Context(), l, c, old.Size)
		if err != nil || tree.CheckConsistency(old, c, proof) != nil {
			t.Fatalf("%v, %v", proof, err)
		}
		if old.Size > 0 { // what an empty log is the beginning of says nothing
			checkForged(t, c, proof, func(c tree.Checkpoint, p []tree.Hash) error { return tree.CheckConsistency(old, c, p) })
		}
		old.Root[0] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit of the old root")
		if err := tree.CheckConsistency(old, c, proof); !errors.Is(err, tree.ErrProof) {
			t.Fatalf("of another old root: %v", err)
		}
	})
}

// checkForged fails unless check refuses what differs from the checkpoint and proof.
func checkForged(t *rapid.T, c tree.Checkpoint, proof []tree.Hash, check func(tree.Checkpoint, []tree.Hash) error) {
	t.Helper()
	bit := rapid.IntRange(0, 255).Draw(t, "bit")
	for i := range proof {
		bad := slices.Clone(proof)
		bad[i][bit/8] ^= 1 << (bit % 8)
		if err := check(c, bad); !errors.Is(err, tree.ErrProof) {
			t.Fatalf("hash %d of the proof may change: %v", i, err)
		}
		if err := check(c, slices.Delete(slices.Clone(proof), i, i+1)); !errors.Is(err, tree.ErrProof) {
			t.Fatalf("hash %d of the proof may be left out: %v", i, err)
		}
	}
	if err := check(c, append(slices.Clone(proof), tree.Hash{})); !errors.Is(err, tree.ErrProof) {
		t.Fatalf("the proof may be longer: %v", err)
	}
	c.Root[bit/8] ^= 1 << (bit % 8)
	if err := check(c, proof); !errors.Is(err, tree.ErrProof) {
		t.Fatalf("the root may change: %v", err)
	}
}

func TestProofsAreBounded(t *testing.T) {
	l := newLog(t, numbers(10))
	c := l.at(10)
	for _, i := range []int64{-1, 10, 11, 1 << 62} {
		if _, err := tree.ProveInclusion(t.Context(), l, c, i); !errors.Is(err, tree.ErrSize) {
			t.Errorf("entry %d: %v", i, err)
		}
		if err := tree.CheckInclusion(c, i, l.hashes[0][0], nil); !errors.Is(err, tree.ErrProof) {
			t.Errorf("entry %d is checked: %v", i, err)
		}
		if _, err := tree.ProveConsistency(t.Context(), l, c, i); i != 10 && !errors.Is(err, tree.ErrSize) {
			t.Errorf("from %d: %v", i, err)
		}
	}
	for _, size := range []int64{-1, 1<<60 + 1, 1<<63 - 1} { // which must end at once, too
		huge := tree.Checkpoint{Origin: origin, Size: size}
		if err := tree.CheckInclusion(huge, 0, tree.Hash{}, nil); !errors.Is(err, tree.ErrProof) {
			t.Errorf("size %d: %v", size, err)
		}
		if err := tree.CheckConsistency(c, huge, nil); !errors.Is(err, tree.ErrProof) {
			t.Errorf("size %d: %v", size, err)
		}
		if _, err := tree.ProveInclusion(t.Context(), l, huge, 0); !errors.Is(err, tree.ErrSize) {
			t.Errorf("size %d: %v", size, err)
		}
		if _, err := tree.ProveConsistency(t.Context(), l, huge, 0); !errors.Is(err, tree.ErrSize) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestCheckConsistencyComparesEqualSizes(t *testing.T) {
	l := newLog(t, numbers(10))
	other := l.at(10)
	other.Root[0] ^= 1
	moved := l.at(5)
	moved.Origin += "x"
	empty := tree.Checkpoint{Origin: origin, Root: tree.Hash{1}}
	for name, err := range map[string]error{
		"other roots":          tree.CheckConsistency(l.at(10), other, nil),
		"a proof too many":     tree.CheckConsistency(l.at(10), l.at(10), []tree.Hash{{}}),
		"smaller":              tree.CheckConsistency(l.at(10), l.at(9), nil),
		"another origin":       tree.CheckConsistency(l.at(5), moved, nil),
		"no empty root":        tree.CheckConsistency(empty, l.at(5), nil),
		"a proof from nothing": tree.CheckConsistency(l.at(0), l.at(5), []tree.Hash{{}}),
	} {
		if !errors.Is(err, tree.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoProofOfTilesThatDoNotFit: a proof that could be checked is not made from them.
func TestNoProofOfTilesThatDoNotFit(t *testing.T) {
	honest := newLog(t, numbers(1000))
	for _, c := range []struct{ level, n int }{{0, 300}, {0, 999}, {1, 1}, {1, 0}} {
		l := honest.clone()
		l.hashes[c.level][c.n][0] ^= 1
		bad := 0
		for _, i := range []int64{0, 300, 301, 600, 999} {
			proof, err := tree.ProveInclusion(t.Context(), l, honest.at(1000), i)
			switch {
			case errors.Is(err, tree.ErrBad) && proof == nil:
				bad++
			case err != nil || tree.CheckInclusion(honest.at(1000), i, honest.hashes[0][i], proof) != nil:
				t.Errorf("level %d, hash %d, entry %d: %v", c.level, c.n, i, err)
			}
		}
		if bad == 0 {
			t.Errorf("level %d, hash %d: not found", c.level, c.n)
		}
		if proof, err := tree.ProveConsistency(t.Context(), l, rewritten(t, 1000, 7).at(1000), 600); !errors.Is(err, tree.ErrBad) || proof != nil {
			t.Errorf("of another tree: %v, %v", proof, err)
		}
	}
	down := errors.New("down")
	l := honest.clone()
	l.fail = down
	if _, err := tree.ProveInclusion(t.Context(), l, honest.at(1000), 5); !errors.Is(err, down) || errors.Is(err, tree.ErrBad) {
		t.Errorf("unavailable: %v", err)
	}
	if _, err := tree.ProveConsistency(t.Context(), l, honest.at(1000), 5); !errors.Is(err, down) || errors.Is(err, tree.ErrBad) {
		t.Errorf("unavailable: %v", err)
	}
}
