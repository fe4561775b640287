package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/uuid"
)

const (
	opening  = "opening the ledger"
	creating = "making the ledger"
)

// CreateFile makes an empty ledger of the given id and opens it. After a crash
// there is all of it or nothing at path. The error is fs.ErrExist if there is a
// file, whatever is in it; [ErrUnavailable] if the directory takes none.
func CreateFile(ctx context.Context, path string, id uuid.UUID, c FileConfig) (*File, error) {
	if id == uuid.Nil {
		return nil, fmt.Errorf("%s: %w: the ledger's id", creating, ErrEntry)
	}
	if err := createFile(path, id); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%s: %w", creating, fs.ErrExist)
		}
		return nil, failure(creating, err)
	}
	return OpenFile(ctx, path, c)
}

// createFile writes the header to a file beside path, and then gives it that
// name, which must be free.
func createFile(path string, id uuid.UUID) error {
	next := path + "." + id.String() + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // beside the operator's path
	if err != nil {
		return err
	}
	_, err = f.Write(header(id))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(next, path)
	}
	if err = errors.Join(err, os.Remove(next)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of the operator's path
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// OpenFile opens a ledger and verifies all of it. A last write that was cut
// short by a crash is removed, which the Logger is told: it was never
// acknowledged. Everything else that does not verify is [ErrCorrupt], and then
// the file stays as it is.
//
// The other errors are [ErrMissing], [ErrLocked], [ErrNewer] and
// [ErrUnavailable]. While the file is open no other process can open it.
func OpenFile(ctx context.Context, path string, c FileConfig) (*File, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", opening, ErrMissing)
	}
	if err != nil {
		return nil, failure(opening, err)
	}
	if err := own(ctx, f, c.Logger); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l, err := openDisk(ctx, f, c.Logger)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// openRegular opens what path leads to, and makes its name durable: whoever made
// the file may not have come so far.
func openRegular(path string) (*os.File, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = syscall.EINVAL
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// own locks a file and takes it from everybody but its owner.
func own(ctx context.Context, f *os.File, log *slog.Logger) error {
	info, err := f.Stat()
	if err != nil {
		return failure(opening, err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w", opening, ErrLocked)
	}
	if err != nil {
		return failure(opening, err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := f.Chmod(0o600); err != nil {
		return failure(opening, err)
	}
	log.WarnContext(ctx, "the ledger's file was open to others and is no longer", "mode", info.Mode().Perm().String())
	return nil
}

// openDisk opens what a disk holds.
func openDisk(ctx context.Context, d disk, log *slog.Logger) (*File, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(d, 0, math.MaxInt64), 1<<16)
	id, first, err := readHeader(r)
	if err != nil {
		return nil, classify(err)
	}
	f := &File{d: d, id: id, turn: make(chan struct{}, 1), ids: map[uuid.UUID]int64{}}
	c := &chain{r: r, link: first}
	for err == nil {
		if ctx.Err() != nil {
			return nil, stopped(ctx, opening)
		}
		err = f.load(c)
	}
	f.last = c.link
	cut := errors.Is(err, errTorn)
	if !cut && !errors.Is(err, io.EOF) {
		return nil, classify(err)
	}
	if err := f.settle(); err != nil {
		return nil, failure(opening, err)
	}
	if cut {
		log.WarnContext(ctx, "the last write to the ledger was cut short; its remains, which nobody was told of as written, are removed",
			"position", c.position+1)
	}
	return f, nil
}

// load takes in the next frame.
func (f *File) load(c *chain) error {
	form, err := c.next()
	if err != nil {
		return err
	}
	e, err := Parse(form)
	if err != nil {
		return unparsed(c.position, err)
	}
	if _, ok := f.ids[e.ID]; ok {
		return fmt.Errorf("%w: position %d repeats an id", ErrCorrupt, c.position)
	}
	f.ids[e.ID] = c.position
	f.ends = append(f.ends, end(f.ends, len(f.ends))+int64(prefixSize+len(form)+hashSize))
	return nil
}

func classify(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer) {
		return fmt.Errorf("%s: %w", opening, err)
	}
	return failure(opening, err)
}

// settle cuts off what stands after the last whole frame and makes the last
// batch durable once more. It may not be: when a write fails, the system can go
// on showing it to whoever reads, forget that it must still be written, and let
// the next Sync succeed. Only writing it again helps.
func (f *File) settle() error {
	stop := end(f.ends, len(f.ends))
	start := max(0, stop-maxBatch-MaxEntry-prefixSize-hashSize)
	if err := f.d.Truncate(stop); err != nil {
		return err
	}
	b := make([]byte, stop-start)
	if _, err := f.d.ReadAt(b, start); err != nil {
		return err
	}
	return writeSynced(f.d, start, b)
}

// Reopen makes a file that failed to write accept entries again, once there is
// room or the disk is well: it does what [OpenFile] does to the end of the file.
// It is [ErrUnavailable] if that fails too. A file that is well is left alone.
func (f *File) Reopen(ctx context.Context) error {
	const doing = "reopening the ledger"
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return stopped(ctx, doing)
	}
	defer func() { <-f.turn }()
	if f.usable(doing) == nil {
		return nil
	}
	if _, err := f.durable(ctx, doing); err != nil {
		return err
	}
	if err := f.settle(); err != nil {
		return failure(doing, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = false
	return nil
}
