package ledger

import "errors"

// What a ledger says, and what its operator does about it. No error holds a part
// of an entry but its position, nor a path, nor the text of a database.
var (
	// ErrEntry: an entry is not one, or bytes are not the form of one. It wraps
	// the name of the part that is wrong. Nothing was appended. It is a defect of
	// the caller; there is nothing for an operator to do.
	ErrEntry = errors.New("ledger: not a valid entry")

	// ErrConflict: the ledger has another entry under the same id. It is a defect
	// of the caller, or somebody changed the outbox or the ledger. The entry that
	// stands is kept; the operator finds out which of the two was meant.
	ErrConflict = errors.New("ledger: another entry has this id")

	// ErrUnavailable: the ledger does not answer, or could not make entries
	// durable; they may be in it all the same. Appending the same entries again is
	// safe. The operator frees the disk or repairs the database's server; after a
	// failed write a [File] must also be reopened, see [File.Reopen].
	ErrUnavailable = errors.New("ledger: does not answer")

	// ErrMissing: there is no ledger at this place. If there never was one, the
	// operator makes it. If there was, the operator brings it back, from its copy
	// or to its path: a new one in its place would know of no erasure.
	ErrMissing = errors.New("ledger: there is none here")

	// ErrCorrupt: what is stored is not what was appended: a byte was changed, an
	// entry is missing. It names the first position that does not verify. Nothing
	// of the ledger was changed. The operator stops, keeps what is there, and
	// restores the ledger from a copy that reaches as far; no node may serve until
	// then, because erasures could be among what was lost.
	ErrCorrupt = errors.New("ledger: damaged")

	// ErrNewer: a newer build wrote the ledger. The operator upgrades this node.
	ErrNewer = errors.New("ledger: written by a newer version")

	// ErrLocked: another process has the file open. A file is the ledger of one
	// node: the operator ends the other process, or uses a database for several.
	ErrLocked = errors.New("ledger: in use by another process")
)
