// Package storetest is the conformance suite that every vault.Store must pass,
// and a throwaway PostgreSQL to pass it on.
//
// [Run] holds a store to each sentence of the comments in vault/store.go and
// vault/storework.go: order, exactness of bytes and times, the errors that
// callers act on, atomicity, isolation, and what happens when many callers
// race. [Run] is also where the two stores are kept equal in what those comments
// leave open:
//
//   - Text that is not UTF-8, or holds NUL, is refused by every method that
//     takes it, with an error that is not ErrUnavailable: trying again is no use.
//   - Nil and empty bytes are the same; all numbers of the Go types fit, a
//     revision up to 1<<63-1.
//   - A transaction in which the database refused something does not commit,
//     even if the function passes nothing on. ErrNoRow, ErrStale and ErrStaleKEK
//     are answers, not refusals: the transaction goes on.
//   - A function that panics is rolled back, and the store still serves.
//   - A View refuses to lock.
//   - DestroyKeys returns the keys that were there; a row that says only an
//     epoch is deleted, but was no key. A DataKey without a wrapped key has
//     Version 0 and KEKVersion 0; DestroyGroup returns such a one when there
//     was nothing to destroy.
//   - InsertKey does not look at the person: after DestroyKeys a row may be made
//     again, and only the person's row, locked and seen live in the same
//     transaction, decides that it may not. The suite races the two.
//   - PutRecord, UpdateEffect, PutTally and UpdateApproval of a row that is not
//     there are ErrNoRow, and so is RaiseKEKEpoch of a tenant that is not.
//   - An effect and an approval are in force before their Expires, not at it. A
//     lease has not ended at its end.
//   - TakeJob sets Updated to its now.
//   - Of two certificates of one time the higher id is the latest; of two jobs
//     of one time the lower id is the oldest.
//   - The order of a history of consents is that of PutConsent, not of At.
//   - An erased person has no Keys, Consents and Record in a Loaded, swept or
//     not.
//   - SubjectTables lists what Sweep empties, so without the directory.
//   - A limit of 0 lists nothing.
//   - Close may be called twice; a closed store is ErrUnavailable.
package storetest
