package release

import (
	"cmp"
	"slices"
)

// problem is a table made ready for the search. Rows that have all quasi-identifiers in
// common stand together: a tuple. Values are numbered in the order of their column.
type problem struct {
	model     Model
	columns   []Column
	quasi     []quasi
	sensitive []sensitive
	start     []int // tuple i is the rows from start[i] to start[i+1]
	rows      int
}

// quasi is a quasi-identifier: codes has the value of each tuple.
type quasi struct {
	Column
	codes  []uint32
	levels []groups // from the finest that may be released to the coarsest
}

// sensitive is a sensitive column: codes has the value of each row.
type sensitive struct {
	Column
	values []string
	codes  []uint32
	scale  scale
}

// groups says which values are alike at a level: of has the group of each value. Groups
// are numbered in the order of their least values.
type groups struct {
	of     []uint32
	labels []string
	loss   []float64 // of a group: the normalised certainty penalty
}

func (g groups) size() int { return len(g.labels) }

func groupsAt(h Hierarchy, values []string, level int) groups {
	g, index := groups{of: make([]uint32, len(values))}, map[string]uint32{}
	for v, value := range values {
		label := h.at(value, level)
		code, ok := index[label]
		if !ok {
			code = uint32(len(g.labels)) //nolint:gosec // at most the number of rows
			index[label], g.labels = code, append(g.labels, label)
		}
		g.of[v] = code
	}
	g.loss = penalties(h, values, g)
	return g
}

// penalties returns, of each group, how much of the column it spans: of ordered values the
// width of its range over that of the column, of others the number of its other values
// over that of the column (Xu et al., 2006).
func penalties(h Hierarchy, values []string, g groups) []float64 {
	places := make([]float64, len(values))
	for v, value := range values {
		places[v] = float64(v)
		if h.shape.ordered() && value != "" {
			places[v] = h.shape.place(value)
		}
	}
	if h.shape.ordered() && len(values) > 1 && values[0] == "" {
		places[0] = places[1] // a missing value has no place of its own
	}
	low, high := make([]float64, g.size()), make([]float64, g.size())
	members := make([]int, g.size())
	for v, group := range g.of {
		if members[group]++; members[group] == 1 {
			low[group] = places[v]
		}
		high[group] = places[v]
	}
	loss := make([]float64, g.size())
	for group, n := range members {
		switch span := places[len(places)-1] - places[0]; {
		case n == 1:
		case n == len(values) || span == 0:
			loss[group] = 1
		case h.shape.ordered():
			loss[group] = (high[group] - low[group]) / span
		default:
			loss[group] = float64(n-1) / float64(len(values)-1)
		}
	}
	return loss
}

// order returns the values of a column in their order, and the place there of each code.
func (e encoded) order(h Hierarchy) (values []string, place []uint32) {
	by := make([]uint32, len(e.values))
	for i := range by {
		by[i] = uint32(i)
	}
	slices.SortFunc(by, func(a, b uint32) int { return h.compare(e.values[a], e.values[b]) })
	values, place = make([]string, len(by)), make([]uint32, len(by))
	for i, code := range by {
		values[i], place[code] = e.values[code], uint32(i)
	}
	return values, place
}

func newProblem(t *Table, m Model) *problem {
	p := &problem{model: m, columns: t.columns, rows: t.rows}
	values, places := make([][]string, len(t.data)), make([][]uint32, len(t.data))
	for i, d := range t.data {
		values[i], places[i] = d.order(t.columns[i].Hierarchy)
	}
	rows := p.sortRows(t, places)
	for i, c := range t.columns {
		codes := t.data[i].codes
		if c.Role == Sensitive {
			s := sensitive{Column: c, values: values[i], codes: make([]uint32, p.rows), scale: newScale(c, values[i])}
			for j, r := range rows {
				s.codes[j] = places[i][codes[r]]
			}
			p.sensitive = append(p.sensitive, s)
			continue
		}
		q := quasi{Column: c, codes: make([]uint32, p.tuples())}
		for j := range q.codes {
			q.codes[j] = places[i][codes[rows[p.start[j]]]]
		}
		for level := c.Hierarchy.low; level <= c.Hierarchy.high; level++ {
			q.levels = append(q.levels, groupsAt(c.Hierarchy, values[i], level))
		}
		p.quasi = append(p.quasi, q)
	}
	return p
}

func (p *problem) tuples() int { return len(p.start) - 1 }

// sortRows returns the rows of t in the order of their quasi-identifiers, and notes where
// each tuple starts.
func (p *problem) sortRows(t *Table, places [][]uint32) []uint32 {
	rows := make([]uint32, t.rows)
	for i := range rows {
		rows[i] = uint32(i)
	}
	compare := func(a, b uint32) int {
		for i, d := range t.data {
			if t.columns[i].Role != Quasi {
				continue
			}
			if c := cmp.Compare(places[i][d.codes[a]], places[i][d.codes[b]]); c != 0 {
				return c
			}
		}
		return 0
	}
	slices.SortFunc(rows, compare)
	for i, r := range rows {
		if i == 0 || compare(rows[i-1], r) != 0 {
			p.start = append(p.start, i)
		}
	}
	p.start = append(p.start, t.rows)
	return rows
}
