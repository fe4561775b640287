package release

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Hierarchy says how the values of a column become coarser, level by level. Level 0 is the
// value itself; two values that are alike at one level are alike at all coarser ones. The
// zero Hierarchy is none.
type Hierarchy struct {
	shape     shape
	low, high int // the finest and the coarsest level that may be released
}

// shape is a kind of hierarchy. Values are clean, and not missing.
type shape interface {
	// levels names each level but the last, which is [All], in words that follow the
	// column's name.
	levels() []string
	// clean returns the one way to write a value, false if it is none of this kind.
	clean(value string) (string, bool)
	// at returns the value at a level that levels names.
	at(value string, level int) string
	// place returns where an ordered value stands, in units of its own.
	place(value string) float64
	ordered() bool
}

func newHierarchy(s shape) Hierarchy { return Hierarchy{shape: s, high: len(s.levels())} }

// Between returns the hierarchy with only the levels from finest to coarsest: the catalog
// may forbid exact dates, and whoever asks may have no use for a column that is left out.
func (h Hierarchy) Between(finest, coarsest int) (Hierarchy, error) {
	if h.shape == nil || finest < h.low || coarsest > h.high || finest > coarsest {
		return Hierarchy{}, errors.New("a hierarchy does not have these levels")
	}
	h.low, h.high = finest, coarsest
	return h, nil
}

// Levels returns the finest and the coarsest level that may be released.
func (h Hierarchy) Levels() (finest, coarsest int) { return h.low, h.high }

// Words says what is released at a level, as it stands after a column's name: "in bands
// of 5", "by month", "left out".
func (h Hierarchy) Words(level int) string {
	if names := h.shape.levels(); level < len(names) {
		return names[level]
	}
	return "left out"
}

// At returns the value at a level, which may be any from 0, the value itself, to the last,
// [All]. A missing value, which is empty, stays so until then. It fails for a value that
// the hierarchy does not know.
func (h Hierarchy) At(value string, level int) (string, error) {
	if h.shape == nil || level < 0 || level > len(h.shape.levels()) {
		return "", errors.New("the hierarchy does not have this level")
	}
	clean, ok := h.clean(value)
	if !ok {
		return "", errors.New("a value that the hierarchy does not know")
	}
	return h.at(clean, level), nil
}

func (h Hierarchy) clean(value string) (string, bool) {
	if value == "" {
		return "", true
	}
	return h.shape.clean(value)
}

// at is At of a clean value and a level that there is.
func (h Hierarchy) at(clean string, level int) string {
	switch {
	case level == len(h.shape.levels()):
		return All
	case clean == "":
		return ""
	}
	return h.shape.at(clean, level)
}

// compare puts clean values in order: the missing one first, ordered ones by their place.
func (h Hierarchy) compare(a, b string) int {
	if a == "" || b == "" || !h.shape.ordered() {
		return cmp.Compare(a, b)
	}
	return cmp.Or(cmp.Compare(h.shape.place(a), h.shape.place(b)), cmp.Compare(a, b))
}

// Suppression returns the hierarchy of a column that is released as it is or left out.
func Suppression() Hierarchy { return newHierarchy(whole{}) }

type whole struct{}

func (whole) levels() []string              { return []string{"as it is"} }
func (whole) clean(v string) (string, bool) { return v, true }
func (whole) at(value string, _ int) string { return value }
func (whole) place(string) float64          { return 0 }
func (whole) ordered() bool                 { return false }

// Prefixes returns the hierarchy of a text of which the first characters say the most,
// such as a postcode: the whole of it, then the first lengths[0] characters and "*", and so
// on, then [All]. The lengths must fall, and be at least 1.
func Prefixes(lengths ...int) (Hierarchy, error) {
	for i, n := range lengths {
		if n < 1 || i > 0 && n >= lengths[i-1] {
			return Hierarchy{}, errors.New("the lengths of prefixes must fall, to 1 at the least")
		}
	}
	return newHierarchy(prefixes(slices.Clone(lengths))), nil
}

type prefixes []int

func (p prefixes) levels() []string {
	names := []string{"as it is"}
	for _, n := range p {
		names = append(names, fmt.Sprintf("by its first %d characters", n))
	}
	return names
}

func (prefixes) clean(v string) (string, bool) { return v, true }
func (prefixes) place(string) float64          { return 0 }
func (prefixes) ordered() bool                 { return false }

func (p prefixes) at(value string, level int) string {
	if level == 0 {
		return value
	}
	r := []rune(value)
	return string(r[:min(len(r), p[level-1])]) + All
}
