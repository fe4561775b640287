//go:build race

package e2e_test

// raceEnabled says that the binary is built with the race detector, as the tests are.
const raceEnabled = true
