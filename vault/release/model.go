package release

import (
	"errors"
	"math"
	"slices"
)

// Diversity says how the values of a sensitive column are counted in a class.
type Diversity int

// The three senses of l-diversity (Machanavajjhala et al., 2007, section 4). Distinct is
// easy to explain and lets one value be far more likely than the rest; Entropy asks that
// the entropy of the class is at least log L; Recursive asks that the most frequent value
// is less frequent than C times the sum of all from the L-th on.
const (
	Distinct Diversity = iota
	Entropy
	Recursive
)

// Model is what a released table must meet.
type Model struct {
	// K is required: the least number of rows in a class, at least 2.
	K int
	// L is required where the table has a sensitive column; 1 asks for no diversity.
	L int
	// Diversity is the sense of L.
	Diversity Diversity
	// C is required, and positive, with Recursive.
	C float64
	// T is required where the table has a sensitive column: above 0; 1 asks for no closeness.
	T float64
	// MaxSuppression is the greatest share of the rows that may be left out, below 1.
	MaxSuppression float64
}

func (m Model) check(sensitive bool) error {
	switch {
	case m.K < 2:
		return errors.New("a model needs a k of at least 2")
	case sensitive && m.L < 1:
		return errors.New("a model for a table with a sensitive column needs l, at least 1")
	case sensitive && !(m.T > 0 && m.T <= 1):
		return errors.New("a model for a table with a sensitive column needs t, above 0 and at most 1")
	case m.Diversity < Distinct || m.Diversity > Recursive:
		return errors.New("no such sense of l-diversity")
	case sensitive && m.Diversity == Recursive && !(m.C > 0 && m.C < math.MaxFloat64):
		return errors.New("recursive l-diversity needs a positive c")
	case !(m.MaxSuppression >= 0 && m.MaxSuppression < 1):
		return errors.New("the share of rows that may be left out is from 0 to below 1")
	}
	return nil
}

// slack is what rounding may add to an entropy or a distance.
const slack = 1e-9

// diverse reports whether counts, of values that are in a class, are L-diverse. It may
// sort counts.
func (m Model) diverse(counts []int) bool {
	if m.L <= 1 {
		return true
	}
	return m.diversity(counts) >= float64(m.L)-slack
}

// diversity returns the greatest l of which counts are l-diverse: a whole number but for
// Entropy; 0 where they are not even 1-diverse. It may sort counts.
func (m Model) diversity(counts []int) float64 {
	switch m.Diversity {
	case Entropy:
		return math.Exp(entropy(counts))
	case Recursive:
		return float64(recursive(counts, m.C))
	default: // distinct
		return float64(len(counts))
	}
}

func entropy(counts []int) float64 {
	total, h := 0, 0.0
	for _, n := range counts {
		total += n
	}
	for _, n := range counts {
		p := float64(n) / float64(total)
		h -= p * math.Log(p)
	}
	return h
}

// recursive returns the greatest l for which counts are (c, l)-diverse.
func recursive(counts []int, c float64) int {
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	tail := 0
	for l := len(counts); l >= 1; l-- {
		tail += counts[l-1]
		if float64(counts[0]) < c*float64(tail) {
			return l
		}
	}
	return 0
}
