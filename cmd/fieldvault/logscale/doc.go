// Package logscale shows that the audit log works at the size that it reaches in
// years, and says how fast. It holds only tests.
//
// # A long log
//
// TestLongLog makes a log with the real core on a real PostgreSQL: people are stored
// and then read by many callers for several purposes, while the sequencer puts what is
// recorded into the tree. In the middle one caller reads people whom the test
// remembers. The real program then exports the log, verifies the folder and the
// store, and reports the breach; the report must say exactly what the test saw, no
// more and no less. Rates are printed, never judged.
//
// # Running it
//
// As one of the tests it runs with 20,000 events, where the production parts do (CI or
// FIELDVAULT_E2E set). The long run is one flag:
//
//	FIELDVAULT_E2E=1 go test ./cmd/fieldvault/logscale -run TestLongLog -v -timeout 1h -events=1000000
package logscale
