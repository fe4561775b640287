package tree

import (
	"context"
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Source is where a log is read from. What it returns is what is stored, unverified.
// It is called by one goroutine at a time.
//
// A source that has a wider tile or bundle than is asked for returns the beginning of
// it. What is not there is left out (a tile of fewer hashes, a bundle of fewer entries)
// or is an error that wraps fs.ErrNotExist. Every other error means that it is not known
// what is stored.
type Source interface {
	// Checkpoint returns the newest signed checkpoint.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile returns the hashes of a tile, one after the other: t.Width*32 bytes.
	Tile(ctx context.Context, t Tile) ([]byte, error)
	// Entries returns the leaves of the n-th bundle. A nil element is an entry that is
	// not there, because it was pruned or removed.
	Entries(ctx context.Context, n int64, width int) ([][]byte, error)
}

// ProveInclusion returns the proof that the checkpoint's tree has the leaf at the
// given index, for CheckInclusion. The tiles it is made from have been checked
// against the checkpoint, which the caller has opened; ErrBad if they do not fit it,
// ErrSize if there is no such index, and else the source's error.
func ProveInclusion(ctx context.Context, s Source, c Checkpoint, index int64) ([]Hash, error) {
	if c.Size > maxSize || index < 0 || index >= c.Size {
		return nil, fmt.Errorf("%w: entry %d of %d", ErrSize, index, c.Size)
	}
	r := newReader(ctx, s, c)
	leaf, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return nil, r.why(err)
	}
	proof, err := tlog.ProveRecord(c.Size, index, r)
	if err != nil {
		return nil, r.why(err)
	}
	if err := CheckInclusion(c, index, leaf[0], proof); err != nil {
		return nil, err
	}
	return proof, nil
}

// ProveConsistency returns the proof that the first entries of the checkpoint's tree
// are those of the tree of size from, for CheckConsistency. It is empty if from is 0
// or the checkpoint's own size. Errors are as for ProveInclusion.
func ProveConsistency(ctx context.Context, s Source, c Checkpoint, from int64) ([]Hash, error) {
	if c.Size > maxSize || from < 0 || from > c.Size {
		return nil, fmt.Errorf("%w: the first %d entries of %d", ErrSize, from, c.Size)
	}
	if from == 0 || from == c.Size {
		return nil, nil
	}
	r := newReader(ctx, s, c)
	root, err := tlog.TreeHash(from, r)
	if err != nil {
		return nil, r.why(err)
	}
	proof, err := tlog.ProveTree(c.Size, from, r)
	if err != nil {
		return nil, r.why(err)
	}
	if err := CheckConsistency(Checkpoint{Origin: c.Origin, Size: from, Root: root}, c, proof); err != nil {
		return nil, err
	}
	return proof, nil
}

// CheckInclusion returns nil if proof shows that the checkpoint's tree has a leaf of
// the given hash at the given index, and else ErrProof.
func CheckInclusion(c Checkpoint, index int64, leaf Hash, proof []Hash) error {
	if c.Size > maxSize || tlog.CheckRecord(proof, c.Size, c.Root, index, leaf) != nil {
		return ErrProof
	}
	return nil
}

// CheckConsistency returns nil if proof shows that the log of the new checkpoint
// begins with all entries of the old one, and else ErrProof: also if they are of
// different origins, if the new one is smaller, or if they are of one size and have
// different roots.
func CheckConsistency(old, new Checkpoint, proof []Hash) error {
	var ok bool
	switch {
	case old.Origin != new.Origin || old.Size < 0 || new.Size < old.Size || new.Size > maxSize:
	case old.Size == new.Size:
		ok = len(proof) == 0 && old.Root == new.Root
	case old.Size == 0:
		ok = len(proof) == 0 && old.Root == sha256.Sum256(nil)
	default:
		ok = tlog.CheckTree(proof, new.Size, new.Root, old.Size, old.Root) == nil
	}
	if !ok {
		return ErrProof
	}
	return nil
}

// reader reads hashes that it has checked against the root of a checkpoint.
type reader struct {
	tlog.HashReader
	tiles *tiles
}

func newReader(ctx context.Context, s Source, c Checkpoint) reader {
	t := &tiles{checked: map[tlog.Tile][]byte{}}
	t.read = func(tile Tile) ([]byte, error) { return s.Tile(ctx, tile) }
	return reader{tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, t), t}
}

// why returns the source's error if there was one; else the tiles do not fit.
func (r reader) why(err error) error {
	if r.tiles.err != nil {
		return fmt.Errorf("reading a tile: %w", r.tiles.err)
	}
	return fmt.Errorf("%w: %w", ErrBad, err)
}

// tiles is a tlog.TileReader. It reads no tile twice once it has been checked.
type tiles struct {
	read    func(Tile) ([]byte, error)
	checked map[tlog.Tile][]byte
	err     error // of the source
}

func (t *tiles) Height() int { return Height }

func (t *tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	for i, tile := range list {
		data[i] = t.checked[tile]
		if data[i] != nil {
			continue
		}
		if data[i], t.err = t.read(Tile{Level: tile.L, N: tile.N, Width: tile.W}); t.err != nil {
			return nil, t.err
		}
	}
	return data, nil
}

func (t *tiles) SaveTiles(list []tlog.Tile, data [][]byte) {
	for i, tile := range list {
		t.checked[tile] = data[i]
	}
}
