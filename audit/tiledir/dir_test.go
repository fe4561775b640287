package tiledir_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/audit/tiledir"
	"github.com/fieldvault/fieldvault/audit/tree"
)

const origin = "log.example.org/default"

func key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

func public() ed25519.PublicKey { return key().Public().(ed25519.PublicKey) }

// A memory is a log in memory, as far as size.
type memory struct {
	leaves [][]byte
	size   int64
	broken int // fails after so many reads; 0: never
	reads  int
}

func newMemory(n int, word string) *memory {
	m := &memory{size: int64(n)}
	for i := range n {
		m.leaves = append(m.leaves, fmt.Appendf(nil, "%s %d", word, i))
	}
	return m
}

var errBroken = errors.New("the source broke off")

func (m *memory) read() error {
	if m.reads++; m.broken > 0 && m.reads > m.broken {
		return errBroken
	}
	return nil
}

func (m *memory) Checkpoint(context.Context) ([]byte, error) {
	var r tree.Range
	for _, l := range m.leaves[:m.size] {
		r.Append(tree.LeafHash(l), nil)
	}
	return tree.Checkpoint{Origin: origin, Size: m.size, Root: r.Root()}.Sign(public(), func(b []byte) []byte { return ed25519.Sign(key(), b) })
}

func (m *memory) Tile(_ context.Context, t tree.Tile) ([]byte, error) {
	if err := m.read(); err != nil {
		return nil, err
	}
	span := int64(1) << (t.Level * tree.Height)
	var b []byte
	for n := t.N * tree.Width; n < t.N*tree.Width+int64(t.Width); n++ {
		if (n+1)*span > m.size {
			return nil, fs.ErrNotExist
		}
		var r tree.Range
		for _, l := range m.leaves[n*span : (n+1)*span] {
			r.Append(tree.LeafHash(l), nil)
		}
		h := r.Root()
		if span == 1 {
			h = tree.LeafHash(m.leaves[n])
		}
		b = append(b, h[:]...)
	}
	return b, nil
}

func (m *memory) Entries(_ context.Context, n int64, width int) ([][]byte, error) {
	if err := m.read(); err != nil {
		return nil, err
	}
	return m.leaves[n*tree.Width : n*tree.Width+int64(width)], nil
}

func export(t *testing.T, m *memory, dir string) (int64, error) {
	t.Helper()
	return tiledir.Export{To: tiledir.Dir{Path: dir}, Source: m, Origin: origin, Key: public()}.Run(t.Context())
}

// verify checks the folder, and that it holds so many events.
func verify(t *testing.T, dir string, want int64) {
	t.Helper()
	r, err := tree.Verification{Source: tiledir.Dir{Path: dir}, Origin: origin, Key: public()}.Run(t.Context())
	if err != nil || r.Checkpoint.Size != want || r.Entries != want {
		t.Fatalf("the folder: %+v %v, want %d", r, err, want)
	}
}

func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A folder that is exported to again and again verifies each time, and keeps no more
// than the log needs.
func TestExportGrows(t *testing.T) {
	dir, m := t.TempDir(), newMemory(800, "event")
	for _, size := range []int64{1, 2, 2, 255, 256, 257, 512, 513, 799, 800} {
		m.size = size
		if n, err := export(t, m, dir); n != size || err != nil {
			t.Fatalf("size %d: %d %v", size, n, err)
		}
		verify(t, dir, size)
		for _, c := range []int64{0, size - 1} { // what the newest checkpoint proves, the folder proves
			signed, err := tiledir.Dir{Path: dir}.Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			k, err := tree.OpenCheckpoint(signed, origin, public())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tree.ProveInclusion(t.Context(), tiledir.Dir{Path: dir}, k, c); err != nil {
				t.Errorf("size %d: proof of %d: %v", size, c, err)
			}
		}
	}
	for _, f := range files(t, dir) {
		if strings.Contains(f, "000.p/") && !strings.HasPrefix(f, "tile/1/") {
			t.Errorf("%s is left of a tile that is full", f)
		}
		if strings.Contains(f, ".new-") {
			t.Errorf("%s is left", f)
		}
	}
}

// An export that breaks off anywhere leaves the folder as it verified before, and the
// next one completes it.
func TestExportThatBreaksOff(t *testing.T) {
	for broken := 1; ; broken++ {
		dir, m := t.TempDir(), newMemory(600, "event")
		m.size = 250
		if _, err := export(t, m, dir); err != nil {
			t.Fatal(err)
		}
		m.size, m.reads, m.broken = 600, 0, broken
		_, err := export(t, m, dir)
		if err == nil {
			if broken < 5 {
				t.Errorf("an export takes %d reads", broken)
			}
			return
		}
		if !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		verify(t, dir, 250)
		m.broken = 0
		if _, err := export(t, m, dir); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, 600)
	}
}

// A log that does not continue what is in the folder changes nothing there.
func TestExportRefusesAnotherPast(t *testing.T) {
	dir, m := t.TempDir(), newMemory(300, "event")
	if _, err := export(t, m, dir); err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(files(t, dir))
	m.size = 200
	if _, err := export(t, m, dir); !errors.Is(err, tree.ErrRollback) {
		t.Errorf("a log that was cut back: %v", err)
	}
	if _, err := export(t, newMemory(400, "other"), dir); !errors.Is(err, tree.ErrFork) {
		t.Errorf("a log that was rewritten: %v", err)
	}
	m = newMemory(400, "event")
	m.leaves[299] = []byte("changed")
	if _, err := export(t, m, dir); !errors.Is(err, tree.ErrFork) {
		t.Errorf("a log of which one event was changed: %v", err)
	}
	m = newMemory(400, "event")
	m.leaves[350] = nil
	if _, err := export(t, m, dir); !errors.Is(err, tiledir.ErrPruned) {
		t.Errorf("events that are gone: %v", err)
	}
	verify(t, dir, 300)
	if after := fmt.Sprint(files(t, dir)); !strings.Contains(after, "checkpoint") || len(after) < len(before) {
		t.Errorf("the folder lost files: %s", after)
	}
	if err := os.WriteFile(filepath.Join(dir, tiledir.CheckpointFile), []byte("no checkpoint"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, m, dir); err == nil {
		t.Error("a folder with a checkpoint that is none was exported to")
	}
}

func TestWhatIsNotThere(t *testing.T) {
	d := tiledir.Dir{Path: t.TempDir()}
	_, err := d.Checkpoint(t.Context())
	if !errors.Is(err, tiledir.ErrNone) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a checkpoint: %v", err)
	}
	if _, err := d.Tile(t.Context(), tree.Tile{Width: 5}); !errors.Is(err, tiledir.ErrNone) {
		t.Errorf("a tile: %v", err)
	}
	if _, err := d.Entries(t.Context(), 0, 5); !errors.Is(err, tiledir.ErrNone) {
		t.Errorf("a bundle: %v", err)
	}
}
