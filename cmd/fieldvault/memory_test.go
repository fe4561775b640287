package main

import (
	"runtime/debug"
	"testing"
)

// TestCollectLess: what the environment says of the memory stands.
func TestCollectLess(t *testing.T) {
	limit := debug.SetMemoryLimit(-1)
	percent := debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	})
	world{environ: []string{"GOGC=50", "GOMEMLIMIT=1GiB"}}.collectLess(100_000)
	if debug.SetMemoryLimit(-1) != limit || debug.SetGCPercent(100) != 100 {
		t.Error("the environment does not stand")
	}
	world{}.collectLess(100_000)
	if got := debug.SetMemoryLimit(-1); got < 200<<20 || got > 300<<20 {
		t.Errorf("with 100,000 keys the limit is %d", got)
	}
	if got := debug.SetGCPercent(100); got != garbageRatio {
		t.Errorf("garbage may grow to %d %%", got)
	}
}
