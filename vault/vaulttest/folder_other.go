//go:build !linux

package vaulttest

import "testing"

// folder returns a folder that is removed after the test.
func folder(tb testing.TB) string {
	tb.Helper()
	return tb.TempDir()
}
