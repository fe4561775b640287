package release

import (
	"cmp"
	"iter"
	"slices"
)

// Level is how coarse a column is in a release.
type Level struct {
	Column string
	Level  int
	Words  string // "in bands of 5"
}

// Result is a table that meets its model.
type Result struct {
	// Columns are those of the table, with their roles.
	Columns []Column
	// Levels are those of the quasi-identifiers, in the order of the columns.
	Levels []Level
	// Loss says what the release cost, Measure what it meets.
	Loss    Loss
	Measure Measure

	columns []output
	order   []uint32
}

// Loss is what was lost on the way to a release.
type Loss struct {
	Rows       int // of the table
	Suppressed int // of them left out
	Classes    int
	// Average is the mean number of rows in a class.
	Average float64
	// Precision is 1 for a table as it came in, 0 for one in which every value is All
	// (Sweeney, 2002); of the rows that are released.
	Precision float64
	// Penalty is the mean normalised certainty penalty, from 0 to 1 (Xu et al., 2006). A
	// row left out counts 1 for each of its values.
	Penalty float64
	// Discernibility is the sum over the rows of how many look alike; a row left out looks
	// like every row of the table (Bayardo and Agrawal, 2005).
	Discernibility float64
	// Tried is how many generalisations were looked at, of Nodes that there are.
	Tried, Nodes int
}

// output is a column of a result: labels[codes[r]] is the value of row r.
type output struct {
	labels []string
	codes  []uint32
}

// Anonymise returns the table in the generalisation that loses least, by the penalty of
// [Loss], of those that meet the model and have no finer one that does. A *[RefusalError] says
// that none of the generalisations serves when the classes that fail are left out; any
// other error, that the model or the hierarchies ask for what makes no sense.
//
// With T below 1, or the L of [Entropy] or [Recursive], and rows that may be left out, all
// generalisations are looked at, which takes longer. With such a T, the rows that leave change what the others
// are compared with. So the classes that fail leave, until all that stay are close; no other
// choice of rows is tried.
func Anonymise(t *Table, m Model) (*Result, error) {
	sensitive := slices.ContainsFunc(t.columns, func(c Column) bool { return c.Role == Sensitive })
	if err := m.check(sensitive); err != nil {
		return nil, err
	}
	if t.rows < m.K {
		return nil, &RefusalError{Cause: TooFewRows, Model: m, Rows: t.rows}
	}
	p := newProblem(t, m)
	if r := p.tooAlike(); r != nil {
		return nil, r
	}
	l, err := newLattice(p.quasi)
	if err != nil {
		return nil, err
	}
	s := search{problem: p, may: int(m.MaxSuppression*float64(t.rows) + slack), least: t.rows + 1}
	best := s.best(l)
	if best == nil {
		return nil, &RefusalError{Cause: NoneServes, Model: m, Rows: t.rows, Nearest: p.words(s.nearest), Suppressed: s.least}
	}
	return p.result(best, s.tried, len(l.nodes))
}

// tooAlike returns a refusal if the column as a whole is not diverse: then no class is.
func (p *problem) tooAlike() *RefusalError {
	for _, s := range p.sensitive {
		if len(s.values) < p.model.L {
			return &RefusalError{Cause: TooFewValues, Model: p.model, Rows: p.rows, Column: s.Name, Values: len(s.values)}
		}
	}
	return nil
}

// search looks for the best node.
type search struct {
	*problem
	may     int // rows may be left out
	tried   int
	nearest []int // the node that leaves out the fewest of those tried
	least   int   // how many it leaves out
}

func (s *search) classes(node []int) classes {
	c := s.group(node)
	s.judge(&c)
	return c
}

func (s *search) best(l *lattice) (best []int) {
	// A class that fails may spoil the entropy, or the share of the most frequent value, of
	// a good one that it joins; so coarser is better only where no class may fail.
	plain := len(s.sensitive) == 0 || s.model.T >= 1 && (s.model.L <= 1 || s.model.Diversity == Distinct)
	monotone := plain || s.may == 0
	found := l.minimal(monotone, func(node []int) bool {
		c := s.classes(node)
		s.tried++
		if c.dropped < s.least {
			s.least, s.nearest = c.dropped, node
		}
		return c.dropped <= s.may && c.dropped < s.rows
	})
	lowest := 2.0
	for _, i := range found {
		c := s.classes(l.nodes[i])
		if cost := s.penalty(l.nodes[i], &c); cost < lowest {
			best, lowest = l.nodes[i], cost
		}
	}
	return best
}

func (p *problem) words(node []int) []Level {
	levels := make([]Level, len(node))
	for i, q := range p.quasi {
		level := q.Hierarchy.low + node[i]
		levels[i] = Level{Column: q.Name, Level: level, Words: q.Hierarchy.Words(level)}
	}
	return levels
}

// result writes down the table at a node, and measures it.
func (p *problem) result(node []int, tried, nodes int) (*Result, error) {
	c := p.group(node)
	p.judge(&c)
	r := &Result{Columns: slices.Clone(p.columns), Levels: p.words(node)}
	r.Loss = p.loss(node, &c)
	r.Loss.Tried, r.Loss.Nodes = tried, nodes
	p.write(r, node, &c)
	var err error
	r.Measure, err = Check(r.Rows(), r.Columns, p.model)
	if err != nil {
		return nil, err
	}
	return r, r.Measure.Meets(p.model)
}

func (p *problem) loss(node []int, c *classes) Loss {
	loss := Loss{Rows: p.rows, Suppressed: c.dropped, Precision: 1, Penalty: p.penalty(node, c)}
	loss.Discernibility = float64(c.dropped) * float64(p.rows)
	for class, n := range c.rows {
		if c.kept[class] {
			loss.Classes++
			loss.Discernibility += float64(n) * float64(n)
		}
	}
	loss.Average = float64(p.rows-c.dropped) / float64(loss.Classes)
	for i, q := range p.quasi {
		share := float64(q.Hierarchy.low+node[i]) / float64(len(q.Hierarchy.shape.levels()))
		loss.Precision -= share / float64(len(p.quasi))
	}
	return loss
}

// write fills the columns of r, and puts the rows that stay in the order of their values.
func (p *problem) write(r *Result, node []int, c *classes) {
	for t, class := range c.of {
		for row := p.start[t]; c.kept[class] && row < p.start[t+1]; row++ {
			r.order = append(r.order, uint32(row)) //nolint:gosec // at most MaxInt32
		}
	}
	quasi, sensitive := 0, 0
	for _, col := range p.columns {
		if col.Role == Sensitive {
			s := p.sensitive[sensitive]
			r.columns = append(r.columns, output{labels: s.values, codes: s.codes})
			sensitive++
			continue
		}
		g, codes := p.quasi[quasi].levels[node[quasi]], make([]uint32, p.rows)
		for t, code := range p.quasi[quasi].codes {
			for row := p.start[t]; row < p.start[t+1]; row++ {
				codes[row] = g.of[code]
			}
		}
		r.columns = append(r.columns, output{labels: g.labels, codes: codes})
		quasi++
	}
	slices.SortFunc(r.order, func(a, b uint32) int {
		for _, col := range r.columns {
			if c := cmp.Compare(col.codes[a], col.codes[b]); c != 0 {
				return c
			}
		}
		return 0
	})
}

// Names returns the names of the columns.
func (r *Result) Names() []string {
	names := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i] = c.Name
	}
	return names
}

// Rows returns the rows, in the order of their values from the first column to the last:
// their order says nothing that the values do not. The slice is the iterator's, and good
// until the next row.
func (r *Result) Rows() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		row := make([]string, len(r.columns))
		for _, at := range r.order {
			for i, col := range r.columns {
				row[i] = col.labels[col.codes[at]]
			}
			if !yield(row) {
				return
			}
		}
	}
}
