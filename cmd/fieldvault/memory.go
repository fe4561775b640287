package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Up to where the heap may grow between two collections: to as much again as a half of
// what lives, and of a small process to this many bytes, which Go's own rule would
// collect several times a second under load.
const (
	smallHeap    = 160 << 20
	garbageShare = 50 // percent of what lives
	mostGarbage  = 2000
)

// collectLess has the heap grow to smallHeap at least. It looks again after each
// collection, for the rest of the process. GOGC in the environment keeps its meaning;
// GOMEMLIMIT does too.
func (w world) collectLess() {
	if w.getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(garbagePercent(liveBytes()))
	afterCollection()
}

// afterCollection sets the percentage anew when the next collection is over: what it
// leaves for the collector is found to be garbage by it.
func afterCollection() {
	sentinel := new([16]byte)
	runtime.AddCleanup(sentinel, func(struct{}) {
		debug.SetGCPercent(garbagePercent(liveBytes()))
		afterCollection()
	}, struct{}{})
}

// garbagePercent is GOGC for so many bytes that live.
func garbagePercent(live uint64) int {
	room := smallHeap - min(live, smallHeap)
	return int(min(mostGarbage, max(garbageShare, room*100/max(1, live))))
}

// liveBytes is what the last collection found to live.
func liveBytes() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}
