package keyring

import "errors"

var (
	// ErrUnwrap means that a wrapped key does not open: it was changed or
	// moved, its KEK version is gone, or what it holds is not a key of ours.
	// Asking again does not help.
	ErrUnwrap = errors.New("keyring: the wrapped key does not open")

	// ErrUnavailable means that the KEK did not answer, or that the caller
	// stopped waiting. Asking again may help.
	ErrUnavailable = errors.New("keyring: the key-encryption key is unavailable")

	// ErrWrapped means that a wrapped key is not of its strict form. The KEK is
	// never asked about such a key.
	ErrWrapped = errors.New("keyring: malformed wrapped key")
)
