package tree_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// small is a log of at most 256 entries in memory.
type small struct {
	signed []byte
	tile   []byte
	leaves [][]byte
}

func (s small) Checkpoint(context.Context) ([]byte, error) { return s.signed, nil }

func (s small) Tile(context.Context, tree.Tile) ([]byte, error) { return s.tile, nil }

func (s small) Entries(context.Context, int64, int) ([][]byte, error) { return s.leaves, nil }

// A service appends three entries and signs a checkpoint. Anyone who has its public key
// finds out that one of them is no longer what it was.
func Example() {
	private := ed25519.NewKeyFromSeed(make([]byte, 32)) // a real seed is random
	public := private.Public().(ed25519.PublicKey)
	sign := func(msg []byte) []byte { return ed25519.Sign(private, msg) }

	log := small{leaves: [][]byte{[]byte("one"), []byte("two"), []byte("three")}}
	var r tree.Range
	for _, leaf := range log.leaves {
		h := tree.LeafHash(leaf)
		r.Append(h, nil)
		log.tile = append(log.tile, h[:]...)
	}
	c := tree.Checkpoint{Origin: "audit.example.org/default", Size: r.Size(), Root: r.Root()}
	var err error
	if log.signed, err = c.Sign(public, sign); err != nil {
		fmt.Println(err)
		return
	}

	v := tree.Verification{Source: log, Origin: "audit.example.org/default", Key: public}
	report, err := v.Run(context.Background())
	fmt.Println(report.Entries, err)

	log.leaves[1] = []byte("too")
	_, err = v.Run(context.Background())
	var bad *tree.BadError
	if errors.As(err, &bad) {
		fmt.Println(bad)
	}
	// Output:
	// 3 <nil>
	// tree: entry 1: the entry is not the one that was logged: its hash is another
}
