package sqlitestore_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// raw runs statements on the file as an attacker or another program would.
func raw(t *testing.T, path string, statements ...string) error {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			return err
		}
	}
	return nil
}

func openError(t *testing.T, path string) error {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: now})
	if err == nil {
		t.Fatal("Open succeeded")
	}
	if s != nil {
		t.Error("Open returned a store and an error")
	}
	return err
}

func TestOpenRefusesAGap(t *testing.T) {
	for name, cfg := range map[string]sqlitestore.Config{
		"no Path": {Now: now},
		"no Now":  {Path: filepath.Join(folder(t), "vault.db")},
	} {
		if s, err := sqlitestore.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: Open succeeded", name)
			closeAll(t, s)
		}
	}
}

// modes gives the modes of the files in a directory.
func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	out := map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = info.Mode().Perm()
	}
	return out
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := folder(t)
	path := filepath.Join(dir, "vault.db")
	s := open(t, path)
	newPerson(t, s, newTenant(t, s))
	for _, name := range []string{"vault.db", "vault.db-wal", "vault.db-shm"} {
		if mode, ok := modes(t, dir)[name]; !ok || mode != 0o600 {
			t.Errorf("%s: there %v, mode %v, want 0600", name, ok, mode)
		}
	}

	// A second Open finds them wide open.
	for name := range modes(t, dir) {
		if err := os.Chmod(filepath.Join(dir, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	again, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range modes(t, dir) {
		if mode != 0o600 {
			t.Errorf("%s: mode %v after Open, want 0600", name, mode)
		}
	}
	if !strings.Contains(log.String(), "open to others") || strings.Contains(log.String(), dir) {
		t.Errorf("the log says: %s", &log)
	}
	closeAll(t, again, s)
}

func closeAll(t *testing.T, stores ...*sqlitestore.Store) {
	t.Helper()
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"another program's database", func(t *testing.T, path string) {
			if err := raw(t, path, "CREATE TABLE x (y)"); err != nil {
				t.Fatal(err)
			}
		}, sqlitestore.ErrForeign},
		{"another program's mark", func(t *testing.T, path string) {
			if err := raw(t, path, "PRAGMA application_id = 1"); err != nil {
				t.Fatal(err)
			}
		}, sqlitestore.ErrForeign},
		{"our mark without a version", func(t *testing.T, path string) {
			closeAll(t, open(t, path))
			if err := raw(t, path, "PRAGMA user_version = 0"); err != nil {
				t.Fatal(err)
			}
		}, sqlitestore.ErrForeign},
		{"a newer schema", func(t *testing.T, path string) {
			closeAll(t, open(t, path))
			if err := raw(t, path, fmt.Sprintf("PRAGMA user_version = %d", sqlitestore.SchemaVersion+1)); err != nil {
				t.Fatal(err)
			}
		}, sqlitestore.ErrNewer},
		{"a text file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, vault.ErrIntegrity},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, sqlitestore.ErrForeign},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(folder(t), "vault.db")
			c.make(t, path)
			before, _ := os.ReadFile(path)
			err := openError(t, path)
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), path) {
				t.Error("the error names the path")
			}
			if after, _ := os.ReadFile(path); !sameContent(before, after) {
				t.Error("Open changed a file that it refused")
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		if err := openError(t, filepath.Join(folder(t), "none", "vault.db")); !errors.Is(err, vault.ErrUnavailable) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

// sameContent compares two states of a file. Turning a database to WAL changes
// two bytes of its header and a counter, which is all that Open may do before
// it has read the version.
func sameContent(a, b []byte) bool {
	const header = 100
	if len(a) < header || !bytes.HasPrefix(a, []byte("SQLite format 3\x00")) {
		return bytes.Equal(a, b)
	}
	return len(a) == len(b) && bytes.Equal(a[header:], b[header:])
}

func TestOpenOfAnEmptyFileMakesTheStore(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	closeAll(t, s)
}

func TestPathsAreTakenLiterally(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%41", "é", "a&_pragma=x", ":memory:", "file:x"} {
		dir := folder(t)
		s := open(t, filepath.Join(dir, name))
		tenant := newTenant(t, s)
		closeAll(t, s)
		if got := modes(t, dir); len(got) != 1 || got[name] != 0o600 {
			t.Errorf("Open of %q made %v", name, got)
		}
		again := open(t, filepath.Join(dir, name))
		if tenants := allTenants(t, again); !slices.Equal(tenants, []int32{tenant}) {
			t.Errorf("%q: tenants %v after opening it again", name, tenants)
		}
		closeAll(t, again)
	}
}

func TestSettings(t *testing.T) {
	s := open(t, filepath.Join(folder(t), "vault.db"))
	defer closeAll(t, s)
	for name, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "foreign_keys": "1", "temp_store": "2",
		"trusted_schema": "0", "cell_size_check": "1", "busy_timeout": "5000", "query_only": "0",
	} {
		for _, writer := range []bool{true, false} {
			if name == "query_only" && !writer {
				want = "1"
			}
			got, err := s.Pragma(t.Context(), writer, name)
			if err != nil || got != want {
				t.Errorf("writer %v: %s is %q, want %q (%v)", writer, name, got, want, err)
			}
		}
	}
	if err := s.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Pragma(t.Context(), true, "busy_timeout"); err != nil || got != "5000" {
		t.Errorf("busy_timeout is %q after a checkpoint (%v)", got, err)
	}
}

func TestCloseLeavesOneFile(t *testing.T) {
	dir := folder(t)
	s := open(t, filepath.Join(dir, "vault.db"))
	newPerson(t, s, newTenant(t, s))
	closeAll(t, s)
	if got := modes(t, dir); len(got) != 1 {
		t.Errorf("after Close there are %v", got)
	}
}

func TestSchemaIsMadeOnceByManyProcesses(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	stores := make(chan *sqlitestore.Store, 8)
	for range cap(stores) {
		go func() {
			s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: now, BusyTimeout: time.Minute})
			if err != nil {
				t.Errorf("Open: %v", err)
			}
			stores <- s
		}()
	}
	for range cap(stores) {
		if s := <-stores; s != nil {
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			defer closeAll(t, s)
		}
	}
}
