package trail

import "errors"

// Errors of this package. They never hold text of an event.
var (
	// ErrNotLeader: another process has the lease.
	ErrNotLeader = errors.New("trail: another process sequences")
	// ErrAltered: what is stored does not fit the last checkpoint that was signed.
	// The log is not grown until somebody has looked.
	ErrAltered = errors.New("trail: the stored log does not fit its signed checkpoint")
	// ErrNone: the log has no such entry, checkpoint or size.
	ErrNone = errors.New("trail: not in the log")
)
