package watch

import "errors"

// ErrLimit says that a limit is not one: its count or window is out of bounds. It
// wraps the name of the limit.
var ErrLimit = errors.New("watch: not a valid limit")
