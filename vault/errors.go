package vault

import (
	"errors"
	"fmt"
	"strings"
)

// What a caller can act on. Every other error is internal: a transport answers
// it with fixed text.
var (
	// ErrDenied: the caller's role lacks the action. Nothing was looked up.
	ErrDenied = errors.New("the caller's role does not permit this")
	// ErrNotFound: no such person, record or document, or none that the caller may know of.
	ErrNotFound = errors.New("not found")
	// ErrGone: the person was erased. Only a caller who may know of the person
	// gets it: by the fields asked for, or by the right to act on the person as a
	// whole (erase, hold, consent and the like).
	ErrGone = errors.New("the person was erased")
	// ErrConflict: the revision named by the caller is not the current one, or
	// the state changed while the call ran.
	ErrConflict = errors.New("conflicts with the present state")
	// ErrHeld: a legal hold stands against what was asked.
	ErrHeld = errors.New("a legal hold is in force")
	// ErrTooLarge: a value, a batch or a document is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrMismatch: the idempotency key was used before for another request.
	ErrMismatch = errors.New("the idempotency key was used for another request")
	// ErrIntegrity: stored data does not verify. It was changed outside the service.
	ErrIntegrity = errors.New("stored data does not verify")
	// ErrUnavailable: the store or the key-encryption key did not answer in
	// time. Nothing was released; trying again later is safe.
	ErrUnavailable = errors.New("a part of the service does not answer")
	// ErrUnledgered is an ErrUnavailable: what was asked is done and in force, and
	// is not yet on record in the ledger outside the database. Asking again, or
	// waiting, completes it.
	ErrUnledgered = fmt.Errorf("%w: done, but not yet in the ledger", ErrUnavailable)
	// ErrBehind is an ErrUnavailable: the database lacks what the ledger knows, as
	// after a restore, so nothing is shown or stored until `fieldvault ledger replay`.
	ErrBehind = fmt.Errorf("%w: the database is behind the ledger", ErrUnavailable)
)

// Errors of a Store, which the core handles itself.
var (
	// ErrNoRow: the row that was asked for is not there.
	ErrNoRow = errors.New("no such row")
	// ErrStale: a conditional write found another state than it named.
	ErrStale = errors.New("the row has changed")
	// ErrStaleKEK: a wrapped key is under a key-encryption key version that the
	// tenant no longer writes under; wrap again.
	ErrStaleKEK = errors.New("wrapped under a retired version of the key-encryption key")
)

// An InvalidError says which parts of the input are wrong, by name and rule,
// never by value.
type InvalidError struct {
	Problems []Problem
}

// A Problem is one thing wrong with the input.
type Problem struct {
	// Field names the input: a field of the catalog ("customer.email") or a
	// parameter ("purpose").
	Field string
	// Rule says what must hold, in words.
	Rule string
}

// Error lists the problems. It holds no value.
func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("invalid input")
	for i, p := range e.Problems {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(p.Field)
		b.WriteString(" ")
		b.WriteString(p.Rule)
	}
	return b.String()
}

func invalid(field, rule string) error {
	return &InvalidError{Problems: []Problem{{Field: field, Rule: rule}}}
}
