package sqlitestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
)

// Reading the file and closing it, which drops POSIX locks, drops none of the
// store's: another process that ends does not take itself for the last one and
// remove the log that this one goes on writing to.
func TestReadingTheFileDropsNoLock(t *testing.T) {
	path := filepath.Join(folder(t), "vault.db")
	s := open(t, path)
	newTenant(t, s)
	for range 2 {
		if err := count(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(path); err != nil {
			t.Error(err)
		}
		cmd, _, end := start(t, "count", path)
		if err := cmd.Wait(); err != nil {
			t.Errorf("another process: %v", err)
		}
		end()
	}
	closeAll(t, s)
	s = open(t, path)
	page, err := s.ScanRecords(t.Context(), vault.ScanPos{}, 10)
	if err != nil || len(page) != 1 || page[0].Record.Revision != 4*rounds {
		t.Errorf("the record is %+v, want it at revision %d (%v)", page, 4*rounds, err)
	}
	closeAll(t, s)
}
