package watch

import "github.com/google/uuid"

// recent holds items in the order of when they were seen last. The zero value is
// empty. Nothing but growing allocates: places are used again.
type recent struct {
	by    map[uuid.UUID]int32 // place in nodes
	nodes []node              // a ring; the first is between the newest and the oldest
	free  int32               // first of the free places, which are linked by newer; 0: none
	sum   int                 // of all n
}

type node struct {
	item
	at           int64
	older, newer int32
}

// room is for how many items there are places.
func (r *recent) room() int { return len(r.nodes) }

func (r *recent) len() int { return len(r.by) }

func (r *recent) has(key uuid.UUID) bool {
	_, ok := r.by[key]
	return ok
}

// oldest is the node that was seen longest ago. There must be one.
func (r *recent) oldest() *node { return &r.nodes[r.nodes[0].newer] }

// nth is the n-th oldest node, from 1, or nil.
func (r *recent) nth(n int) *node {
	if n > r.len() {
		return nil
	}
	i := r.nodes[0].newer
	for ; n > 1; n-- {
		i = r.nodes[i].newer
	}
	return &r.nodes[i]
}

// touch notes that x was seen at t. If it was there it keeps its n, and the later
// of its two times.
func (r *recent) touch(x item, t int64) {
	i, ok := r.by[x.key]
	if ok {
		if r.nodes[i].at >= t {
			return
		}
		r.unlink(i)
	} else {
		i = r.place()
		r.by[x.key] = i
		r.sum += x.n
		r.nodes[i].item = x
	}
	r.nodes[i].at = t
	r.link(i)
}

// place finds a free place, or makes one.
func (r *recent) place() int32 {
	if r.nodes == nil {
		r.by, r.nodes = map[uuid.UUID]int32{}, make([]node, 1, 4)
	}
	if i := r.free; i != 0 {
		r.free = r.nodes[i].newer
		return i
	}
	r.nodes = append(r.nodes, node{})
	return int32(len(r.nodes) - 1) //nolint:gosec // far fewer: a limit has MaxCount, a request a thousand more
}

// link puts a node after all that were seen before it, or at the same time.
func (r *recent) link(i int32) {
	before := r.nodes[0].older
	for before != 0 && r.nodes[before].at > r.nodes[i].at {
		before = r.nodes[before].older
	}
	after := r.nodes[before].newer
	r.nodes[i].older, r.nodes[i].newer = before, after
	r.nodes[before].newer, r.nodes[after].older = i, i
}

func (r *recent) unlink(i int32) {
	n := &r.nodes[i]
	r.nodes[n.older].newer, r.nodes[n.newer].older = n.newer, n.older
}

func (r *recent) dropOldest() { r.drop(r.nodes[0].newer) }
func (r *recent) dropNewest() { r.drop(r.nodes[0].older) }

func (r *recent) drop(i int32) {
	r.unlink(i)
	n := &r.nodes[i]
	delete(r.by, n.key)
	r.sum -= n.n
	n.newer, r.free = r.free, i
}

// clamp lets nothing have been seen later than t.
func (r *recent) clamp(t int64) {
	if r.nodes == nil {
		return
	}
	for i := r.nodes[0].older; i != 0 && r.nodes[i].at > t; i = r.nodes[i].older {
		r.nodes[i].at = t
	}
}

// since counts the items that were seen after t.
func (r *recent) since(t int64) int {
	n := r.len()
	if n == 0 {
		return 0
	}
	for i := r.nodes[0].newer; i != 0 && r.nodes[i].at <= t; i = r.nodes[i].newer {
		n--
	}
	return n
}
