package release

import "math"

// scale measures the earth mover's distance between two distributions over the values of
// a sensitive column (Li, Li and Venkatasubramanian, 2007, section 5). Values are numbered
// in their order.
type scale struct {
	distance Distance
	values   int
	up       [][]uint32 // of Hierarchical: the group at a level of a group of the level below
	groups   []int      // how many groups each level has, from level 0
}

func newScale(c Column, values []string) scale {
	s := scale{distance: c.Distance, values: len(values)}
	if s.distance != Hierarchical {
		return s
	}
	h := c.Hierarchy
	below := groupsAt(h, values, 0)
	s.groups = []int{below.size()}
	for level := 1; level <= len(h.shape.levels()); level++ {
		above := groupsAt(h, values, level)
		up := make([]uint32, below.size())
		for v := range values {
			up[below.of[v]] = above.of[v]
		}
		s.up, s.groups = append(s.up, up), append(s.groups, above.size())
		below = above
	}
	return s
}

// from returns the distance between the distributions of class, which has n rows, and of
// all, which has total: counts by value.
func (s scale) from(class []int, n int, all []int, total int) float64 {
	extra := make([]float64, 0, s.values)
	for v, count := range all {
		if count == 0 && s.distance == Ordered {
			continue // a value that no row has is no step between others
		}
		extra = append(extra, float64(class[v])/float64(n)-float64(count)/float64(total))
	}
	switch s.distance {
	case Ordered:
		return ordered(extra)
	case Hierarchical:
		return s.hierarchical(extra)
	default: // equal
		sum := 0.0
		for _, e := range extra {
			sum += math.Abs(e)
		}
		return sum / 2
	}
}

func ordered(extra []float64) float64 {
	if len(extra) < 2 {
		return 0
	}
	carried, sum := 0.0, 0.0
	for _, e := range extra {
		carried += e
		sum += math.Abs(carried)
	}
	return sum / float64(len(extra)-1)
}

// hierarchical moves what children of a node have too much to those that have too little,
// at the cost of the node's height.
func (s scale) hierarchical(extra []float64) float64 {
	cost := 0.0
	for i, up := range s.up {
		size := s.groups[i+1]
		over, under := make([]float64, size), make([]float64, size)
		for child, parent := range up {
			over[parent] += max(extra[child], 0)
			under[parent] += max(-extra[child], 0)
		}
		extra = make([]float64, size)
		for g := range size {
			cost += float64(i+1) / float64(len(s.up)) * min(over[g], under[g])
			extra[g] = over[g] - under[g]
		}
	}
	return cost
}
