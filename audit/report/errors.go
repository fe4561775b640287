package report

import "errors"

// ErrQuery says that a query can match nothing: it has no tenant, or no window
// of positive length. It wraps the name of the part.
var ErrQuery = errors.New("report: not a valid query")

// ErrHow says that a text is not the name of a How.
var ErrHow = errors.New("report: no such manner of showing")
