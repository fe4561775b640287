package accessctl

import (
	"maps"
	"sync"
	"sync/atomic"
)

// MaxMemo is how many decisions a Policy remembers, about 300 bytes each. When
// it is full it forgets them all, and begins again.
const MaxMemo = 1 << 15

// tables is a Policy's memory: the callers' profiles, each with its decisions.
type tables struct {
	profiles memo[who, *profile]
	entries  atomic.Int64
}

// memo is a map that is read without a lock and without an allocation once it
// has settled, as sync.Map is, but with typed keys: sync.Map's would have to be
// boxed for every look-up. Entries are never changed. The zero memo is empty.
type memo[K comparable, V any] struct {
	read   atomic.Pointer[map[K]V] // never changed once stored
	mu     sync.Mutex
	dirty  map[K]V // all of read and what came after, or nil if nothing came
	misses int     // look-ups that read could not answer since it was stored
}

func (m *memo[K, V]) get(k K) (V, bool) {
	if r := m.read.Load(); r != nil {
		if v, ok := (*r)[k]; ok {
			return v, true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.dirty[k]
	if m.misses++; m.dirty != nil && m.misses >= len(m.dirty) {
		m.promote()
	}
	return v, ok
}

// add stores v under k, unless another was quicker: it returns what is stored,
// and whether that is new.
func (m *memo[K, V]) add(k K, v V) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dirty == nil {
		m.dirty = map[K]V{}
		if r := m.read.Load(); r != nil {
			m.dirty = maps.Clone(*r)
		}
	}
	if old, ok := m.dirty[k]; ok {
		return old, false
	}
	m.dirty[k] = v
	return v, true
}

// promote makes what was added readable without the lock.
func (m *memo[K, V]) promote() {
	settled := m.dirty
	m.read.Store(&settled)
	m.dirty, m.misses = nil, 0
}

// table returns the memory in use, making the first.
func (p *Policy) table() *tables {
	if t := p.tables.Load(); t != nil {
		return t
	}
	p.tables.CompareAndSwap(nil, new(tables))
	return p.tables.Load()
}

// count notes a new entry of t, and drops t when it is full. Deciders that still
// hold it keep on using it.
func (p *Policy) count(t *tables) {
	if t.entries.Add(1) == MaxMemo {
		p.tables.CompareAndSwap(t, new(tables))
	}
}
