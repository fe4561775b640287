package field

import "errors"

var (
	// ErrOpen means that a ciphertext did not open: it was changed, cut,
	// extended or moved, or the key or the place is another. Which of these it
	// was is not said, on purpose.
	ErrOpen = errors.New("field: the value does not open")

	// ErrFormat means that bytes or text are not of the format they should be
	// of, or that a place lacks a part that must be there.
	ErrFormat = errors.New("field: malformed")

	// ErrTooLarge means that a value is longer than [MaxValue].
	ErrTooLarge = errors.New("field: the value is too large")
)
