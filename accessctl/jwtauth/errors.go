package jwtauth

import "errors"

var (
	// ErrToken is the answer to every token that is not accepted, whatever the
	// reason.
	ErrToken = errors.New("jwtauth: token refused")

	// ErrConfig says that a configuration leaves out a check, or contradicts
	// itself. It says what to set.
	ErrConfig = errors.New("jwtauth: unsafe configuration")

	// ErrKeySet says that a key set could not be read or holds no usable key.
	ErrKeySet = errors.New("jwtauth: no usable key set")

	// ErrSigner says that a signer's file or claims are not in order.
	ErrSigner = errors.New("jwtauth: cannot sign")
)

// rule names what a token broke. It is logged, so it holds no value.
type rule string

// Error makes a rule an error, which does not leave the package.
func (r rule) Error() string { return string(r) }
