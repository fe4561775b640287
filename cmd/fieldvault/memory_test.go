package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestGarbagePercent: a small process collects seldom, a large one holds little more
// than what lives.
func TestGarbagePercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 2000}, {1 << 20, 2000}, {16 << 20, 900}, {64 << 20, 150}, {80 << 20, 100}, {128 << 20, 50}, {192 << 20, 50}, {1 << 40, 50}} {
		if got := garbagePercent(c.live); got != c.want {
			t.Errorf("with %d MiB that live: %d %%, want %d", c.live>>20, got, c.want)
		}
	}
}

// TestCollectLess: what the environment says stands; otherwise the percentage follows
// what lives, collection after collection.
func TestCollectLess(t *testing.T) {
	was := debug.SetGCPercent(77)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	world{environ: []string{"GOGC=77"}}.collectLess()
	if got := debug.SetGCPercent(77); got != 77 {
		t.Errorf("GOGC of the environment became %d", got)
	}
	world{}.collectLess()
	follows := func(what string) {
		t.Helper()
		for range 1000 {
			runtime.GC()
			now := debug.SetGCPercent(77)
			if want := garbagePercent(liveBytes()); now != 77 && now <= want+want/10 && now >= want-want/10 {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("%s: the percentage does not follow what lives", what)
	}
	follows("at rest")
	held := make([]byte, 200<<20)
	follows("with 200 MiB more")
	runtime.KeepAlive(held)
}
