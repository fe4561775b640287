package accessctl

import (
	"errors"
	"fmt"
)

// ErrPolicy is what every error of [ParsePolicy] is, in the sense of errors.Is.
var ErrPolicy = errors.New("the policy is not valid")

// ErrName means that a text is not one of the closed set of names it must be
// from: a view, a consent state.
var ErrName = errors.New("unknown name")

// SyntaxError says where a policy's text is wrong. It is an [ErrPolicy].
type SyntaxError struct {
	Line, Column int // from 1; where the text could not be read any further
	Problem      string
}

// Error gives line, column and problem. It may quote the policy's text.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("policy: line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// Is reports whether target is ErrPolicy.
func (e *SyntaxError) Is(target error) bool { return target == ErrPolicy }
