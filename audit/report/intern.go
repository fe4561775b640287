package report

import (
	"cmp"
	"slices"
	"strings"
)

// A word is the number of an actor or purpose within one Breach.
type word uint32

// words numbers strings as they come, so that a row holds numbers.
type words struct {
	list []string
	by   map[string]word
}

func newWords() words { return words{by: map[string]word{}} }

// of returns the number of s. It keeps a copy, so that the event s is of can go.
func (w *words) of(s string) word {
	if n, ok := w.by[s]; ok {
		return n
	}
	n := word(len(w.list)) //nolint:gosec // four billion actors are beyond memory
	s = strings.Clone(s)
	w.list, w.by[s] = append(w.list, s), n
	return n
}

// ofAll returns the numbers of another's words, by their numbers there.
func (w *words) ofAll(o *words) []word {
	list := make([]word, len(o.list))
	for i, s := range o.list {
		list[i] = w.of(s)
	}
	return list
}

// ranks returns, by number, where each word stands in their order.
func (w *words) ranks() []int {
	order := make([]int, len(w.list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(w.list[a], w.list[b]) })
	ranks := make([]int, len(order))
	for rank, i := range order {
		ranks[i] = rank
	}
	return ranks
}
