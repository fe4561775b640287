package watch

import "container/list"

// A room holds values under keys within MaxActors and MaxEntries. Beyond, what was
// not found for the longest is dropped.
type room[K comparable, V any] struct {
	by      map[K]*list.Element // of order
	order   *list.List          // of *slot[K, V], the latest first
	entries int
}

type slot[K comparable, V any] struct {
	key     K
	value   V
	entries int // as of the last settle
}

func newRoom[K comparable, V any]() room[K, V] {
	return room[K, V]{by: map[K]*list.Element{}, order: list.New()}
}

// find returns the slot of a key, which is then the latest, or nil.
func (r *room[K, V]) find(k K) *slot[K, V] {
	el := r.by[k]
	if el == nil {
		return nil
	}
	r.order.MoveToFront(el)
	return el.Value.(*slot[K, V])
}

// peek returns the slot of a key, or nil, and leaves the order as it is.
func (r *room[K, V]) peek(k K) *slot[K, V] {
	if el := r.by[k]; el != nil {
		return el.Value.(*slot[K, V])
	}
	return nil
}

// add makes the slot of a key that has none.
func (r *room[K, V]) add(k K, v V) *slot[K, V] {
	s := &slot[K, V]{key: k, value: v}
	r.by[k] = r.order.PushFront(s)
	return s
}

// settle notes how many entries the latest slot has now, and drops others until all
// have room. That slot itself stays.
func (r *room[K, V]) settle(s *slot[K, V], entries int) {
	r.entries += entries - s.entries
	s.entries = entries
	for r.order.Len() > 1 && (r.order.Len() > MaxActors || r.entries > MaxEntries) {
		last := r.order.Remove(r.order.Back()).(*slot[K, V])
		r.entries -= last.entries
		delete(r.by, last.key)
	}
}
