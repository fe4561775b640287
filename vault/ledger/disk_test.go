package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
)

const page = 512

// A badDisk is a disk behind a page cache, as Linux has it: what was written is
// read back at once, a Sync makes it durable, and a Sync that fails forgets what
// it was to write. It can be full, fail, and lose its power.
type badDisk struct {
	mu      sync.Mutex
	cache   []byte
	durable []byte
	dirty   map[int64]bool
	room    int64         // how large it may become; 0: as one likes
	fail    int           // so many Syncs fail
	block   chan struct{} // if not nil, a Sync waits until it is closed
	syncs   int
}

func newDisk(t *testing.T) *badDisk {
	t.Helper()
	b := read(t, newFile(t))
	return &badDisk{cache: b, durable: bytes.Clone(b), dirty: map[int64]bool{}}
}

func (d *badDisk) ReadAt(b []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at >= int64(len(d.cache)) {
		return 0, io.EOF
	}
	n := copy(b, d.cache[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (d *badDisk) WriteAt(b []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if over := at + int64(len(b)) - d.room; d.room > 0 && over > 0 {
		b, err = b[:max(0, int64(len(b))-over)], syscall.ENOSPC
	}
	if grow := at + int64(len(b)) - int64(len(d.cache)); grow > 0 {
		d.cache = append(d.cache, make([]byte, grow)...)
	}
	copy(d.cache[at:], b)
	for p := at / page; p <= (at+int64(len(b))-1)/page && len(b) > 0; p++ {
		d.dirty[p] = true
	}
	return len(b), err
}

func (d *badDisk) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size < int64(len(d.cache)) {
		d.dirty[size/page] = true
	}
	d.cache = d.cache[:size:size]
	return nil
}

func (d *badDisk) Sync() error {
	d.mu.Lock()
	block := d.block
	d.mu.Unlock()
	if block != nil {
		<-block
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	defer clear(d.dirty)
	if d.fail > 0 {
		d.fail--
		return syscall.EIO
	}
	d.durable = append(d.durable[:min(len(d.durable), len(d.cache))], make([]byte, max(0, len(d.cache)-len(d.durable)))...)
	for p := range d.dirty {
		if start := p * page; start < int64(len(d.cache)) {
			copy(d.durable[start:min(start+page, int64(len(d.durable)))], d.cache[start:])
		}
	}
	return nil
}

func (d *badDisk) Close() error { return nil }

// crash takes the power away.
func (d *badDisk) crash() {
	d.cache, d.dirty = bytes.Clone(d.durable), map[int64]bool{}
}

// set changes a disk while it is in use.
func (d *badDisk) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func openDisk(t *testing.T, d *badDisk) *ledger.File {
	t.Helper()
	l, err := ledger.OpenDisk(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// After an fsync that failed the system shows what it has not written, and the
// next fsync succeeds. Whatever was acknowledged afterwards survives a crash.
func TestFailedSync(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *badDisk, *ledger.File) *ledger.File{
		"opened anew": func(t *testing.T, d *badDisk, l *ledger.File) *ledger.File {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			return openDisk(t, d)
		},
		"reopened": func(t *testing.T, _ *badDisk, l *ledger.File) *ledger.File {
			if err := l.Reopen(t.Context()); err != nil {
				t.Error(err)
			}
			return l
		},
	} {
		for _, more := range []int{0, 1, 20} { // within the same page, and beyond
			d := newDisk(t)
			l := openDisk(t, d)
			before, entries := ledgertest.Entries(1), ledgertest.Entries(1+more)
			if err := l.Append(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			d.fail = 1
			if err := l.Append(t.Context(), entries); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s: %v, want ErrUnavailable and why", name, err)
			}
			if err := l.Append(t.Context(), entries); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("%s: the next append: %v, want ErrUnavailable", name, err)
			}
			ledgertest.Same(t, l, before)
			l = again(t, d, l)
			if err := l.Append(t.Context(), entries); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			d.crash()
			ledgertest.Same(t, openDisk(t, d), slices.Concat(before, entries))
		}
	}
}

// A disk that is full takes any number of the bytes. Nothing is acknowledged, and
// once there is room the ledger goes on.
func TestDiskFull(t *testing.T) {
	before, entries := ledgertest.Entries(2), ledgertest.Entries(2)
	for room := 0; ; room += 7 {
		d := newDisk(t)
		l := openDisk(t, d)
		if err := l.Append(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		d.room = int64(len(d.cache) + room)
		err := l.Append(t.Context(), entries)
		if err == nil {
			break // there was room for all
		}
		if !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with room for %d bytes: %v, want ErrUnavailable and ENOSPC", room, err)
		}
		if err := l.Reopen(t.Context()); err != nil {
			t.Errorf("reopening a full disk, for what it has: %v", err)
		}
		ledgertest.Same(t, l, before)
		if err := l.Append(t.Context(), entries); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("still full: %v", err)
		}
		crashed := &badDisk{cache: bytes.Clone(d.cache), durable: bytes.Clone(d.cache), dirty: map[int64]bool{}}
		d.room = 0
		if err := l.Append(t.Context(), entries); !errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("before it is reopened: %v, want ErrUnavailable", err)
		}
		if err := l.Reopen(t.Context()); err != nil {
			t.Error(err)
		}
		for _, l := range []*ledger.File{l, openDisk(t, crashed)} {
			if err := l.Append(t.Context(), entries); err != nil {
				t.Error(err)
			}
			ledgertest.Same(t, l, slices.Concat(before, entries))
		}
	}
}

func TestReopenThatFails(t *testing.T) {
	d := newDisk(t)
	l := openDisk(t, d)
	d.fail = 2
	if err := l.Append(t.Context(), ledgertest.Entries(1)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Append: %v", err)
	}
	if err := l.Reopen(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Reopen: %v, want ErrUnavailable", err)
	}
	if err := l.Append(t.Context(), ledgertest.Entries(1)); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Append after it: %v, want ErrUnavailable", err)
	}
	if err := l.Reopen(t.Context()); err != nil {
		t.Error(err)
	}
	n := d.syncs
	if err := l.Reopen(t.Context()); err != nil || d.syncs != n {
		t.Errorf("reopening what is well: %v, %d writes", err, d.syncs-n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Reopen(t.Context()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Reopen of a closed file: %v, want ErrUnavailable", err)
	}
}

// While one write runs, nobody sees it, all who come share the next, and who is
// cancelled leaves.
func TestAppendsShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		l := openDisk(t, d)
		block := make(chan struct{})
		d.set(func() { d.block = block })
		before := d.syncs
		var wg sync.WaitGroup
		add := func(ctx context.Context, want error) {
			wg.Go(func() {
				if err := l.Append(ctx, ledgertest.Entries(1)); !errors.Is(err, want) {
					t.Errorf("Append: %v, want %v", err, want)
				}
			})
		}
		add(t.Context(), nil)
		synctest.Wait()
		if head, err := l.Head(t.Context()); head != 0 || err != nil {
			t.Errorf("Head while nothing is durable: %d, %v", head, err)
		}
		if page, err := l.Read(t.Context(), 0, 1); len(page) != 0 || err != nil {
			t.Errorf("an entry was read that is not durable (%v)", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 20 {
			add(t.Context(), nil)
			add(ctx, context.Canceled)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		synctest.Wait()
		select {
		case err := <-closed:
			t.Errorf("Close did not wait: %v", err)
		default:
		}
		d.set(func() { d.block = nil })
		close(block)
		wg.Wait()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		l = openDisk(t, d)
		if n := d.syncs - before - 1; n != 2 {
			t.Errorf("21 appends took %d writes, want 2", n)
		}
		if n := len(ledgertest.All(t, l)); n != 21 {
			t.Errorf("%d entries, want 21", n)
		}
	})
}

// What a disk does not read is no damage.
func TestDiskThatDoesNotRead(t *testing.T) {
	d := newDisk(t)
	l := openDisk(t, d)
	entries := ledgertest.Entries(2)
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]int64{"nothing": 0, "the header": 60, "most": int64(len(d.cache)) - 1} {
		_, err := ledger.OpenDisk(t.Context(), &deaf{badDisk: d, from: from})
		if !errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("reading %s: %v, want ErrUnavailable", name, err)
		}
	}
	bad := &deaf{badDisk: d, from: int64(len(d.cache))}
	l, err := ledger.OpenDisk(t.Context(), bad)
	if err != nil {
		t.Fatal(err)
	}
	bad.from = 60
	if _, err := l.Read(t.Context(), 0, 2); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Read: %v, want ErrUnavailable", err)
	}
	if err := l.Append(t.Context(), entries[:1]); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Append of what is there: %v, want ErrUnavailable", err)
	}
	bad.from = int64(len(d.cache))
	ledgertest.Same(t, l, entries)
}

// A deaf disk does not read beyond an offset.
type deaf struct {
	*badDisk
	from int64
}

func (d *deaf) ReadAt(b []byte, at int64) (int, error) {
	n, err := d.badDisk.ReadAt(b, at)
	if at+int64(n) > d.from {
		return int(max(0, d.from-at)), syscall.EIO
	}
	return n, err
}
