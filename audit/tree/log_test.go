package tree_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

const (
	origin  = "audit.example.org/default"
	witness = "witness.example.org"
)

// key is a key for tests; a real seed is random.
func key(b byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = b
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func signing(k ed25519.PrivateKey) func([]byte) []byte {
	return func(msg []byte) []byte { return ed25519.Sign(k, msg) }
}

// failer is a test, or one try of a property.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// long skips a test that takes seconds, unless it is asked for.
func long(t testing.TB) {
	t.Helper()
	pacetest.NeedTime(t)
}

// memlog is a log in memory, as an honest service writes it. A test then changes it.
type memlog struct {
	leaves [][]byte
	hashes [][]tree.Hash // of each level of tiles
	tree   tree.Range
	roots  []tree.Hash // of each size
	size   int64       // of the newest checkpoint
	key    ed25519.PrivateKey
	origin string
	fail   error // what every read returns
}

func newLog(t testing.TB, leaves [][]byte) *memlog {
	t.Helper()
	l := &memlog{hashes: make([][]tree.Hash, 4), key: key(1), origin: origin}
	l.roots = []tree.Hash{l.tree.Root()}
	l.grow(t, leaves)
	return l
}

// grow appends leaves and makes the checkpoint that of the new size.
func (l *memlog) grow(t testing.TB, leaves [][]byte) {
	t.Helper()
	for _, leaf := range leaves {
		h := tree.LeafHash(leaf)
		l.leaves = append(l.leaves, leaf)
		l.hashes[0] = append(l.hashes[0], h)
		l.tree.Append(h, func(level int, n int64, h tree.Hash) {
			if int64(len(l.hashes[level])) != n {
				t.Errorf("hash %d of level %d comes after %d", n, level, len(l.hashes[level]))
			}
			l.hashes[level] = append(l.hashes[level], h)
		})
		l.roots = append(l.roots, l.tree.Root())
	}
	l.size = int64(len(l.leaves))
}

// clone is a copy that can be changed.
func (l *memlog) clone() *memlog {
	c := *l
	c.leaves = slices.Clone(l.leaves)
	c.hashes = slices.Clone(l.hashes)
	for i := range c.hashes {
		c.hashes[i] = slices.Clone(l.hashes[i])
	}
	return &c
}

// at is the checkpoint of the given size.
func (l *memlog) at(size int64) tree.Checkpoint {
	return tree.Checkpoint{Origin: l.origin, Size: size, Root: l.roots[size]}
}

func (l *memlog) signed(t testing.TB, size int64) []byte {
	t.Helper()
	b, err := l.at(size).Sign(public(l.key), signing(l.key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (l *memlog) Checkpoint(context.Context) ([]byte, error) {
	if l.fail != nil {
		return nil, l.fail
	}
	return l.at(l.size).Sign(public(l.key), signing(l.key))
}

func (l *memlog) Tile(_ context.Context, t tree.Tile) ([]byte, error) {
	if l.fail != nil {
		return nil, l.fail
	}
	hashes := l.hashes[t.Level]
	from := min(t.N*tree.Width, int64(len(hashes)))
	to := min(from+int64(t.Width), int64(len(hashes)))
	if from == to {
		return nil, fmt.Errorf("memlog: %w", fs.ErrNotExist)
	}
	var b []byte
	for _, h := range hashes[from:to] {
		b = append(b, h[:]...)
	}
	return b, nil
}

func (l *memlog) Entries(_ context.Context, n int64, width int) ([][]byte, error) {
	if l.fail != nil {
		return nil, l.fail
	}
	from := min(n*tree.Width, int64(len(l.leaves)))
	to := min(from+int64(width), int64(len(l.leaves)))
	return l.leaves[from:to], nil
}

// numbers are n leaves that differ.
func numbers(n int) [][]byte {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "entry %d", i)
	}
	return leaves
}
