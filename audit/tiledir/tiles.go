// Package tiledir keeps a tenant's audit log as files, in the layout of C2SP
// tlog-tiles: the newest signed checkpoint in "checkpoint", tiles of hashes and
// bundles of events under "tile". They stand in a folder ([Dir]), or wherever else
// [Files] can be kept. They outlive the database, can be copied with ordinary tools
// and served by any web server, and verify with nothing but the public key.
//
// # Invariants
//
//   - A checkpoint stands there only if everything that it needs does: it is written
//     last, and every file is written whole or not at all.
//   - The files only grow: a log that is not a continuation of the checkpoint among
//     them is refused ([tree.ErrFork], [tree.ErrRollback]), and nothing is written.
//   - Partial tiles are removed once the full tile is there.
package tiledir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// CheckpointFile is the name of the newest checkpoint.
const CheckpointFile = "checkpoint"

// ErrNone says that there is no such file. It is an fs.ErrNotExist.
var ErrNone = fmt.Errorf("tiledir: there is no such file: %w", fs.ErrNotExist)

// Files keep the files of one log. Names have slashes.
type Files interface {
	// Read reads a file. ErrNone if there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// Write makes or replaces a file, whole and durable, or not at all.
	Write(ctx context.Context, name string, b []byte) error
	// RemoveAll removes all files below a name, which may be none.
	RemoveAll(ctx context.Context, name string) error
}

// Tiles are a log in files. They are a [tree.Source].
type Tiles struct{ Files Files }

var _ tree.Source = Tiles{}

// Checkpoint reads the newest checkpoint.
func (l Tiles) Checkpoint(ctx context.Context) ([]byte, error) {
	return l.Files.Read(ctx, CheckpointFile)
}

// Tile reads a tile; a partial one is also read from the full one.
func (l Tiles) Tile(ctx context.Context, t tree.Tile) ([]byte, error) {
	const hash = len(tree.Hash{})
	b, err := l.Files.Read(ctx, t.Path())
	if t.Width < tree.Width && errors.Is(err, ErrNone) {
		full := t
		full.Width = tree.Width
		if b, err = l.Files.Read(ctx, full.Path()); err == nil && len(b) >= t.Width*hash {
			b = b[:t.Width*hash]
		}
	}
	return b, err
}

// Entries reads a bundle of events; a partial one is also read from the full one.
func (l Tiles) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	b, err := l.Files.Read(ctx, tree.EntriesPath(n, width))
	if err == nil {
		return split(b, width)
	}
	if width == tree.Width || !errors.Is(err, ErrNone) {
		return nil, err
	}
	if b, err = l.Files.Read(ctx, tree.EntriesPath(n, tree.Width)); err != nil {
		return nil, err
	}
	list, err := split(b, tree.Width)
	if err != nil {
		return nil, err
	}
	return list[:width], nil
}

func split(b []byte, width int) ([][]byte, error) {
	list, err := tree.SplitEntries(b, width)
	if err != nil {
		return nil, fmt.Errorf("reading a bundle of events: %w", err)
	}
	return list, nil
}
