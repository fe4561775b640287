// Package tiledir keeps a tenant's audit log as files, in the layout of C2SP
// tlog-tiles: the newest signed checkpoint in "checkpoint", tiles of hashes and
// bundles of events under "tile". A folder outlives the database, can be copied with
// ordinary tools and served by any web server, and verifies with nothing but the
// public key.
//
// # Invariants
//
//   - A checkpoint stands in the folder only if everything that it needs does: it is
//     written last, and every file is written whole or not at all.
//   - The folder only grows: a log that is not a continuation of the checkpoint in the
//     folder is refused ([tree.ErrFork], [tree.ErrRollback]), and nothing is written.
//   - Partial tiles are removed once the full tile is there.
package tiledir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// CheckpointFile is the name of the newest checkpoint in a folder.
const CheckpointFile = "checkpoint"

// ErrNone says that the folder does not have the file. It is an fs.ErrNotExist.
var ErrNone = fmt.Errorf("tiledir: not in the folder: %w", fs.ErrNotExist)

// A Dir is the folder of one log. It is a [tree.Source]. The zero value is of no use.
type Dir struct {
	// Path of the folder. Export makes it.
	Path string
}

var _ tree.Source = Dir{}

// Checkpoint reads the newest checkpoint.
func (d Dir) Checkpoint(context.Context) ([]byte, error) { return d.read(CheckpointFile) }

// Tile reads a tile; a partial one is also read from a fuller one.
func (d Dir) Tile(_ context.Context, t tree.Tile) ([]byte, error) {
	const hash = len(tree.Hash{})
	b, err := d.read(t.Path())
	if t.Width < tree.Width && errors.Is(err, ErrNone) {
		full := t
		full.Width = tree.Width
		if b, err = d.read(full.Path()); err == nil && len(b) >= t.Width*hash {
			b = b[:t.Width*hash]
		}
	}
	return b, err
}

// Entries reads a bundle of events; a partial one is also read from a full one.
func (d Dir) Entries(_ context.Context, n int64, width int) ([][]byte, error) {
	b, err := d.read(tree.EntriesPath(n, width))
	if err == nil {
		return split(b, width)
	}
	if width == tree.Width || !errors.Is(err, ErrNone) {
		return nil, err
	}
	if b, err = d.read(tree.EntriesPath(n, tree.Width)); err != nil {
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

func (d Dir) read(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(d.Path, filepath.FromSlash(name)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNone, name)
	case err != nil:
		return nil, fmt.Errorf("reading a file of the log: %w", err)
	}
	return b, nil
}
