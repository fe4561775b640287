package transit

import (
	"errors"
	"fmt"
)

// What a caller can act on. Their texts and those of all errors that wrap them
// are this package's own: nothing that Vault wrote is in them.
var (
	// ErrUnavailable means that Vault did not do what was asked and may do it
	// later: not reached in time, sealed, failing, overloaded, its breaker open,
	// an answer that makes no sense, or permission denied. Nothing is known of
	// the items.
	ErrUnavailable = errors.New("vault is unavailable")
	// ErrDenied means that Vault refused our token or its policy refused the
	// request. It always comes together with ErrUnavailable: for a caller they
	// are the same, an operator must mend the policy or the credentials.
	ErrDenied = errors.New("permission denied: check the token and its policy (deploy/vault)")
	// ErrNoKey means that the Transit key does not exist. It is never created by
	// using it, only by CreateKey.
	ErrNoKey = errors.New("no such key")
	// ErrRefused means that an item does not open: not a wrapped key, of another
	// key or context, changed, or of a version that is too old or destroyed.
	ErrRefused = errors.New("does not open")
	// ErrKeyUnsafe means that a Transit key of that name exists but is not what
	// CreateKey makes (derived, AES-256-GCM, neither exportable nor deletable nor
	// backed up in clear nor imported), so that it would not bind what it wraps
	// to its context or not keep it. It must be looked at by an operator.
	ErrKeyUnsafe = errors.New("the key is not of the kind that Fieldvault makes")
	// ErrMinimum means that the key's present versions do not allow the minimum
	// or the trim that was asked for. Read them with Status.
	ErrMinimum = errors.New("the key's versions do not allow this minimum")
	// ErrInput means that the call itself is wrong: names, lengths or counts.
	// No request was sent.
	ErrInput = errors.New("invalid input")
)

var (
	errClosed = fmt.Errorf("%w: the client is closed", ErrUnavailable)
	errAnswer = fmt.Errorf("%w: its answer makes no sense", ErrUnavailable)
)
