package release

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
)

// Measure is what a table meets, by its values alone.
type Measure struct {
	Rows    int
	Classes int
	// K is the number of rows in the smallest class.
	K int
	// Sensitive says whether there is a sensitive column, and so an L and a T.
	Sensitive bool
	// L is the least diversity of a class, in the model's sense.
	L float64
	// T is the greatest distance of a class from the table.
	T float64
}

// Meets returns nil if the measured table meets the model, and otherwise what it lacks.
func (m Measure) Meets(model Model) error {
	if err := model.check(m.Sensitive); err != nil {
		return err
	}
	switch {
	case m.K < model.K:
		return fmt.Errorf("a class has %d rows, fewer than k = %d", m.K, model.K)
	case m.Sensitive && model.L > 1 && m.L < float64(model.L)-slack:
		return fmt.Errorf("a class is %.2f-diverse, less than l = %d", m.L, model.L)
	case m.Sensitive && m.T > model.T+slack:
		return fmt.Errorf("a class is %.3f from the table, more than t = %g", m.T, model.T)
	}
	return nil
}

// class is what Check counts: rows, and those of each sensitive column by value.
type class struct {
	rows   int
	values []map[string]int
}

// Check measures a finished table: rows that have the same values of the columns that are
// Quasi are a class. Of model it takes the sense of the diversity. It knows nothing of how
// the table was made, and the hierarchies only as far as a distance needs them.
func Check(rows iter.Seq[[]string], columns []Column, model Model) (Measure, error) {
	quasi, sensitive := roles(columns)
	if len(quasi) == 0 {
		return Measure{}, errors.New("a table needs a quasi-identifier")
	}
	found, all := map[string]*class{}, newClass(len(sensitive))
	var key []byte
	for row := range rows {
		if len(row) != len(columns) {
			return Measure{}, fmt.Errorf("a row has %d values, the table %d columns", len(row), len(columns))
		}
		key = appendKey(key[:0], row, quasi)
		c, ok := found[string(key)]
		if !ok {
			c = newClass(len(sensitive))
			found[string(key)] = c
		}
		c.add(row, sensitive)
		all.add(row, sensitive)
	}
	m := Measure{Rows: all.rows, Classes: len(found), Sensitive: len(sensitive) > 0, L: math.Inf(1)}
	for _, c := range found {
		if m.K == 0 || c.rows < m.K {
			m.K = c.rows
		}
	}
	if m.Classes == 0 || !m.Sensitive {
		m.L = 0
		return m, nil
	}
	for i, col := range sensitive {
		if err := m.measure(columns[col], i, found, all, model); err != nil {
			return Measure{}, fmt.Errorf("column %s: %w", columns[col].Name, err)
		}
	}
	return m, nil
}

func roles(columns []Column) (quasi, sensitive []int) {
	for i, c := range columns {
		if c.Role == Quasi {
			quasi = append(quasi, i)
		} else {
			sensitive = append(sensitive, i)
		}
	}
	return quasi, sensitive
}

// appendKey writes values so that different ones differ: each with its length before it.
func appendKey(b []byte, row []string, columns []int) []byte {
	for _, i := range columns {
		b = strconv.AppendInt(b, int64(len(row[i])), 10)
		b = append(append(b, ':'), row[i]...)
	}
	return b
}

func newClass(sensitive int) *class {
	c := &class{values: make([]map[string]int, sensitive)}
	for i := range c.values {
		c.values[i] = map[string]int{}
	}
	return c
}

func (c *class) add(row []string, sensitive []int) {
	c.rows++
	for i, col := range sensitive {
		c.values[i][row[col]]++
	}
}

// measure lowers L and raises T to what sensitive column i of the classes has.
func (m *Measure) measure(col Column, i int, found map[string]*class, all *class, model Model) error {
	values := make([]string, 0, len(all.values[i]))
	for v := range all.values[i] {
		values = append(values, v)
	}
	if col.Hierarchy.shape == nil {
		col.Hierarchy = Suppression()
	}
	for _, v := range values {
		if _, ok := col.Hierarchy.clean(v); !ok {
			return errors.New("a value that its hierarchy does not know")
		}
	}
	slices.SortFunc(values, col.Hierarchy.compare)
	scale, total := newScale(col, values), countsOf(all.values[i], values)
	for _, c := range found {
		counts := countsOf(c.values[i], values)
		m.T = max(m.T, scale.from(counts, c.rows, total, all.rows))
		m.L = min(m.L, model.diversity(slices.DeleteFunc(counts, func(n int) bool { return n == 0 })))
	}
	return nil
}

func countsOf(by map[string]int, values []string) []int {
	counts := make([]int, len(values))
	for i, v := range values {
		counts[i] = by[v]
	}
	return counts
}
