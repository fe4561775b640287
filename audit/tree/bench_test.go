package tree_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// BenchmarkLeafHash hashes the leaf of a reveal.
func BenchmarkLeafHash(b *testing.B) {
	leaf := event(b, "default", 0)
	b.ReportAllocs()
	for b.Loop() {
		tree.LeafHash(leaf)
	}
}

// BenchmarkAppend puts a leaf into a tree that grows.
func BenchmarkAppend(b *testing.B) {
	var r tree.Range
	h := tree.LeafHash(event(b, "default", 0))
	b.ReportAllocs()
	for b.Loop() {
		r.Append(h, nil)
	}
}

// BenchmarkRoot is the root of a tree of a million leaves.
func BenchmarkRoot(b *testing.B) {
	var r tree.Range
	for range 999_999 {
		r.Append(tree.Hash{}, nil)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Root()
	}
}
