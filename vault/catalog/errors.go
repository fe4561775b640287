package catalog

import (
	"errors"
	"strconv"
	"strings"
)

// ErrFormat means that stored bytes are not a catalog that Marshal wrote.
var ErrFormat = errors.New("catalog: not a stored catalog")

// A Problem is one thing that is wrong with a catalog.
type Problem struct {
	// Line and Column count from 1 in the source. They are 0 where there is no
	// source, as in a stored catalog.
	Line, Column int

	// Path leads to the place, as in collections.customer.fields.email.type.
	// It is empty for the document as a whole.
	Path string

	// Text says what is wrong, and what to do about it.
	Text string
}

// String gives the problem on one line: "line 12: path: text".
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		b.WriteString("line " + strconv.Itoa(p.Line) + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error says that a catalog was refused. It lists every problem, in the order
// of the source, and at least one.
type Error struct {
	Problems []Problem
}

// Error gives the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "catalog: " + strings.Join(lines, "\n\t")
}

// ValueError says that a value does not fit its field. It never contains the
// value or a part of it.
type ValueError struct {
	Collection string // name
	Field      string // name
	Rule       string // what a value must be, in words for the caller
}

// TooLarge says whether the rule is the limit of a value's size, MaxValue.
func (e *ValueError) TooLarge() bool { return e.Rule == ruleSize }

// Error names field and rule.
func (e *ValueError) Error() string {
	return e.Collection + "." + e.Field + ": " + e.Rule
}
