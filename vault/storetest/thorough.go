package storetest

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/pacetest"
)

// Thorough is [pacetest.Thorough]. Without it those tests on PostgreSQL are left out
// too.
func Thorough() bool { return pacetest.Thorough() }

// NeedTime is [pacetest.NeedTime].
func NeedTime(tb testing.TB) {
	tb.Helper()
	pacetest.NeedTime(tb)
}
