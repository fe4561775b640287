package tree

import (
	"errors"
	"fmt"
)

var (
	// ErrPath says that a path names no tile and no bundle of entries, or not in
	// its one canonical spelling.
	ErrPath = errors.New("tree: not the path of a tile")

	// ErrSize says that a size, an index or a length is out of its range.
	ErrSize = errors.New("tree: out of range")

	// ErrFormat says that bytes are not what they should be: a bundle, a
	// checkpoint, a name, a public key.
	ErrFormat = errors.New("tree: malformed")

	// ErrSignature says that a checkpoint is well formed but not signed by the
	// given key.
	ErrSignature = errors.New("tree: not signed by that key")

	// ErrProof says that a proof does not prove what it should.
	ErrProof = errors.New("tree: proof does not fit")

	// ErrBad says that a log is not what its checkpoint says. A *BadError, which
	// wraps it, names the entry.
	ErrBad = errors.New("tree: log does not fit its checkpoint")

	// ErrRollback says that the newest checkpoint of a log is smaller than one
	// that was seen before.
	ErrRollback = errors.New("tree: log has become smaller")

	// ErrFork says that the newest checkpoint of a log does not continue one that
	// was seen before: the log shows different entries to different readers, or
	// has been rewritten.
	ErrFork = errors.New("tree: log has been rewritten")
)

// BadError names the first entry of a log that is not as the log's checkpoint
// says. It wraps ErrBad.
type BadError struct {
	Index int64  // of the entry, from 0
	Why   string // in words for an auditor
}

// Error returns the index and the reason.
func (e *BadError) Error() string {
	return fmt.Sprintf("tree: entry %d: %s", e.Index, e.Why)
}

// Unwrap returns ErrBad.
func (e *BadError) Unwrap() error { return ErrBad }
