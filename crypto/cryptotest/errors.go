package cryptotest

import "errors"

// Errors of [KEK], for tests to look for.
var (
	// ErrItem is what an item gets that does not open.
	ErrItem = errors.New("cryptotest: the item does not open")
	// ErrVersion is what an item gets whose version is below the minimum or was
	// trimmed.
	ErrVersion = errors.New("cryptotest: the version is not available")
	// ErrNoKey is what a call gets for a key that does not exist, after
	// [KEK.RequireKeys].
	ErrNoKey = errors.New("cryptotest: no such key")
	// ErrMinimum is what SetMinimum and Trim answer to minima out of order.
	ErrMinimum = errors.New("cryptotest: the minimum version is not allowed")
)
