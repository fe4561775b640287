package sqlitestore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pacetest"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
	"github.com/fieldvault/fieldvault/vault/storetest"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// open opens a store in a file; the test closes it.
func open(t *testing.T, path string) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.Context(), sqlitestore.Config{Path: path, Now: now})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

// folder is one of the disk; in a quick run, of memory where there is room.
func folder(t *testing.T) string {
	t.Helper()
	if pacetest.Thorough() {
		return t.TempDir()
	}
	return vaulttest.Folder(t)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) vault.Store {
		return open(t, filepath.Join(folder(t), "vault.db"))
	})
}
