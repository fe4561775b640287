package release

import (
	"math"
	"slices"
)

// classes is a table at one node of the lattice: the class of each tuple, and which of the
// classes stay.
type classes struct {
	of      []uint32 // of each tuple
	rows    []int    // of each class
	kept    []bool   // of each class
	dropped int      // rows of the classes that do not stay
}

// direct is how many keys are looked up in an array instead of a map.
const direct = 1 << 22

// group puts the tuples into classes at a node: a level for each quasi-identifier.
func (p *problem) group(node []int) classes {
	keys, size := make([]uint64, p.tuples()), uint64(1)
	for i, q := range p.quasi {
		g := q.levels[node[i]]
		wide := uint64(max(g.size(), 1))
		if size > math.MaxUint64/wide {
			size = number(keys, size)
		}
		for t, code := range q.codes {
			keys[t] = keys[t]*wide + uint64(g.of[code])
		}
		size *= wide
	}
	n := number(keys, size)
	c := classes{of: make([]uint32, len(keys)), rows: make([]int, n), kept: make([]bool, n)}
	for t, k := range keys {
		c.of[t] = uint32(k) //nolint:gosec // fewer than tuples
		c.rows[k] += p.start[t+1] - p.start[t]
	}
	return c
}

// number replaces keys below size by numbers from 0 without a gap, in order of first sight.
func number(keys []uint64, size uint64) uint64 {
	next := uint64(0)
	if size <= direct {
		seen := make([]uint64, size)
		for i, k := range keys {
			if seen[k] == 0 {
				next++
				seen[k] = next
			}
			keys[i] = seen[k] - 1
		}
		return next
	}
	seen := map[uint64]uint64{}
	for i, k := range keys {
		v, ok := seen[k]
		if !ok {
			v = next
			seen[k] = v
			next++
		}
		keys[i] = v
	}
	return next
}

// judge decides which classes stay: those that meet the model. Closeness is to the rows
// that stay, so it is asked again, round by round, until no more classes go.
func (p *problem) judge(c *classes) {
	for i, n := range c.rows {
		c.kept[i] = n >= p.model.K
		if !c.kept[i] {
			c.dropped += n
		}
	}
	if len(p.sensitive) == 0 || p.model.L <= 1 && p.model.T >= 1 {
		return
	}
	members := p.members(c)
	for i := range p.sensitive {
		p.eachClass(c, members, &p.sensitive[i], func(_ []int, _ int, present []int) bool { return p.model.diverse(present) })
	}
	if p.model.T >= 1 {
		return
	}
	for before := -1; before != c.dropped; {
		before = c.dropped
		p.dropFar(c, members)
	}
}

// dropFar drops the classes that are too far from the rows that stand when it is called.
func (p *problem) dropFar(c *classes, members [][]uint32) {
	total, all := p.rows-c.dropped, make([][]int, len(p.sensitive))
	for i := range p.sensitive {
		all[i] = p.counts(c, &p.sensitive[i])
	}
	for i := range p.sensitive {
		s := &p.sensitive[i]
		p.eachClass(c, members, s, func(counts []int, n int, _ []int) bool {
			return s.scale.from(counts, n, all[i], total) <= p.model.T+slack
		})
	}
}

// members returns the tuples of each class, one class after the other.
func (p *problem) members(c *classes) [][]uint32 {
	size := make([]int, len(c.rows))
	for _, class := range c.of {
		size[class]++
	}
	all, members := make([]uint32, len(c.of)), make([][]uint32, len(c.rows))
	for class, n := range size {
		members[class], all = all[:0:n], all[n:]
	}
	for t, class := range c.of {
		members[class] = append(members[class], uint32(t))
	}
	return members
}

// eachClass drops the classes that still stand and of which fits is false. It is given the
// rows of a class by value of s, how many they are, and the counts above 0 alone.
func (p *problem) eachClass(c *classes, members [][]uint32, s *sensitive, fits func(counts []int, n int, present []int) bool) {
	counts := make([]int, len(s.values))
	var seen []uint32
	var present []int
	for class, tuples := range members {
		if !c.kept[class] {
			continue
		}
		seen, present = seen[:0], present[:0]
		for _, t := range tuples {
			for _, code := range s.codes[p.start[t]:p.start[t+1]] {
				if counts[code]++; counts[code] == 1 {
					seen = append(seen, code)
				}
			}
		}
		slices.Sort(seen) // sums of floats do not depend on the order of rows
		for _, code := range seen {
			present = append(present, counts[code])
		}
		if !fits(counts, c.rows[class], present) {
			c.kept[class] = false
			c.dropped += c.rows[class]
		}
		for _, code := range seen {
			counts[code] = 0
		}
	}
}

// counts returns how many rows that stay have each value of s.
func (p *problem) counts(c *classes, s *sensitive) []int {
	counts := make([]int, len(s.values))
	for t, class := range c.of {
		if c.kept[class] {
			for _, code := range s.codes[p.start[t]:p.start[t+1]] {
				counts[code]++
			}
		}
	}
	return counts
}

// penalty returns the mean normalised certainty penalty of all values of all rows at a
// node; a row that is left out loses everything.
func (p *problem) penalty(node []int, c *classes) float64 {
	lost := float64(c.dropped * len(p.quasi))
	for i, q := range p.quasi {
		loss, of := q.levels[node[i]].loss, q.levels[node[i]].of
		for t, class := range c.of {
			if c.kept[class] {
				lost += loss[of[q.codes[t]]] * float64(p.start[t+1]-p.start[t])
			}
		}
	}
	return lost / float64(p.rows*len(p.quasi))
}
