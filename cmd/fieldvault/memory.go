package main

import "runtime/debug"

// What the service needs beside opened keys, and what an opened key holds, in bytes.
const (
	memoryBase   = 96 << 20
	memoryAKey   = 1600
	garbageRatio = 400
)

// collectLess lets garbage grow to four times what lives, instead of as much, up to a
// size that follows from the number of opened keys that are kept: a small process then
// spends a quarter of the time on collecting, and a full one no more memory. GOGC and
// GOMEMLIMIT in the environment keep their meaning.
func (w world) collectLess(keys int) {
	if w.getenv("GOGC") == "" {
		debug.SetGCPercent(garbageRatio)
	}
	if w.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryBase + int64(keys)*memoryAKey)
	}
}
