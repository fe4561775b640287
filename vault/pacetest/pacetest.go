// Package pacetest tells a quick run of the tests from a thorough one.
//
// With the build tag e2e (`go test -tags e2e`), with which `make test` builds them, or CI or
// FIELDVAULT_E2E in the environment, all tests run in full. Without, as in plain
// `go test ./...`, the longest are left out or do less, so that it is quick; suites that are
// of such tests only are not even built. The package imports nothing, so that a test of a small package stays small.
package pacetest

import (
	"flag"
	"os"
	"testing"
)

// Thorough reports whether this run is thorough.
func Thorough() bool { return tagged || os.Getenv("CI") != "" || os.Getenv("FIELDVAULT_E2E") != "" }

// NeedTime skips a test that takes long unless [Thorough].
func NeedTime(tb testing.TB) {
	tb.Helper()
	if !Thorough() {
		tb.Skip("what takes long runs with -tags e2e, as in `make test`")
	}
}

// Every returns 1 if [Thorough], and otherwise n: the step in which a test goes through
// many cases that are alike.
func Every(n int) int {
	if Thorough() {
		return 1
	}
	return n
}

// Draws makes a quick run check each property of rapid on n draws, unless the command
// line says on how many. A TestMain calls it before it runs the tests.
func Draws(n string) {
	if f := flag.Lookup("rapid.checks"); f != nil && !Thorough() {
		_ = f.Value.Set(n) // a number
	}
}
