package tiledir

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// An Export copies a log into files.
type Export struct {
	To     Files
	Source tree.Source
	Origin string // of the log
	Key    ed25519.PublicKey
	// Progress, if not nil, is told how many files of how many were written.
	Progress func(done, total int)
}

// Run copies what the log has grown by since the last time, and returns the size that
// the copy has now. The log must continue what is there: [tree.ErrFork] or
// [tree.ErrRollback] otherwise. Running it again after it broke off completes it.
func (e Export) Run(ctx context.Context) (size int64, err error) {
	var last *tree.Witnessed
	if b, err := e.To.Read(ctx, CheckpointFile); err == nil {
		c, err := tree.OpenCheckpoint(b, e.Origin, e.Key)
		if err != nil {
			return 0, fmt.Errorf("the checkpoint of the copy: %w", err)
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
	if err := e.To.Write(ctx, CheckpointFile, next.Signed); err != nil {
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
		if err := e.To.Write(ctx, t.Path(), b); err != nil {
			return err
		}
		if t.Width == tree.Width {
			if err := e.To.RemoveAll(ctx, t.Path()+".p"); err != nil {
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
	if err := e.To.Write(ctx, tree.EntriesPath(t.N, t.Width), b); err != nil {
		return err
	}
	if t.Width < tree.Width {
		return nil
	}
	return e.To.RemoveAll(ctx, tree.EntriesPath(t.N, t.Width)+".p")
}
