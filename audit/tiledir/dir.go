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

// A Dir is a folder of files. It is a [tree.Source] as well.
type Dir struct {
	// Path of the folder. Write makes it.
	Path string
}

var (
	_ Files       = Dir{}
	_ tree.Source = Dir{}
)

// Checkpoint is that of [Tiles].
func (d Dir) Checkpoint(ctx context.Context) ([]byte, error) { return Tiles{d}.Checkpoint(ctx) }

// Tile is that of [Tiles].
func (d Dir) Tile(ctx context.Context, t tree.Tile) ([]byte, error) { return Tiles{d}.Tile(ctx, t) }

// Entries is that of [Tiles].
func (d Dir) Entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	return Tiles{d}.Entries(ctx, n, width)
}

// Below is a folder in the folder.
func (d Dir) Below(name string) Dir { return Dir{Path: d.path(name)} }

func (d Dir) path(name string) string { return filepath.Join(d.Path, filepath.FromSlash(name)) }

// Read reads a file.
func (d Dir) Read(_ context.Context, name string) ([]byte, error) {
	b, err := os.ReadFile(d.path(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s", ErrNone, name)
	case err != nil:
		return nil, fmt.Errorf("reading a file of the log: %w", err)
	}
	return b, nil
}

// Write makes a file, whole and on disk, or not at all.
func (d Dir) Write(_ context.Context, name string, b []byte) (err error) {
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("making a folder of the log: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("writing a file of the log: %w", err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing a file of the log: %w", errors.Join(err, os.Remove(f.Name())))
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("writing a file of the log: %w", err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path) //nolint:gosec // the folder that was asked for
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RemoveAll removes a folder.
func (d Dir) RemoveAll(_ context.Context, name string) error {
	if err := os.RemoveAll(d.path(name)); err != nil {
		return fmt.Errorf("removing files of the log: %w", err)
	}
	return nil
}
