package sqlitestore_test

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// sound reports what SQLite's own check finds wrong with a file.
func sound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var verdict string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %q (%v)", verdict, err)
	}
}

func logSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// The log is brought home by the way, as far as readers let it, and what was
// deleted before is then in it at most, never in the file.
func TestLogStaysShort(t *testing.T) {
	storetest.NeedTime(t)
	dir := folder(t)
	path := filepath.Join(dir, "vault.db")
	s := open(t, path)
	tenant := newTenant(t, s)
	const frame = 4096 + 24
	write := func(pages int) {
		for range pages / 10 {
			if err := outcome(s.AppendEvents(t.Context(), []vault.Intake{{Tenant: tenant, Leaf: make([]byte, 10*4000)}})); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(5 * sqlitestore.MostPending)
	if n := logSize(t, path); n > 2*sqlitestore.MostPending*frame {
		t.Errorf("the log has %d pages, want about %d", n/frame, sqlitestore.MostPending)
	}
	err := s.View(t.Context(), func(tx vault.Tx) error {
		if _, err := tx.Tenants(t.Context()); err != nil {
			return err
		}
		write(5 * sqlitestore.MostPending)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := logSize(t, path); n < 4*sqlitestore.MostPending*frame {
		t.Errorf("the log has %d pages beside a reader: this test does not test it", n/frame)
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(5 * sqlitestore.MostPending)
	if n := logSize(t, path); n > 2*sqlitestore.MostPending*frame {
		t.Errorf("the log has %d pages after the reader has gone, want about %d", n/frame, sqlitestore.MostPending)
	}
	if s.ScrubAll(false) {
		t.Error("a store that is alone takes itself for one that is not")
	}
	closeAll(t, s)
	sound(t, path)
}

// A scrub of all pages, by Checkpoint or by Close, zeroes what stands in the
// gaps of pages, whoever left it there, and nothing else.
func TestScrubOfAllPages(t *testing.T) {
	for name, scrub := range map[string]func(*sqlitestore.Store) error{
		"Checkpoint": func(s *sqlitestore.Store) error { return errors.Join(s.Checkpoint(t.Context()), s.Close()) },
		"Close":      (*sqlitestore.Store).Close,
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			path := filepath.Join(dir, "vault.db")
			s := open(t, path)
			living := secretsOf(newVictims(t, s, newTenant(t, s), 100))
			closeAll(t, s)
			remains := leaveRemains(t, path)
			sound(t, path)
			if n := found(t, dir, remains); n != len(remains) || n < 10 {
				t.Fatalf("%d of %d remains are in the file", n, len(remains))
			}
			s = open(t, path)
			s.ScrubAll(true)
			if err := scrub(s); err != nil {
				t.Fatal(err)
			}
			if n := found(t, dir, remains); n != 0 {
				t.Errorf("%d remains are still in the files", n)
			}
			if n := found(t, dir, living); n != len(living) {
				t.Errorf("%d of %d secrets of the living are in the files", n, len(living))
			}
			sound(t, path)
		})
	}
}

// leaveRemains writes into the gaps of pages, as SQLite may when it balances
// a tree, and returns what it wrote.
func leaveRemains(t *testing.T, path string) (remains [][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const size = 4096
	for at := size; at < len(b); at += size {
		from, to := sqlitestore.Unallocated(b[at : at+size])
		if to-from < 16 {
			continue
		}
		r := randomBytes(16)
		copy(b[at+from:], r)
		remains = append(remains, r)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return remains
}

// leafPage makes a page of 512 bytes with these cells, and garbage in its gap.
func leafPage(kind byte, content int, cells ...int) []byte {
	p := bytes.Repeat([]byte{0xee}, 512)
	p[0] = kind
	binary.BigEndian.PutUint16(p[3:], uint16(len(cells)))
	binary.BigEndian.PutUint16(p[5:], uint16(content))
	at := 8
	if kind < 8 {
		at = 12
	}
	for i, c := range cells {
		binary.BigEndian.PutUint16(p[at+2*i:], uint16(c))
	}
	return p
}

func TestUnallocated(t *testing.T) {
	for _, c := range []struct {
		name     string
		page     []byte
		from, to int
	}{
		{"a leaf of a table", leafPage(13, 400, 400, 450), 12, 400},
		{"a leaf of an index", leafPage(10, 500, 510, 500, 505), 14, 500},
		{"an interior page of a table", leafPage(5, 300, 300), 14, 300},
		{"an interior page of an index", leafPage(2, 300, 300, 301), 16, 300},
		{"no cells", leafPage(13, 512), 8, 512},
		{"no gap", leafPage(13, 10, 10), 10, 10},
		{"empty", nil, 0, 0},
		{"short", leafPage(13, 400, 400)[:511], 0, 0},
		{"an overflow page", leafPage(0, 400, 400), 0, 0},
		{"an unknown kind", leafPage(3, 400, 400), 0, 0},
		{"content before the pointers", leafPage(13, 11, 400, 450), 0, 0},
		{"content past the page", leafPage(13, 513, 400), 0, 0},
		{"a cell before the content", leafPage(13, 400, 399), 0, 0},
		{"a cell past the page", leafPage(13, 400, 400, 512), 0, 0},
		{"more pointers than page", leafPage(13, 512, make([]int, 250)...), 0, 0},
		{"random bytes", bytes.Repeat([]byte{13}, 4096), 0, 0},
	} {
		if from, to := sqlitestore.Unallocated(c.page); from != c.from || to != c.to {
			t.Errorf("%s: %d to %d, want %d to %d", c.name, from, to, c.from, c.to)
		}
	}
}

// Whatever the page: the gap holds no byte of the header, of a pointer or of a cell.
func FuzzUnallocatedTouchesNothing(f *testing.F) {
	for _, kind := range []byte{2, 5, 10, 13, 0} {
		f.Add(leafPage(kind, 400, 400, 450))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		from, to := sqlitestore.Unallocated(page)
		if from == to {
			return
		}
		if from > to || to > len(page) {
			t.Fatalf("the gap is %d to %d of %d", from, to, len(page))
		}
		cells := int(binary.BigEndian.Uint16(page[3:]))
		header := 8
		if page[0] < 8 {
			header = 12
		}
		if from < header+2*cells || to > int(binary.BigEndian.Uint16(page[5:])) {
			t.Fatalf("the gap is %d to %d, of a page with %d cells", from, to, cells)
		}
		for i := range cells {
			if c := int(binary.BigEndian.Uint16(page[header+2*i:])); c < to {
				t.Fatalf("cell %d, at %d, is in the gap that ends at %d", i, c, to)
			}
		}
	})
}

// logOf makes a write-ahead log of frames, each a page number and a salt.
func logOf(frames ...[2]uint32) []byte {
	const page = 512
	b := make([]byte, 32)
	binary.BigEndian.PutUint32(b[8:], page)
	binary.BigEndian.PutUint64(b[16:], 7)
	for _, f := range frames {
		h := make([]byte, 24+page)
		binary.BigEndian.PutUint32(h, f[0])
		binary.BigEndian.PutUint64(h[8:], uint64(f[1]))
		b = append(b, h...)
	}
	return b
}

func TestLoggedPages(t *testing.T) {
	whole := logOf([2]uint32{9, 7}, [2]uint32{3, 7}, [2]uint32{9, 7}, [2]uint32{4, 7})
	for _, c := range []struct {
		name string
		log  []byte
		want []uint32
	}{
		{"each page once, in order", whole, []uint32{3, 4, 9}},
		{"a frame of an earlier log ends it", logOf([2]uint32{9, 7}, [2]uint32{3, 6}, [2]uint32{4, 7}), []uint32{9}},
		{"no frames", logOf(), nil},
		{"no log", nil, nil},
		{"half a header", whole[:31], nil},
		{"half a frame header", whole[:32+23], nil},
		{"half a frame", whole[:32+24+512+24], []uint32{3, 9}},
	} {
		got, err := sqlitestore.LoggedPages(bytes.NewReader(c.log))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v (%v), want %v", c.name, got, err, c.want)
		}
	}
}

func FuzzLoggedPagesAreInOrder(f *testing.F) {
	f.Add(logOf([2]uint32{9, 7}, [2]uint32{3, 7}))
	f.Add(make([]byte, 4096))
	f.Fuzz(func(t *testing.T, log []byte) {
		got, err := sqlitestore.LoggedPages(bytes.NewReader(log))
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(got); i++ {
			if got[i-1] >= got[i] {
				t.Fatalf("page %d comes after page %d", got[i], got[i-1])
			}
		}
		if len(got) > len(log)/24 {
			t.Fatalf("%d pages in %d bytes", len(got), len(log))
		}
	})
}
