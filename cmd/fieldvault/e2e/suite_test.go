//go:build e2e

package e2e_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/storetest"
)

// A testCase is one numbered case of a suite, which runs in a world that earlier
// cases have used: it makes people of its own.
type testCase struct {
	name string
	run  func(t *testing.T, w *world)
	long bool // in embedded mode it runs only if there is time for it
}

// TestEmbedded runs the cases that change nothing behind the service's back on
// SQLite and a key file.
func TestEmbedded(t *testing.T) {
	storetest.NeedTime(t)
	t.Parallel()
	suite(t, newWorld(t, false, options{people: true}))
}

// TestProduction runs them on PostgreSQL and Vault.
func TestProduction(t *testing.T) {
	needProduction(t)
	t.Parallel()
	suite(t, newWorld(t, true, options{people: true}))
}

func suite(t *testing.T, w *world) {
	t.Helper()
	for _, group := range [][]testCase{viewCases(), accessCases(), doorCases(), tokenCases(), fieldTokenCases(), eraseCases(), limitCases(), nodeCases(), settingsCases(), signInCases(), tableCases()} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				if c.long && !w.production {
					storetest.NeedTime(t)
				}
				c.run(t, w)
			})
		}
	}
	t.Run("Z01_the_world_after", func(t *testing.T) {
		w.restart(t) // what waits to be swept is swept at the start, too
		for _, f := range w.fsck(t) {
			t.Errorf("fsck: %s", f)
		}
		w.look(t)
	})
}
