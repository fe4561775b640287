package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
)

// frameEnds returns where the header and each frame of a whole file end, as
// FORMAT.md has it.
func frameEnds(b []byte) []int {
	ends := []int{60}
	for at := 60; at < len(b); {
		at += 16 + int(binary.BigEndian.Uint32(b[at:])) + 32
		ends = append(ends, at)
	}
	return ends
}

// rehash makes the links right from the frame that begins at an offset.
func rehash(b []byte, at int) {
	for at < len(b) {
		end := at + 16 + int(binary.BigEndian.Uint32(b[at:]))
		binary.BigEndian.PutUint32(b[at+12:], crc32.Checksum(b[at:at+12], crc32.MakeTable(crc32.Castagnoli)))
		sum := sha256.Sum256(slices.Concat(b[at-32:at], b[at:end]))
		copy(b[end:], sum[:])
		at = end + 32
	}
}

// quickDir is a directory for many files that nobody keeps: in memory, where the
// system has such a place.
func quickDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ledger") //nolint:usetesting // which would not be in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// reopened opens a file with the given bytes, and returns what it logged.
func reopened(t *testing.T, b []byte) (l *ledger.File, log string, err error) {
	t.Helper()
	path := filepath.Join(quickDir(t), "ledger")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l, err = ledger.OpenFile(t.Context(), path, ledger.FileConfig{Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if err != nil {
		if !bytes.Equal(read(t, path), b) {
			t.Error("a file that was refused was changed")
		}
		return nil, out.String(), err
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, out.String(), nil
}

// A file that is cut at any byte opens with every whole entry, takes more, and
// says that something was cut, if it was.
func TestCutAnywhere(t *testing.T) {
	entries := []ledger.Entry{erase(), withdraw(), eraseGroups()}
	entries[1].ID, entries[2].ID = eventID, person
	whole := read(t, newFile(t, entries...))
	ends := frameEnds(whole)
	for n := range len(whole) + 1 {
		l, log, err := reopened(t, whole[:n])
		if n < 60 {
			if !errors.Is(err, ledger.ErrCorrupt) {
				t.Errorf("cut at %d, in the header: %v, want ErrCorrupt", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		left := 0
		for left+1 < len(ends) && ends[left+1] <= n {
			left++
		}
		ledgertest.Same(t, l, entries[:left])
		if told := strings.Contains(log, "cut short"); told == slices.Contains(ends, n) {
			t.Errorf("cut at %d: the log says %q", n, log)
		}
		if err := l.Append(t.Context(), entries); err != nil {
			t.Errorf("cut at %d: %v", n, err)
		}
		ledgertest.Same(t, l, entries)
		if t.Failed() {
			return
		}
	}
}

// No byte of a file can change.
func TestFlipAnywhere(t *testing.T) {
	entries := []ledger.Entry{erase(), withdraw()}
	entries[1].ID = eventID
	whole := read(t, newFile(t, entries...))
	for at := range whole {
		for _, mask := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(whole)
			bad[at] ^= mask
			_, log, err := reopened(t, bad)
			if !errors.Is(err, ledger.ErrCorrupt) || log != "" {
				t.Fatalf("byte %d, mask %x: %v, want ErrCorrupt", at, mask, err)
			}
		}
	}
}

// Frames that are moved, left out, put in, repeated, or followed by what is none.
func TestDamagedFiles(t *testing.T) {
	entries := ledgertest.Entries(4)
	whole := read(t, newFile(t, entries...))
	other := read(t, newFile(t, entries...))
	ends := frameEnds(whole)
	frame := func(of []byte, n int) []byte { return of[ends[n-1]:ends[n]] }
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	head := whole[:60]
	twice := join(whole, frame(whole, 4))
	binary.BigEndian.PutUint64(twice[ends[4]+4:], 5)
	rehash(twice, 60)
	zero := join(head, make([]byte, 100))
	long := join(head, frame(whole, 1))
	binary.BigEndian.PutUint32(long[60:], ledger.MaxEntry+1)
	binary.BigEndian.PutUint32(long[60+12:], crc32.Checksum(long[60:60+12], crc32.MakeTable(crc32.Castagnoli)))
	skips := bytes.Clone(whole)
	binary.BigEndian.PutUint64(skips[ends[2]+4:], 4)
	rehash(skips, ends[2])
	for name, c := range map[string]struct {
		file     []byte
		position string
	}{
		"the first left out":         {join(head, frame(whole, 2), frame(whole, 3), frame(whole, 4)), "position 1 "},
		"one in the middle left out": {join(head, frame(whole, 1), frame(whole, 3), frame(whole, 4)), "position 2 "},
		"two changed places":         {join(head, frame(whole, 1), frame(whole, 3), frame(whole, 2), frame(whole, 4)), "position 2 "},
		"one repeated":               {join(whole, frame(whole, 4)), "position 5 "},
		"one repeated, and rehashed": {twice, "position 5 "},
		"a position left out":        {skips, "position 3 "},
		"one of another ledger":      {join(head, frame(whole, 1), frame(other, 2), frame(whole, 3)), "position 2 "},
		"another ledger's header":    {join(other[:60], whole[60:]), "position 1 "},
		"zeros at the end":           {join(whole, make([]byte, 16)), "position 5 "},
		"zeros instead of a frame":   {zero, "position 1 "},
		"garbage at the end":         {join(whole, bytes.Repeat([]byte{0xa5}, 300)), "position 5 "},
		"a cut in the middle":        {join(whole[:ends[2]-10], whole[ends[2]:]), "position 2 "},
		"a length beyond all":        {long, "position 1 "},
	} {
		_, log, err := reopened(t, c.file)
		if !errors.Is(err, ledger.ErrCorrupt) || !strings.Contains(err.Error()+" ", c.position) || log != "" {
			t.Errorf("%s: %v, want ErrCorrupt at %s", name, err, c.position)
		}
	}
	// A frame that only says that it is longer is not taken for one that was cut.
	for n := range 4 {
		bad := bytes.Clone(whole)
		bad[ends[3]+n]++
		if _, _, err := reopened(t, bad); !errors.Is(err, ledger.ErrCorrupt) {
			t.Errorf("the last frame's length, byte %d: %v, want ErrCorrupt", n, err)
		}
	}
}
