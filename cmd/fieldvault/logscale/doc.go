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
// # The lag
//
// TestSequencingLag starts processes of the service on a PostgreSQL and a real Vault
// and reads through all of them as fast as they answer, while it reads their metrics:
// the lag must be below a second again within ten seconds, and every event in the tree.
//
// # The cost
//
// TestTreeCost reads with a sequencer in the same process and without, in turns, and
// prints the ratio.
//
// # Running it
//
// As some of the tests they run small, where the production parts do
// (-tags e2e). The long runs are flags:
//
//	go test -tags e2e ./cmd/fieldvault/logscale -run TestLongLog -v -timeout 1h -events=1000000
//	go test -tags e2e ./cmd/fieldvault/logscale -run TestSequencingLag -v -lag.for=60s
//	go test -tags e2e ./cmd/fieldvault/logscale -run TestTreeCost -v -cost.rounds=15 -cost.round=3s
package logscale
