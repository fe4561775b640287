//go:build !linux

package vaulttest

import "testing"

// Folder returns a folder that is removed after the test.
func Folder(tb testing.TB) string {
	tb.Helper()
	return tb.TempDir()
}
