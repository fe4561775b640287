package secret

import "errors"

// ErrEncode is returned by every method that would store or transmit a value,
// and by every method that would read one from outside.
var ErrEncode = errors.New("secret: a secret is neither encoded nor decoded")
