package evidence

import "errors"

var (
	// ErrDocument says that a document, a key or a part of one does not have the
	// form that this package describes. It wraps the name of the part, never its
	// content.
	ErrDocument = errors.New("evidence: not a valid document")

	// ErrOtherKey says that a document names another key than the one it was to be
	// verified with. KeyIDOf tells which.
	ErrOtherKey = errors.New("evidence: signed with another key")

	// ErrSignature says that the signature does not hold: the document, or its
	// proof, is not what was signed.
	ErrSignature = errors.New("evidence: signature does not verify")

	// ErrNoInclusion says that a document has no inclusion proof beside it: it was
	// fetched before its event was in the log.
	ErrNoInclusion = errors.New("evidence: no inclusion proof")

	// ErrInclusion says that the inclusion proof beside a document does not hold.
	ErrInclusion = errors.New("evidence: inclusion proof does not verify")
)
