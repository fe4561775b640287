package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// maxBatch bounds what is written before the disk is asked to keep it, less one
// frame.
const maxBatch = 1 << 20

// FileConfig says how a file is opened.
type FileConfig struct {
	// Logger is told of a last write that was cut short and of a file mode that
	// was tightened. nil: nobody is.
	Logger *slog.Logger
}

// A disk is a file, as far as a ledger needs one. Its errors hold a
// syscall.Errno or nothing that is shown.
type disk interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
}

// A File is the ledger of a single node: an append-only file. It is a [Ledger].
// Concurrent calls of Append share a write. Its memory is about 60 bytes an entry.
type File struct {
	d  disk
	id uuid.UUID

	turn chan struct{} // of one: who has it writes, and has these three
	ids  map[uuid.UUID]int64
	last link
	ends []int64 // where each frame ends; grown under mu, for the readers

	mu      sync.Mutex
	waiting []*call
	broken  bool // a write failed: nobody knows what the disk has of it
	closed  bool
}

var _ Ledger = (*File)(nil)

// A call is one Append.
type call struct {
	ids   []uuid.UUID
	forms [][]byte
	done  chan struct{} // closed when err is known
	err   error
}

func newCall(entries []Entry) (*call, error) {
	c := &call{done: make(chan struct{})}
	for i := range entries {
		b, err := entries[i].Append(nil)
		if err != nil {
			return nil, err
		}
		c.ids, c.forms = append(c.ids, entries[i].ID), append(c.forms, b)
	}
	return c, nil
}

const appending = "appending to the ledger"

// Append is as [Ledger] says. The caller that writes for the others goes on until
// the disk answers, whatever becomes of its context. After a failed write every
// call is [ErrUnavailable] until the file is opened again, or see [File.Reopen].
func (f *File) Append(ctx context.Context, entries []Entry) error {
	c, err := newCall(entries)
	if err != nil || len(entries) == 0 {
		return err
	}
	if ctx.Err() != nil {
		return stopped(ctx, appending)
	}
	f.mu.Lock()
	f.waiting = append(f.waiting, c)
	f.mu.Unlock()
	select {
	case f.turn <- struct{}{}:
		f.flush()
		<-f.turn
	case <-c.done:
	case <-ctx.Done():
		f.leave(c)
		return stopped(ctx, appending)
	}
	return c.err
}

// leave takes back a call that nobody writes for yet.
func (f *File) leave(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.waiting, c); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
}

// flush writes for all who wait, and tells them. The caller has the turn.
func (f *File) flush() {
	f.mu.Lock()
	calls := f.waiting
	f.waiting = nil
	f.mu.Unlock()
	err := fmt.Errorf("%s: %w", appending, ErrUnavailable) // unless write returns
	defer func() {
		for _, c := range calls {
			if c.err == nil {
				c.err = err
			}
			close(c.done)
		}
	}()
	err = f.write(calls)
}

// write makes the entries of all calls durable. A call of which another entry
// has an id gets its own error.
func (f *File) write(calls []*call) error {
	if err := f.usable(appending); err != nil {
		return err
	}
	b := newBatch(f)
	for _, c := range calls {
		for i, id := range c.ids {
			stands, same, err := f.stands(b, id, c.forms[i])
			switch {
			case err != nil:
				return err
			case stands && !same:
				c.err = fmt.Errorf("%s: %w", appending, ErrConflict)
			case !stands:
				b.add(id, c.forms[i])
			}
			if len(b.frames) >= maxBatch {
				if err := f.keep(b); err != nil {
					return err
				}
				b = newBatch(f)
			}
		}
	}
	return f.keep(b)
}

// stands says whether an entry of that id is in the file or the batch, and
// whether it has the given form.
func (f *File) stands(b *batch, id uuid.UUID, form []byte) (stands, same bool, err error) {
	if fresh, ok := b.forms[id]; ok {
		return true, bytes.Equal(fresh, form), nil
	}
	position, ok := f.ids[id]
	if !ok {
		return false, false, nil
	}
	c, err := f.chainAfter(position-1, f.ends)
	if err != nil {
		return true, false, err
	}
	stored, err := c.next()
	if err != nil {
		return true, false, damaged("reading the ledger", position, err)
	}
	return true, bytes.Equal(stored, form), nil
}

// A batch is what is written at once.
type batch struct {
	ids    []uuid.UUID
	forms  map[uuid.UUID][]byte
	ends   []int64
	frames []byte
	last   link
	start  int64 // where it is written
	first  int64 // position of its first frame
}

func newBatch(f *File) *batch {
	return &batch{
		forms: map[uuid.UUID][]byte{}, last: f.last,
		start: end(f.ends, len(f.ends)), first: int64(len(f.ends)) + 1,
	}
}

func (b *batch) add(id uuid.UUID, form []byte) {
	b.frames, b.last = appendFrame(b.frames, b.first+int64(len(b.ids)), form, b.last)
	b.ids, b.ends = append(b.ids, id), append(b.ends, b.start+int64(len(b.frames)))
	b.forms[id] = form
}

// keep makes a batch durable, and only then visible. The caller has the turn.
func (f *File) keep(b *batch) error {
	if len(b.ids) == 0 {
		return nil
	}
	err := writeSynced(f.d, b.start, b.frames)
	failpoint.Hit("ledger-file-synced")
	if err != nil {
		f.mu.Lock()
		f.broken = true
		f.mu.Unlock()
		return failure(appending, err)
	}
	for i, id := range b.ids {
		f.ids[id] = b.first + int64(i)
	}
	f.last = b.last
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends = append(f.ends, b.ends...)
	return nil
}

func writeSynced(d disk, at int64, b []byte) error {
	if _, err := d.WriteAt(b, at); err != nil {
		return err
	}
	failpoint.Hit("ledger-file-written")
	return d.Sync()
}

// end is where the frame at a position ends; position 0 is the header.
func end(ends []int64, position int) int64 {
	if position == 0 {
		return int64(headerSize)
	}
	return ends[position-1]
}

// Read is as [Ledger] says. Every entry that it returns was verified anew.
func (f *File) Read(ctx context.Context, after int64, limit int) ([]Placed, error) {
	const doing = "reading the ledger"
	ends, err := f.durable(ctx, doing)
	if err != nil {
		return nil, err
	}
	after = max(after, 0)
	n := min(int64(limit), MaxRead, int64(len(ends))-after)
	if n <= 0 {
		return nil, nil
	}
	c, err := f.chainAfter(after, ends[:after+n])
	if err != nil {
		return nil, err
	}
	list := make([]Placed, 0, n)
	for range n {
		form, err := c.next()
		if err != nil {
			return nil, damaged(doing, after+int64(len(list))+1, err)
		}
		e, err := Parse(form)
		if err != nil {
			return nil, unparsed(c.position, err)
		}
		list = append(list, Placed{Position: c.position, Entry: e})
	}
	return list, nil
}

// chainAfter returns a chain that begins after a position and ends with ends.
func (f *File) chainAfter(position int64, ends []int64) (*chain, error) {
	start := end(ends, int(position)) - hashSize // the link before
	r := bufio.NewReaderSize(io.NewSectionReader(f.d, start, end(ends, len(ends))-start), 1<<16)
	c := &chain{r: r, position: position}
	if _, err := io.ReadFull(r, c.link[:]); err != nil {
		return nil, damaged("reading the ledger", position, err)
	}
	return c, nil
}

// durable returns where the frames end that are durable. What it returns does
// not change.
func (f *File) durable(ctx context.Context, doing string) ([]int64, error) {
	if ctx.Err() != nil {
		return nil, stopped(ctx, doing)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("%s: %w: it is closed", doing, ErrUnavailable)
	}
	return f.ends, nil
}

// usable is an error if nothing can be appended.
func (f *File) usable(doing string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return fmt.Errorf("%s: %w: it is closed", doing, ErrUnavailable)
	case f.broken:
		return fmt.Errorf("%s: %w: a write failed, and the file was not reopened since", doing, ErrUnavailable)
	}
	return nil
}

// Head is as [Ledger] says.
func (f *File) Head(ctx context.Context) (int64, error) {
	ends, err := f.durable(ctx, "asking for the head of the ledger")
	return int64(len(ends)), err
}

// ID is as [Ledger] says.
func (f *File) ID(ctx context.Context) (uuid.UUID, error) {
	if _, err := f.durable(ctx, "asking for the ledger's id"); err != nil {
		return uuid.Nil, err
	}
	return f.id, nil
}

// Close is as [Ledger] says. Another process may then open the file.
func (f *File) Close() error {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if err := f.d.Close(); err != nil {
		return failure("closing the ledger", err)
	}
	return nil
}

// failure keeps of an error of the system its number alone: the rest names files.
func failure(doing string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, errno)
	}
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("%s: %w: it is closed", doing, ErrUnavailable)
	}
	return fmt.Errorf("%s: %w", doing, ErrUnavailable)
}

// damaged tells what became of a frame that was whole before: the file was
// changed or cut, or cannot be read.
func damaged(doing string, position int64, err error) error {
	switch {
	case errors.Is(err, ErrCorrupt):
		return err
	case errors.Is(err, errTorn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return corrupt(position)
	}
	return failure(doing, err)
}

// unparsed is the error of an entry that verified and does not parse.
func unparsed(position int64, err error) error {
	if errors.Is(err, ErrNewer) {
		return fmt.Errorf("%w: position %d", ErrNewer, position)
	}
	return corrupt(position)
}

// stopped is the error of a call whose context ended.
func stopped(ctx context.Context, doing string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", doing, context.Canceled)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, context.DeadlineExceeded)
}
