package localkek

import "errors"

var (
	// ErrNoKey means that there is no key of that name. Nothing creates one but
	// [KEK.CreateKey].
	ErrNoKey = errors.New("localkek: no such key")

	// ErrName means that a name cannot be that of a key.
	ErrName = errors.New("localkek: not a key name")

	// ErrUnwrap means that a wrapped key does not open: it is malformed, was
	// changed, or belongs to another context or key.
	ErrUnwrap = errors.New("localkek: the wrapped key does not open")

	// ErrVersion means that a wrapped key is of a version that may not be used
	// any more, that was trimmed, or that never was.
	ErrVersion = errors.New("localkek: the key version is not available")

	// ErrMinimum means that a minimum is out of order; nothing was changed.
	ErrMinimum = errors.New("localkek: the minimum version is not allowed")

	// ErrTooLarge means that what is to be wrapped is longer than [MaxPlaintext].
	ErrTooLarge = errors.New("localkek: too much to wrap")

	// ErrPassphrase means that the passphrase is wrong, missing, or given for a
	// file in clear; a sealed file that was changed looks the same.
	ErrPassphrase = errors.New("localkek: wrong passphrase")

	// ErrFile means that a file is not a key file of ours, or that others than
	// its owner may read or change it.
	ErrFile = errors.New("localkek: not a usable key file")
)
