package ledger_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
)

func TestFileConforms(t *testing.T) {
	ledgertest.Run(t, ledgertest.Options{New: func(t *testing.T) ledgertest.Open {
		path := newFile(t)
		return func(t *testing.T) ledger.Ledger {
			t.Helper()
			l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
	}})
}

// newFile makes an empty ledger with these entries, and returns its path.
func newFile(t *testing.T, entries ...ledger.Entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "erasures.ledger")
	l, err := ledger.CreateFile(t.Context(), path, uuid.New(), ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := l.Append(t.Context(), []ledger.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// openFile opens a ledger until the test ends.
func openFile(t *testing.T, path string) *ledger.File {
	t.Helper()
	l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// A file of before can be read for ever.
func TestGoldenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := ledger.CreateFile(t.Context(), path, person, ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	first, second := erase(), withdraw()
	second.ID = eventID
	if err := l.Append(t.Context(), []ledger.Entry{first, second}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := hex.DecodeString(golden(t, "files.txt", []string{hex.EncodeToString(b)})[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, stored, 0o600); err != nil {
		t.Fatal(err)
	}
	l = openFile(t, path)
	ledgertest.Same(t, l, []ledger.Entry{first, second})
	if id, err := l.ID(t.Context()); err != nil || id != person {
		t.Errorf("ID: %v, %v", id, err)
	}
}

func TestCreateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger")
	create := func(path string, id uuid.UUID) (*ledger.File, error) {
		return ledger.CreateFile(t.Context(), path, id, ledger.FileConfig{})
	}
	if _, err := create(path, uuid.Nil); !errors.Is(err, ledger.ErrEntry) {
		t.Errorf("without an id: %v, want ErrEntry", err)
	}
	if _, err := create(filepath.Join(dir, "nowhere", "ledger"), uuid.New()); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("in no directory: %v, want ErrUnavailable", err)
	} else if strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the error names the path: %v", err)
	}
	l, err := create(path, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(t.Context(), ledgertest.Entries(1)); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	before := read(t, path)
	if _, err := create(path, uuid.New()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v, want fs.ErrExist", err)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file that was there has changed")
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%v beside the file (%v)", names, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode is %v (%v), want 0600", info.Mode(), err)
	}
}

// Of several who make one file, one does.
func TestCreateFileTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	made := make(chan *ledger.File, 8)
	var wg sync.WaitGroup
	for range cap(made) {
		wg.Go(func() {
			l, err := ledger.CreateFile(t.Context(), path, uuid.New(), ledger.FileConfig{})
			if err == nil {
				made <- l
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Fatalf("%d were made", len(made))
	}
	if err := (<-made).Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := bytes.Clone(read(t, newFile(t, withdraw())))
	at := 60 + 16 // the version of the first entry
	newer[at] = 2
	rehash(newer, 60)
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		want       error
	}{
		{"no file", filepath.Join(dir, "missing"), ledger.ErrMissing},
		{"a link to no file", dangling, ledger.ErrMissing},
		{"a directory", dir, ledger.ErrUnavailable},
		{"a device", "/dev/null", ledger.ErrUnavailable},
		{"an empty file", write("empty", nil), ledger.ErrCorrupt},
		{"half a header", write("half", read(t, newFile(t))[:30]), ledger.ErrCorrupt},
		{"another program's file", write("foreign", bytes.Repeat([]byte("SQLite format 3\x00"), 10)), ledger.ErrCorrupt},
		{"an entry of a newer version", write("newer", newer), ledger.ErrNewer},
	} {
		l, err := ledger.OpenFile(t.Context(), c.path, ledger.FileConfig{})
		if err == nil {
			_ = l.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error names the path: %v", c.name, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.OpenFile(cancelled, newFile(t), ledger.FileConfig{}); !errors.Is(err, context.Canceled) {
		t.Errorf("when cancelled: %v, want context.Canceled", err)
	}
}

func TestOneAtATime(t *testing.T) {
	path := newFile(t)
	l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{}); !errors.Is(err, ledger.ErrLocked) {
		t.Errorf("opening it twice: %v, want ErrLocked", err)
	}
	if err := l.Append(t.Context(), ledgertest.Entries(1)); err != nil {
		t.Errorf("after another tried: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	openFile(t, path)
}

func TestOpenFileTightensTheMode(t *testing.T) {
	path := newFile(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the mode is %v (%v), want 0600", info.Mode(), err)
	}
	if !strings.Contains(log.String(), "rw-r--r--") {
		t.Errorf("the log says %q", log.String())
	}
}

// What changes under an open file is noticed by the next read, and a duplicate is
// not taken for the entry that was there.
func TestDamageWhileOpen(t *testing.T) {
	entries := ledgertest.Entries(3)
	path := newFile(t, entries...)
	l := openFile(t, path)
	b := read(t, path)
	second := int64(frameEnds(b)[1])
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt([]byte{b[second+100] ^ 1}, second+100); err != nil {
		t.Fatal(err)
	}
	if page, err := l.Read(t.Context(), 0, 1); err != nil || len(page) != 1 {
		t.Errorf("reading what is whole: %v", err)
	}
	corruptAt(t, 2, func() error { _, err := l.Read(t.Context(), 0, 3); return err })
	corruptAt(t, 2, func() error { _, err := l.Read(t.Context(), 1, 1); return err })
	corruptAt(t, 2, func() error { return l.Append(t.Context(), entries[1:2]) })
	if err := f.Truncate(int64(len(b) - 1)); err != nil {
		t.Fatal(err)
	}
	corruptAt(t, 3, func() error { _, err := l.Read(t.Context(), 2, 1); return err })
}

// corruptAt wants ErrCorrupt that names a position.
func corruptAt(t *testing.T, position int, call func() error) {
	t.Helper()
	err := call()
	if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error(), "position "+string(rune('0'+position))) {
		t.Errorf("%v, want ErrCorrupt at position %d", err, position)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
