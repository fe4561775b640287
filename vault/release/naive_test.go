package release_test

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldvault/fieldvault/vault/release"
)

// naive measures a table with no code in common with the package: every row is compared
// with every other, distances are moved pile by pile.
type naive struct {
	columns []release.Column
	rows    [][]string
}

func (n naive) pick(row []string, role release.Role) (v []string) {
	for i, c := range n.columns {
		if c.Role == role {
			v = append(v, row[i])
		}
	}
	return v
}

// classOf returns the rows that look like row.
func (n naive) classOf(row []string) (class [][]string) {
	for _, other := range n.rows {
		if slices.Equal(n.pick(row, release.Quasi), n.pick(other, release.Quasi)) {
			class = append(class, other)
		}
	}
	return class
}

func shares(rows [][]string, col int) map[string]float64 {
	m := map[string]float64{}
	for _, r := range rows {
		m[r[col]] += 1 / float64(len(rows))
	}
	return m
}

// fits reports whether the class of a row meets the model, closeness apart.
func (n naive) fits(row []string, m release.Model) bool {
	class := n.classOf(row)
	if len(class) < m.K {
		return false
	}
	for i, c := range n.columns {
		if c.Role == release.Sensitive && m.L > 1 && !diverse(shares(class, i), m) {
			return false
		}
	}
	return true
}

func diverse(p map[string]float64, m release.Model) bool {
	var sorted []float64
	for _, v := range p {
		sorted = append(sorted, v)
	}
	slices.Sort(sorted)
	slices.Reverse(sorted)
	switch m.Diversity {
	case release.Entropy:
		bits := 0.0
		for _, v := range sorted {
			bits -= v * math.Log2(v)
		}
		return bits >= math.Log2(float64(m.L))-1e-9
	case release.Recursive:
		rest := 0.0
		for i := m.L - 1; i < len(sorted); i++ {
			rest += sorted[i]
		}
		return sorted[0] < m.C*rest-1e-12
	default:
		return len(sorted) >= m.L
	}
}

// close reports whether the class of a row is at most T from all rows.
func (n naive) close(row []string, m release.Model) bool {
	class := n.classOf(row)
	for i, c := range n.columns {
		if c.Role != release.Sensitive {
			continue
		}
		p, q := shares(class, i), shares(n.rows, i)
		var d float64
		switch c.Distance {
		case release.Ordered:
			d = carry(p, q)
		case release.Hierarchical:
			d = climb(p, q, c.Hierarchy)
		default:
			for v := range q {
				d += max(0, q[v]-p[v])
			}
		}
		if d > m.T+1e-9 {
			return false
		}
	}
	return true
}

// carry moves p to q on a line of numbers, from pile to pile in order.
func carry(p, q map[string]float64) (work float64) {
	var values []string
	for v := range q {
		values = append(values, v)
	}
	number := func(s string) float64 { f, _ := strconv.ParseFloat(s, 64); return f }
	slices.SortFunc(values, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	from, to := 0, 0
	have, need := map[string]float64{}, map[string]float64{}
	for _, v := range values {
		have[v], need[v] = p[v], q[v]
	}
	for from < len(values) && to < len(values) {
		moved := min(have[values[from]], need[values[to]])
		have[values[from]] -= moved
		need[values[to]] -= moved
		if len(values) > 1 {
			work += moved * math.Abs(float64(from-to)) / float64(len(values)-1)
		}
		if have[values[from]] < 1e-12 {
			from++
		} else {
			to++
		}
	}
	return work
}

// climb sums, over the edges of the tree, what must pass: two leaves that meet at level j
// of H are 2j edges apart, of 1/(2H) each.
func climb(p, q map[string]float64, h release.Hierarchy) (work float64) {
	_, top := h.Levels()
	for level := range top {
		pass := map[string]float64{}
		for v := range q {
			at, _ := h.At(v, level)
			pass[at] += p[v] - q[v]
		}
		for _, e := range pass {
			work += math.Abs(e) / float64(2*top)
		}
	}
	return work
}

// keep returns the rows that stay when those leave whose classes fail.
func (n naive) keep(m release.Model) [][]string {
	kept := slices.DeleteFunc(slices.Clone(n.rows), func(r []string) bool { return !n.fits(r, m) })
	for before := -1; before != len(kept); {
		before = len(kept)
		now := naive{n.columns, kept}
		kept = slices.DeleteFunc(slices.Clone(kept), func(r []string) bool { return !now.close(r, m) })
	}
	return kept
}

// at returns the rows with each quasi-identifier at its level.
func (n naive) at(levels []int) naive {
	out := naive{columns: n.columns}
	for _, r := range n.rows {
		row, q := slices.Clone(r), 0
		for i, c := range n.columns {
			if c.Role == release.Quasi {
				row[i], _ = c.Hierarchy.At(r[i], levels[q])
				q++
			}
		}
		out.rows = append(out.rows, row)
	}
	return out
}

// nodes returns all choices of levels.
func (n naive) nodes() [][]int {
	all := [][]int{nil}
	for _, c := range n.columns {
		if c.Role != release.Quasi {
			continue
		}
		var longer [][]int
		low, high := c.Hierarchy.Levels()
		for _, node := range all {
			for level := low; level <= high; level++ {
				longer = append(longer, append(slices.Clone(node), level))
			}
		}
		all = longer
	}
	return all
}

func sorted(rows [][]string) []string {
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.Join(r, "|"))
	}
	slices.Sort(lines)
	return lines
}

func rowsOf(r *release.Result) (rows [][]string) {
	for row := range r.Rows() {
		rows = append(rows, slices.Clone(row))
	}
	return rows
}
