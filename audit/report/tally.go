package report

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// A scanned is how much of the log was seen.
type scanned struct {
	events, first, last int64
}

func (s *scanned) add(index int64) {
	s.merge(scanned{1, index, index})
}

func (s *scanned) merge(o scanned) {
	switch {
	case o.events == 0:
		return
	case s.events == 0:
		*s = o
		return
	}
	s.events += o.events
	s.first, s.last = min(s.first, o.first), max(s.last, o.last)
}

// A sum is what several events come to. Times are microseconds since 1970.
type sum struct {
	events, partial, values int64
	first, last             int64
	firstIndex, lastIndex   int64
}

func (s *sum) add(o *sum) {
	switch {
	case o.events == 0:
		return
	case s.events == 0:
		*s = *o
		return
	}
	s.events += o.events
	s.partial += o.partial
	s.values += o.values
	s.first, s.last = min(s.first, o.first), max(s.last, o.last)
	s.firstIndex, s.lastIndex = min(s.firstIndex, o.firstIndex), max(s.lastIndex, o.lastIndex)
}

// A place is what a row of the report is about.
type place struct {
	uid               uuid.UUID
	collection, field uint32
	purpose, actor    word
	how               How
}

// An entry is a row in the making.
type entry struct {
	place
	sum
}

// perChunk is how many entries are made at once.
const perChunk = 1 << 12

// A tally counts events by what they show to whom. There may be millions of
// entries, so neither they nor the index to them hold pointers, and they are never
// copied to make room: they stand in chunks of perChunk, of which the last may
// have room to spare.
type tally struct {
	chunks           [][]entry
	index            map[place]uint32 // of entries, as they came
	actors, purposes map[word]*sum
	all              sum
}

func newTally() tally {
	return tally{index: map[place]uint32{}, actors: map[word]*sum{}, purposes: map[word]*sum{}}
}

// add counts one event; partial: some of it was not released.
func (t *tally) add(a *announcement, partial bool) {
	one := sum{events: 1, first: a.at, last: a.at, firstIndex: a.index, lastIndex: a.index}
	if partial {
		one.partial = 1
	}
	t.count(a.actor, a.purpose, &one)
	t.all.add(&one)
	for _, s := range a.shape.shown {
		one.values = int64(s.count)
		t.row(place{a.uid, s.collection, s.field, a.purpose, a.actor, s.how}, &one)
	}
}

// count adds s to what the actor and the purpose have.
func (t *tally) count(actor, purpose word, s *sum) {
	of(t.actors, actor, newSum).add(s)
	of(t.purposes, purpose, newSum).add(s)
}

// row adds s to what the place has.
func (t *tally) row(p place, s *sum) {
	if i, ok := t.index[p]; ok {
		t.chunks[i/perChunk][i%perChunk].add(s)
		return
	}
	n := len(t.index)
	if n%perChunk == 0 {
		t.chunks = append(t.chunks, make([]entry, 0, perChunk))
	}
	t.index[p] = uint32(n) //nolint:gosec // four billion rows are beyond memory
	last := &t.chunks[n/perChunk]
	*last = append(*last, entry{p, *s})
}

// merge takes in o, whose words are ours by number.
func (t *tally) merge(o *tally, ours []word) {
	for _, chunk := range o.chunks {
		for i := range chunk {
			e := &chunk[i]
			e.purpose, e.actor = ours[e.purpose], ours[e.actor]
			t.row(e.place, &e.sum)
		}
	}
	for w, s := range o.actors {
		of(t.actors, ours[w], newSum).add(s)
	}
	for w, s := range o.purposes {
		of(t.purposes, ours[w], newSum).add(s)
	}
	t.all.add(&o.all)
}

func newSum() *sum { return &sum{} }

// sorted returns the entries in the order of a report's rows, where words stand as
// ranks says.
func (t *tally) sorted(ranks []int) []*entry {
	list := make([]*entry, 0, len(t.index))
	for _, chunk := range t.chunks {
		for i := range chunk {
			list = append(list, &chunk[i])
		}
	}
	slices.SortFunc(list, func(a, b *entry) int {
		if c := bytes.Compare(a.uid[:], b.uid[:]); c != 0 {
			return c
		}
		return cmp.Or(
			cmp.Compare(a.collection, b.collection),
			cmp.Compare(a.field, b.field),
			cmp.Compare(ranks[a.purpose], ranks[b.purpose]),
			cmp.Compare(ranks[a.actor], ranks[b.actor]),
			cmp.Compare(a.how, b.how),
		)
	})
	return list
}
