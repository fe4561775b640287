package vaulttest

import (
	"os"
	"syscall"
	"testing"
)

const (
	// inMemory is where Linux keeps a file system in memory.
	inMemory = "/dev/shm"
	// tmpfs is the type of such a file system, in statfs(2).
	tmpfs = 0x01021994
	// roomy is how many bytes must be free there: a container may have 64 MiB.
	roomy = 1 << 30
)

// Folder returns a folder that is removed after the test. It is in memory where there is
// room for it: a vault waits for the disk at each commit, which proves nothing here.
func Folder(tb testing.TB) string {
	tb.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(inMemory, &s); err != nil || s.Type != tmpfs || s.Bavail*uint64(s.Bsize) < roomy { //nolint:gosec // a block has a size
		return tb.TempDir()
	}
	dir, err := os.MkdirTemp(inMemory, "fieldvault-vaulttest-") //nolint:usetesting // TempDir is on the disk
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { must(tb, os.RemoveAll(dir)) })
	return dir
}
