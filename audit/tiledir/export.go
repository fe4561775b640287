package tiledir

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// An Export copies a log into a folder.
type Export struct {
	Dir    Dir
	Source tree.Source
	Origin string // of the log
	Key    ed25519.PublicKey
	// Progress, if not nil, is told how many files of how many were written.
	Progress func(done, total int)
}

// Run copies what the log has grown by since the last time, and returns the size that
// the folder has now. The log must continue what is in the folder: [tree.ErrFork] or
// [tree.ErrRollback] otherwise. Running it again after it broke off completes it.
func (e Export) Run(ctx context.Context) (size int64, err error) {
	var last *tree.Witnessed
	if b, err := e.Dir.Checkpoint(ctx); err == nil {
		c, err := tree.OpenCheckpoint(b, e.Origin, e.Key)
		if err != nil {
			return 0, fmt.Errorf("the checkpoint in the folder: %w", err)
		}
		last = &tree.Witnessed{Signed: b, Checkpoint: c}
		size = c.Size
	} else if !errors.Is(err, ErrNone) {
		return 0, err
	}
	next, changed, err := tree.Advance(ctx, e.Source, e.Origin, e.Key, last)
	if err != nil || !changed {
		return size, err
	}
	if err := e.tiles(ctx, size, next.Checkpoint.Size); err != nil {
		return size, err
	}
	if err := e.Dir.write(CheckpointFile, next.Signed); err != nil {
		return size, err
	}
	return next.Checkpoint.Size, nil
}

// tiles copies what the growth added.
func (e Export) tiles(ctx context.Context, from, to int64) error {
	list := tree.TilesOf(from, to)
	for i, t := range list {
		b, err := e.Source.Tile(ctx, t)
		if err != nil {
			return fmt.Errorf("reading a tile of the log: %w", err)
		}
		if t.Level == 0 {
			if err := e.bundle(ctx, t); err != nil {
				return err
			}
		}
		if err := e.Dir.write(t.Path(), b); err != nil {
			return err
		}
		if t.Width == tree.Width {
			if err := e.Dir.removePartial(t.Path()); err != nil {
				return err
			}
		}
		if e.Progress != nil {
			e.Progress(i+1, len(list))
		}
	}
	return nil
}

// ErrPruned says that events were deleted by age before they were exported.
var ErrPruned = errors.New("tiledir: events were pruned before they were exported")

// bundle copies the events of a tile of level 0.
func (e Export) bundle(ctx context.Context, t tree.Tile) error {
	entries, err := e.Source.Entries(ctx, t.N, t.Width)
	if err != nil {
		return fmt.Errorf("reading events of the log: %w", err)
	}
	var b []byte
	for _, leaf := range entries {
		if leaf == nil {
			return ErrPruned
		}
		if b, err = tree.AppendEntry(b, leaf); err != nil {
			return fmt.Errorf("writing a bundle of events: %w", err)
		}
	}
	if err := e.Dir.write(tree.EntriesPath(t.N, t.Width), b); err != nil {
		return err
	}
	if t.Width < tree.Width {
		return nil
	}
	return e.Dir.removePartial(tree.EntriesPath(t.N, t.Width))
}

// write makes a file, whole and on disk, or not at all.
func (d Dir) write(name string, b []byte) (err error) {
	path := filepath.Join(d.Path, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("making a folder of the log: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing a file of the log: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing a file of the log: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the folder that was asked for
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removePartial removes the partial forms of a full tile.
func (d Dir) removePartial(name string) error {
	if err := os.RemoveAll(filepath.Join(d.Path, filepath.FromSlash(name)) + ".p"); err != nil {
		return fmt.Errorf("removing partial tiles: %w", err)
	}
	return nil
}
