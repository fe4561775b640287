package report

import "github.com/google/uuid"

// heads counts distinct people, whose rows come one after another.
type heads struct {
	last uuid.UUID
	n    int
}

func newHeads() *heads { return &heads{} }

func (h *heads) add(uid uuid.UUID) {
	if h.n == 0 || h.last != uid {
		h.last, h.n = uid, h.n+1
	}
}

// A census counts people, fields and values of rows that ascend by uid.
type census struct {
	people heads // of whom something other than masked values was shown
	anyone heads
	by     [Pseudonyms + 1]manner
}

// A manner is the part of a census about one How.
type manner struct {
	people heads
	fields map[fieldID]bool
	values int64
}

func newCensus() *census { return &census{} }

func (c *census) add(r *Row) {
	c.anyone.add(r.UID)
	if r.How != Masked {
		c.people.add(r.UID)
	}
	m := &c.by[r.How]
	m.people.add(r.UID)
	m.values += r.Values
	if r.CollectionID == 0 {
		return
	}
	if m.fields == nil {
		m.fields = map[fieldID]bool{}
	}
	m.fields[fieldID{r.CollectionID, r.FieldID}] = true
}

// counts lists what occurs, never nil.
func (c *census) counts() []Count {
	list := []Count{}
	for _, h := range hows() {
		if m := &c.by[h]; m.people.n > 0 {
			list = append(list, Count{How: h, People: m.people.n, Fields: len(m.fields), Values: m.values})
		}
	}
	return list
}

// of returns what m has under k, made if need be.
func of[K comparable, V any](m map[K]*V, k K, make func() *V) *V {
	v := m[k]
	if v == nil {
		v = make()
		m[k] = v
	}
	return v
}
