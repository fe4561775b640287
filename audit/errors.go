package audit

import "errors"

var (
	// ErrEvent says that an event is not one: a required part is missing, a name
	// is not a name, an order is broken, a bound is exceeded. It wraps the part's
	// name, never its content. Nothing was appended.
	ErrEvent = errors.New("audit: not a valid event")

	// ErrLeaf says that bytes are not a leaf of a known version in its one
	// canonical form.
	ErrLeaf = errors.New("audit: not a valid leaf")
)
