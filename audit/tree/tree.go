// Package tree is the Merkle tree of one tenant's audit log: how its leaves are
// hashed and stored, how its root is signed, and how anyone checks all of that with
// nothing but the public key.
//
// # Invariants
//
//   - The tree is that of RFC 6962, section 2.1: a leaf's hash is SHA-256(0x00 ||
//     leaf), a node's is SHA-256(0x01 || left || right), and the root of no leaves
//     is SHA-256 of nothing.
//   - What is stored is immutable: a tile of a given level, number and width, and a
//     bundle of a given number and width, never change.
//   - What a [Source] returns is not trusted. A proof leaves this package, and an
//     entry reaches [Verification.Each], only after its hashes have been checked
//     up to the root of a checkpoint.
//   - Nothing is read beyond the size of the checkpoint that is being checked.
//
// # Format
//
// Tiles, bundles and their paths are those of C2SP tlog-tiles, of height 8;
// checkpoints those of tlog-checkpoint, signed as in signed-note; cosignatures
// those of tlog-cosignature (see https://c2sp.org). So any reader of these formats
// can follow a log. The section "The tree" of ../FORMAT.md gives the bytes; testdata
// holds golden vectors, which are only appended to.
//
// The package does no I/O and knows no clock. Storage, HTTP and commands stand on
// top of it: they write what [TilesOf] lists, and read through [Source].
package tree

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Height and Width are those of a tile: 2^Height == Width.
const (
	Height = 8
	Width  = 1 << Height
)

// maxSize bounds the leaves of a tree, so that no arithmetic on indexes overflows.
const (
	maxSize     = 1 << maxSizeBits
	maxSizeBits = 60
)

// Hash is a SHA-256 hash of a leaf or a node.
type Hash = tlog.Hash

// LeafHash returns the hash of a leaf: SHA-256(0x00 || leaf).
func LeafHash(leaf []byte) Hash {
	var room [1024]byte // most leaves are shorter, and stay on the stack
	return sha256.Sum256(append(append(room[:0], 0), leaf...))
}

// Range is a tree in compact form: the roots of the perfect subtrees that make it
// up. Its zero value is the empty tree. It is a value: a copy goes its own way.
type Range struct {
	size  int64
	roots [61]Hash // of the subtree of 2^i leaves, where bit i of size is set
}

// NewRange returns the tree of the given size whose perfect subtrees, largest
// first, have the given roots. The error is ErrSize if there are more or fewer of
// them than size has bits set, or if there cannot be a tree of that size.
func NewRange(size int64, roots []Hash) (Range, error) {
	if size < 0 || size > maxSize || len(roots) != bits.OnesCount64(uint64(size)) {
		return Range{}, fmt.Errorf("%w: %d roots do not make a tree of %d leaves", ErrSize, len(roots), size)
	}
	r := Range{size: size}
	for i := range r.roots {
		if size>>i&1 == 1 {
			r.roots[i], roots = roots[len(roots)-1], roots[:len(roots)-1]
		}
	}
	return r, nil
}

// Append adds a leaf, given its hash. If node is not nil it is called for each
// perfect subtree of Width^level leaves, level 1 and up, that the leaf completes:
// h, the root of the n-th such subtree (from 0), is the n-th hash of that level's
// tiles.
func (r *Range) Append(h Hash, node func(level int, n int64, h Hash)) {
	i := 0
	for ; r.size>>i&1 == 1; i++ {
		h = tlog.NodeHash(r.roots[i], h)
		if node != nil && (i+1)%Height == 0 {
			node((i+1)/Height, r.size>>(i+1), h)
		}
	}
	r.roots[i] = h
	r.size++
}

// Size returns the number of leaves.
func (r *Range) Size() int64 { return r.size }

// Root returns the root of the tree, which is SHA-256 of nothing for the empty one.
func (r *Range) Root() Hash {
	if r.size == 0 {
		return sha256.Sum256(nil)
	}
	i := 0
	for r.size>>i&1 == 0 {
		i++
	}
	h := r.roots[i]
	for i++; i < len(r.roots); i++ {
		if r.size>>i&1 == 1 {
			h = tlog.NodeHash(r.roots[i], h)
		}
	}
	return h
}

// Roots returns the roots of the perfect subtrees, largest first, as NewRange
// takes them. The slice is the caller's.
func (r *Range) Roots() []Hash {
	var roots []Hash
	for i := len(r.roots) - 1; i >= 0; i-- {
		if r.size>>i&1 == 1 {
			roots = append(roots, r.roots[i])
		}
	}
	return roots
}
