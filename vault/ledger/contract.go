package ledger

import (
	"context"

	"github.com/google/uuid"
)

// MaxRead is how many entries one Read returns at most.
const MaxRead = 1000

// A Ledger is what every ledger does: [File] here, Ledger in package pgstore.
// Package ledgertest holds each to it. All methods are safe for concurrent use.
//
// Every error is one of this package's, wrapped, or that of a context: one that
// was cancelled is context.Canceled, one whose deadline passed is
// [ErrUnavailable] and context.DeadlineExceeded.
type Ledger interface {
	// Append returns nil when all entries are durable, each at a position of its
	// own, in their order unless some were there already. An entry whose ID is
	// there already is not added again: that is success if it is the same entry,
	// byte for byte, else [ErrConflict]. No entries are durable at once.
	//
	// After any other error but [ErrEntry] some entries may be there and others
	// not; a caller appends all of them again. A caller that is cancelled stops
	// waiting, and its entries may be appended all the same.
	Append(ctx context.Context, entries []Entry) error

	// Read returns entries after a position, ascending without gaps: at most
	// limit, and never more than [MaxRead]. Entries are returned only when they
	// are durable. What was returned at a position stays there, and nothing
	// appears later at or below a position that was returned. There are none only
	// if there are none after the position, or limit is below 1.
	Read(ctx context.Context, after int64, limit int) ([]Placed, error)

	// Head returns the position of the last entry, 0 for none.
	Head(ctx context.Context) (int64, error)

	// ID returns what tells this ledger from every other: chosen when it was
	// made, kept by its copies.
	ID(ctx context.Context) (uuid.UUID, error)

	// Close waits for what runs and frees the ledger; the other methods then
	// return [ErrUnavailable]. Closing again does nothing.
	Close() error
}
