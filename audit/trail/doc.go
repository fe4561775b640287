// Package trail keeps one tamper-evident log for each tenant: it takes the events
// that requests have written, those of one request in few rows, and gives every one a
// place in a Merkle tree ([tree]) whose checkpoints are signed.
//
// Requests never wait for it. A [Sequencer] on one node at a time reads new rows a few
// times a second, appends them to the logs of their tenants and signs, in one
// transaction. If it stops, events pile up as rows, and the next one goes on.
//
// # Invariants
//
//   - A row is in the tree once, with all of its events one behind the other, or never.
//     Rows are found by their absence from the tree. Ids are given before commits, so a
//     row may appear below others that were read long ago: every id that was not there is
//     asked for again, until all the transactions have ended that could still bring it.
//   - A log only grows. Leaves, nodes and checkpoints are never changed; the schema and
//     the rights of the service's role say the same.
//   - A log that does not fit its last signed checkpoint is not grown ([ErrAltered]):
//     what was altered by SQL is not signed again.
//   - A row counts if it bears a MAC under its tenant's key, or is of an action of the
//     keeper, who has no such key, and if it is of its tenant and none of its events is in
//     the tree already. One without a MAC holds a single event, with an id that no event
//     of a node has ([Tenant.Keeps]). Others are refused, and left where they are for the check to find.
//   - What the process itself has written while it sequences is taken from its memory,
//     once it is durable ([Sequencer.Expect]). A row that holds such an event waits for it.
//
// # What it does not see
//
// A row that is removed by SQL before it was sequenced, in less than a second as a
// rule, leaves no trace here, unless the process that sequences had it in its memory. Whoever removes the newest leaves together with their
// checkpoints rolls the log back to an earlier state that was once true: only a witness
// that has seen more ([tree.Advance]) finds that.
package trail
