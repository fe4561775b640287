package release

import (
	"fmt"
	"math"
	"strings"
)

// Cause says why a table cannot be released.
type Cause int

// The causes of a refusal.
const (
	TooFewRows   Cause = iota + 1 // fewer rows than k
	TooFewValues                  // a sensitive column has fewer values than l
	NoneServes                    // every generalisation leaves out more rows than allowed
)

// RefusalError says that a table cannot be released, and what stands in the way. It tells of the
// table as a whole, not of any row, but it does tell: it is for who may release the table.
type RefusalError struct {
	Cause Cause
	Model Model
	Rows  int // of the table

	// Of TooFewValues: the column, and how many values it has.
	Column string
	Values int

	// Of NoneServes: the generalisation that leaves out the fewest rows, and how many.
	Nearest    []Level
	Suppressed int
}

// Error says what stands in the way and what would help, in a sentence for people.
func (r *RefusalError) Error() string {
	switch r.Cause {
	case TooFewRows:
		return fmt.Sprintf("the table has %d rows, fewer than k = %d: release it with more people, or not at all", r.Rows, r.Model.K)
	case TooFewValues:
		return fmt.Sprintf("the column %s has %d values, fewer than l = %d: leave it out, or ask for a smaller l", r.Column, r.Values, r.Model.L)
	default: // none serves
		if r.Suppressed >= r.Rows {
			return fmt.Sprintf("with %s no generalisation of these columns serves, whatever is left out: "+
				"ask for less of the sensitive columns, or leave one out", r.Model)
		}
		return fmt.Sprintf("with %s and at most %s suppressed no generalisation of these columns serves; the nearest needs %s suppressed: %s",
			r.Model, percent(r.Model.MaxSuppression), percent(float64(r.Suppressed)/float64(r.Rows)), sentence(r.Nearest))
	}
}

// String returns what the model asks for: "k = 10, l = 3 (entropy)".
func (m Model) String() string {
	text := []string{fmt.Sprintf("k = %d", m.K)}
	if m.L > 1 {
		sense := []string{"distinct", "entropy", fmt.Sprintf("recursive, c = %g", m.C)}[m.Diversity]
		text = append(text, fmt.Sprintf("l = %d (%s)", m.L, sense))
	}
	if m.T > 0 && m.T < 1 {
		text = append(text, fmt.Sprintf("t = %g", m.T))
	}
	return strings.Join(text, ", ")
}

// percent rounds up to a tenth, so that what is said is enough.
func percent(share float64) string {
	return fmt.Sprintf("%g %%", math.Ceil(share*1000-slack)/10)
}

func sentence(levels []Level) string {
	text := make([]string, len(levels))
	for i, l := range levels {
		text[i] = l.Column + " " + l.Words
	}
	return strings.Join(text, ", ")
}
