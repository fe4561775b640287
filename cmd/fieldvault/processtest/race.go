//go:build race

package processtest

// RaceEnabled says that the tests, and so the program, are built with the race detector.
const RaceEnabled = true
