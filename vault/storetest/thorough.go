package storetest

import (
	"os"
	"testing"
)

// Thorough reports whether CI or FIELDVAULT_E2E is set in the environment, as
// `make test` does: then all tests run. Without, the longest and those on PostgreSQL
// are left out, so that plain `go test ./...` is quick.
func Thorough() bool { return os.Getenv("CI") != "" || os.Getenv("FIELDVAULT_E2E") != "" }

// NeedTime skips a test that takes long unless [Thorough].
func NeedTime(tb testing.TB) {
	tb.Helper()
	if !Thorough() {
		tb.Skip("what takes long runs with CI or FIELDVAULT_E2E set, as `make test` does")
	}
}
