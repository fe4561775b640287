package release

import (
	"cmp"
	"errors"
	"slices"
)

// maxNodes is how many nodes a lattice may have: levels of the columns multiplied.
const maxNodes = 50_000

// mark is what is known of a node.
type mark int8

const (
	unknown mark = iota
	serves       // enough of its rows stay
	fails
)

// lattice is all choices of a level for each quasi-identifier, by the sum of the levels.
type lattice struct {
	nodes [][]int
	marks []mark
	sizes []int // how many levels each column has
	index []int // of the node with a key
}

func newLattice(quasi []quasi) (*lattice, error) {
	nodes, sizes := [][]int{{}}, make([]int, len(quasi))
	for i, q := range quasi {
		sizes[i] = len(q.levels)
		if len(nodes)*len(q.levels) > maxNodes {
			return nil, errTooManyLevels()
		}
		var longer [][]int
		for _, node := range nodes {
			for level := range q.levels {
				longer = append(longer, append(slices.Clone(node), level))
			}
		}
		nodes = longer
	}
	slices.SortFunc(nodes, func(a, b []int) int { return cmp.Or(cmp.Compare(sum(a), sum(b)), slices.Compare(a, b)) })
	l := &lattice{nodes: nodes, marks: make([]mark, len(nodes)), sizes: sizes, index: make([]int, len(nodes))}
	for i, node := range nodes {
		l.index[l.key(node)] = i
	}
	return l, nil
}

func errTooManyLevels() error {
	return errors.New("the hierarchies have too many levels together: leave out those that nobody needs")
}

func sum(node []int) (n int) {
	for _, level := range node {
		n += level
	}
	return n
}

// key returns a number of its own for each node.
func (l *lattice) key(node []int) (k int) {
	for i, level := range node {
		k = k*l.sizes[i] + level
	}
	return k
}

// above reports whether a is at least as coarse as b in every column.
func above(a, b []int) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

// tag notes what is known of node i, and of all that follows from it: what is coarser than
// a node that serves, serves; what is finer than one that fails, fails.
func (l *lattice) tag(i int, m mark) {
	for j, node := range l.nodes {
		if l.marks[j] == unknown && (m == serves && above(node, l.nodes[i]) || m == fails && above(l.nodes[i], node)) {
			l.marks[j] = m
		}
	}
}

// path returns the nodes of which nothing is known on one way up from node i.
func (l *lattice) path(i int) []int {
	path, node := []int{i}, slices.Clone(l.nodes[i])
	for {
		next := l.next(node)
		if next < 0 {
			return path
		}
		path, node = append(path, next), slices.Clone(l.nodes[next])
	}
}

// next returns the first node one level above of which nothing is known, or -1.
func (l *lattice) next(node []int) int {
	for col := range node {
		if node[col]+1 == l.sizes[col] {
			continue
		}
		node[col]++
		j := l.index[l.key(node)]
		node[col]--
		if l.marks[j] == unknown {
			return j
		}
	}
	return -1
}

// minimal returns the nodes that serve and below which none does. fits is asked of a node.
//
// If monotone, what is coarser than a node that serves serves too, and few nodes are
// asked: the middle one of a path of unknown nodes, and so on by halves. Otherwise all are.
func (l *lattice) minimal(monotone bool, fits func(node []int) bool) []int {
	ask := func(i int) mark {
		if fits(l.nodes[i]) {
			return serves
		}
		return fails
	}
	for i := range l.nodes {
		if l.marks[i] != unknown {
			continue
		}
		if !monotone {
			l.marks[i] = ask(i)
			continue
		}
		for path := l.path(i); len(path) > 0; {
			middle := len(path) / 2
			m := ask(path[middle])
			l.tag(path[middle], m)
			if m == serves {
				path = path[:middle]
			} else {
				path = path[middle+1:]
			}
		}
	}
	return l.least()
}

// least returns the nodes that serve and have no finer one that does.
func (l *lattice) least() (found []int) {
	for i, node := range l.nodes {
		if l.marks[i] != serves {
			continue
		}
		if !slices.ContainsFunc(found, func(j int) bool { return above(node, l.nodes[j]) }) {
			found = append(found, i)
		}
	}
	return found
}
