// Package ledger remembers, outside the database, what a restored or failed-over
// database must not forget: erasures of people and of key groups, consents
// withdrawn or refused, objections, restrictions and legal holds.
//
// A database that is brought back to an earlier time brings the erased back with
// it. It then reflects the ledger up to a lower position than the ledger has, and
// that is how it is noticed; replaying the entries in between is how it is undone.
// The ledger compares and replays nothing: the core does.
//
// # Entries
//
// An [Entry] says what was done to one life of a person. It names the person by a
// keyed hash and a random uid, and holds no personal data, no free text and no
// external id, so that it can be kept for ever. An entry has exactly one form
// ([Entry.Append]) and a form is exactly one entry ([Parse]). It bears a MAC under
// a key of its tenant; making and checking it is the caller's. Who reads an
// entry whose MAC does not verify treats the ledger as damaged.
//
// # Ledgers
//
// [Ledger] is the contract: positions from 1 without gaps, an entry that was once
// visible stays where it is, nothing appears below what was read. Appending is
// idempotent by the entry's ID, so whoever does not know whether an entry arrived
// appends it again; several may append the same.
//
// A [File] serves a single node. A database of its own serves several: Ledger in
// package pgstore. The byte formats are in FORMAT.md beside this file; testdata
// holds golden vectors, which are only ever appended to.
//
// # The file
//
//   - One write and one fsync make entries durable; concurrent calls share them.
//     Readers see entries after the fsync only.
//   - Each frame holds a hash over all frames before it, so a byte that changed, or
//     an entry that was cut out, moved or put in, does not verify: not when the file
//     is opened, and not when the entry is read.
//   - A crash can leave the last write incomplete. What then stands after the last
//     whole frame was never acknowledged, and is removed when the file is opened.
//     A file that was cut at its end looks the same: it is the database, which
//     reflects more than such a ledger has, that tells.
//   - After a failed write nobody knows what the disk holds, and a second fsync
//     that succeeds proves nothing. The file takes no more until it is reopened;
//     that writes its end anew.
//   - One process has it, by a lock on the file that ends with the process.
//
// # When something is wrong
//
//   - The ledger does not answer: acts are in force, as the database has them, and
//     their entries wait in its outbox; callers are told that they must ask again.
//   - There is none ([ErrMissing]), it is damaged ([ErrCorrupt]), it was cut or is
//     another one (behind the database, another ID): nobody can say whether the
//     database forgot something. No plaintext until an operator brings back the
//     ledger.
//   - It is ahead of the database: the database was restored, or failed over to a
//     standby that lagged. No plaintext until the entries in between are replayed.
//
// # The index
//
// An [Index] keeps in memory who was erased, so that a wrapped key of an erased
// person that somebody put back is not opened.
package ledger
