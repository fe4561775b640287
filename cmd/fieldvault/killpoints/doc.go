// Package killpoints shows that a process that ends as if the power went, at the
// worst of places, loses nothing that was acknowledged, brings nobody back and
// leaves no work that stands still. It holds only tests.
//
// # What runs
//
// Real processes of the program, built with the tag failpoints (package
// vault/failpoint), on PostgreSQL and a real Vault, with a ledger in a database of its
// own, and for the points of the file with a ledger that is one. For each point, and as
// often as -killpoints.rounds says, a process is started that ends at that point:
// `fieldvault serve` under the load of several clients, or one of the keeper's verbs
// or a replay beside it. It must die there, by SIGKILL; a point that is not reached is
// a failure. The next process has no such point, and everything is looked at.
//
// # What is checked
//
//   - Every person whom a client knows has a value that an answer allows: the last
//     that was acknowledged, or the whole of one that got no answer; never a half.
//   - Who was acknowledged as erased is gone, and erasing again answers the same
//     certificate. Of people whose erasure got no answer the erasure is repeated, and
//     gets one; a put is repeated, and works.
//   - No wrapped key, record, index entry or consent in the database belongs to nobody
//     alive, and as many people live as the clients know of.
//   - No job is queued, running or failed; nothing waits for the ledger; nothing is left
//     to clean up of those erased before the restart. The lease of the dead is taken over.
//   - The ledger has exactly the erasures of which the database has certificates, the
//     database has followed to its end, and the service is ready.
//   - `fieldvault fsck` finds nothing, and the audit log verifies.
//
// # Running it
//
// As one of the tests it runs one round of each point, where the production parts do
// (-tags e2e). The long run is one flag:
//
//	go test -tags e2e ./cmd/fieldvault/killpoints -run TestKillPoints -v -timeout 3h -killpoints.rounds=20
package killpoints
