package aggregate

import (
	"errors"
	"fmt"
)

// What a caller can act on.
var (
	// ErrQuery: the query leaves something open or asks for what is out of range.
	ErrQuery = errors.New("aggregate: the query is not valid")
	// ErrOrder: a person came a second time, or before one with a lesser name.
	ErrOrder = errors.New("aggregate: people are not in ascending order")
	// ErrTooMany: more than 2^26 people were added.
	ErrTooMany = errors.New("aggregate: there are too many people")
	// ErrReleased: the accumulator has given its answer, or has failed to.
	ErrReleased = errors.New("aggregate: the answer was released before")
	// ErrLimit: a limit, or a cost, is negative or out of range.
	ErrLimit = errors.New("aggregate: the budget's number is out of range")
)

// A SpentError refuses a cost that a budget cannot bear.
type SpentError struct {
	// Cost is what was asked for.
	Cost Cost
	// Left is what the budget has.
	Left Cost
}

// Error says what is left, which is no secret: it depends on questions only.
func (e *SpentError) Error() string {
	return fmt.Sprintf("aggregate: the budget is spent: rho %d of %d asked is left (in billionths), delta %d of %d (in 10^-15)",
		e.Left.Rho, e.Cost.Rho, e.Left.Delta, e.Cost.Delta)
}

// refused returns an ErrQuery that says why.
func refused(why string) error { return fmt.Errorf("%w: %s", ErrQuery, why) }
