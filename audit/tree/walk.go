package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// maxDoubts bounds the hashes of a tile for which choose tries both of two values.
const maxDoubts = 8

// entries, as a level to compute from, stands below the levels of the tiles.
const entries = -1

// walker goes down a tree from its root to its leaves, in the order of the leaves,
// and trusts a hash only if the hashes next to it and itself give the trusted one
// above.
//
// Where stored hashes do not, it asks which of them are to blame: a stored hash can
// be replaced by what is computed from the level below. If some choice gives the
// trusted hash, then all that was chosen is right, and only the rest is wrong. If none
// does, nothing below is known to be right, and the first leaf below is named.
//
// A zero Hash stands for one that is not there.
type walker struct {
	source Source
	emit   func(context.Context, *bundle) error
}

// walk hands the bundles of the checkpoint's log to emit, with the hashes that their
// entries must have. It returns a *BadError for the first leaf whose hash is not to be
// trusted; all bundles before it have then been emitted.
func (w walker) walk(ctx context.Context, c Checkpoint) error {
	var edge []Tile
	for level := (maxSizeBits - 1) / Height; level >= 0; level-- {
		hashes := c.Size >> (Height * level)
		if width := int(hashes % Width); width > 0 {
			edge = append(edge, Tile{Level: level, N: hashes / Width, Width: width})
		}
	}
	return w.group(ctx, edge, func(h []Hash) bool { return rootOf(edge, h) == c.Root })
}

// rootOf returns the root of the tree whose right edge is in the given tiles, highest
// level first, if these have the given hashes.
func rootOf(edge []Tile, hashes []Hash) Hash {
	var all Range
	for _, t := range edge {
		var r Range
		for _, h := range hashes[:t.Width] {
			r.Append(h, nil)
		}
		hashes = hashes[t.Width:]
		for i, h := range r.roots {
			if r.size>>i&1 == 1 {
				all.roots[i+Height*t.Level] = h
			}
		}
		all.size += r.size << (Height * t.Level)
	}
	return all.Root()
}

// group walks what is below tiles, which are in the order of their leaves. fits
// says whether all their hashes are right.
func (w walker) group(ctx context.Context, tiles []Tile, fits func([]Hash) bool) error {
	stored, err := w.stored(ctx, tiles)
	if err != nil {
		return err
	}
	right := stored
	if !fits(stored) {
		if right, err = w.doubt(ctx, tiles, stored, fits); err != nil {
			return err
		}
	}
	for _, t := range tiles {
		if err := w.tile(ctx, t, stored[:t.Width], right[:t.Width]); err != nil {
			return err
		}
		stored, right = stored[t.Width:], right[t.Width:]
	}
	return nil
}

// doubt returns the right hashes of tiles whose stored ones do not fit. If hashes are
// missing, so that nothing can be compared, it takes those there are for right.
func (w walker) doubt(ctx context.Context, tiles []Tile, stored []Hash, fits func([]Hash) bool) ([]Hash, error) {
	if len(tiles) == 0 {
		return nil, &BadError{Index: 0, Why: "the checkpoint's root is not that of an empty log"}
	}
	all := slices.Clone(stored)
	for from := tiles[0].Level - 1; from >= entries; from-- {
		computed, err := w.computedAll(ctx, tiles, from)
		if err != nil {
			return nil, err
		}
		if right, ok := choose(stored, computed, fits); ok {
			return right, nil
		}
		for i, h := range computed {
			if all[i] == (Hash{}) {
				all[i] = h
			}
		}
	}
	if !slices.Contains(all, Hash{}) {
		return nil, &BadError{Index: tiles[0].first(0), Why: "from this entry on, the stored hashes do not fit the root of the checkpoint"}
	}
	return all, nil
}

// choose returns, of the stored hashes and those computed from below, hashes that fit.
func choose(stored, below []Hash, fits func([]Hash) bool) ([]Hash, bool) {
	var doubts []int
	for i := range stored {
		if below[i] != (Hash{}) && below[i] != stored[i] {
			doubts = append(doubts, i)
		}
	}
	right := slices.Clone(stored)
	if len(doubts) > maxDoubts { // too many to try all: take none or all from below
		for _, i := range doubts {
			right[i] = below[i]
		}
		return right, fits(right)
	}
	for mask := range 1 << len(doubts) {
		for bit, i := range doubts {
			right[i] = stored[i]
			if mask>>bit&1 == 1 {
				right[i] = below[i]
			}
		}
		if fits(right) {
			return right, true
		}
	}
	return nil, false
}

// tile walks what is below one tile, given its stored hashes and the right ones.
func (w walker) tile(ctx context.Context, t Tile, stored, right []Hash) error {
	if t.Level == 0 {
		return w.leaves(ctx, t, stored, right)
	}
	for i, h := range right {
		if h != stored[i] {
			why := "the hash that is stored for this entry and those after it, at level %d of the tiles, is missing or wrong"
			return &BadError{Index: t.first(i), Why: fmt.Sprintf(why, t.Level)}
		}
		fits := func(below []Hash) bool { return h != (Hash{}) && tileRoot(below) == h }
		if err := w.group(ctx, []Tile{t.child(i)}, fits); err != nil {
			return err
		}
	}
	return nil
}

// leaves emits the bundle of a tile of level 0, up to the first entry whose stored
// hash is not the right one.
func (w walker) leaves(ctx context.Context, t Tile, stored, right []Hash) error {
	leaves, err := w.entries(ctx, t)
	if err != nil {
		return err
	}
	n, why := t.Width, ""
	if len(leaves) > n {
		why = "an entry more than were logged"
	}
	for i, h := range right {
		if h != stored[i] || h == (Hash{}) {
			n, why = i, "the hash that is stored for this entry is missing or wrong"
			break
		}
	}
	if err := w.emit(ctx, &bundle{first: t.first(0), leaves: leaves[:n], want: right[:n]}); err != nil || why == "" {
		return err
	}
	return &BadError{Index: t.first(n), Why: why}
}

// stored returns the hashes of tiles as they are stored.
func (w walker) stored(ctx context.Context, tiles []Tile) ([]Hash, error) {
	return w.computedAll(ctx, tiles, maxLevel)
}

// computedAll returns the hashes of tiles, each as computed says.
func (w walker) computedAll(ctx context.Context, tiles []Tile, from int) ([]Hash, error) {
	var all []Hash
	for _, t := range tiles {
		h, err := w.computed(ctx, t, from)
		if err != nil {
			return nil, err
		}
		all = append(all, h...)
	}
	return all, nil
}

// computed returns the hashes of a tile as they follow from those stored at the level
// named from, or from the entries; the stored ones for a tile not above it.
func (w walker) computed(ctx context.Context, t Tile, from int) ([]Hash, error) {
	hashes, err := w.hashes(ctx, t)
	if err != nil || t.Level <= from {
		return hashes, err
	}
	if t.Level == 0 {
		leaves, err := w.entries(ctx, t)
		for i, leaf := range leaves[:min(len(leaves), t.Width)] {
			if leaf != nil {
				hashes[i] = LeafHash(leaf)
			}
		}
		return hashes, err
	}
	for i := range hashes {
		below, err := w.computed(ctx, t.child(i), from)
		if err != nil {
			return nil, err
		}
		hashes[i] = tileRoot(below)
	}
	return hashes, nil
}

// hashes reads a tile. One that is too long counts for nothing.
func (w walker) hashes(ctx context.Context, t Tile) ([]Hash, error) {
	data, err := w.source.Tile(ctx, t)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading a tile: %w", err)
	}
	hashes := make([]Hash, t.Width)
	if len(data) > t.Width*tlog.HashSize {
		return hashes, nil
	}
	for i := range len(data) / tlog.HashSize {
		hashes[i] = Hash(data[i*tlog.HashSize:])
	}
	return hashes, nil
}

// entries reads the bundle of a tile of level 0: at least t.Width leaves, nil where
// one is missing. Of a bundle that is malformed all are.
func (w walker) entries(ctx context.Context, t Tile) ([][]byte, error) {
	leaves, err := w.source.Entries(ctx, t.N, t.Width)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrFormat) {
		return nil, fmt.Errorf("reading a bundle: %w", err)
	}
	if missing := t.Width - len(leaves); missing > 0 {
		leaves = append(slices.Clip(leaves), make([][]byte, missing)...)
	}
	return leaves, nil
}

// tileRoot returns the root over the hashes of a complete tile, and a zero Hash if one
// of them is missing.
func tileRoot(hashes []Hash) Hash {
	if slices.Contains(hashes, Hash{}) {
		return Hash{}
	}
	h := slices.Clone(hashes)
	for n := len(h); n > 1; n /= 2 {
		for i := range n / 2 {
			h[i] = tlog.NodeHash(h[2*i], h[2*i+1])
		}
	}
	return h[0]
}
