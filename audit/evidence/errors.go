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
)
