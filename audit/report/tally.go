package report

import (
	"unique"

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
	purpose, actor    unique.Handle[string]
	how               How
}

// A tally counts events by what they show to whom.
type tally struct {
	rows             map[place]*sum
	actors, purposes map[unique.Handle[string]]*sum
	all              sum
}

func newTally() tally {
	return tally{
		rows:     map[place]*sum{},
		actors:   map[unique.Handle[string]]*sum{},
		purposes: map[unique.Handle[string]]*sum{},
	}
}

// add counts one event; partial: some of it was not released.
func (t *tally) add(a *announcement, partial bool) {
	one := sum{events: 1, first: a.at, last: a.at, firstIndex: a.index, lastIndex: a.index}
	if partial {
		one.partial = 1
	}
	whole := one
	for _, s := range a.shape.shown {
		one.values = int64(s.count)
		whole.values += one.values
		into(t.rows, place{a.uid, s.collection, s.field, a.purpose, a.actor, s.how}, &one)
	}
	into(t.actors, a.actor, &whole)
	into(t.purposes, a.purpose, &whole)
	t.all.add(&whole)
}

func (t *tally) merge(o *tally) {
	for k, s := range o.rows {
		into(t.rows, k, s)
	}
	for k, s := range o.actors {
		into(t.actors, k, s)
	}
	for k, s := range o.purposes {
		into(t.purposes, k, s)
	}
	t.all.add(&o.all)
}

// into adds s to what m has under k.
func into[K comparable](m map[K]*sum, k K, s *sum) {
	if have := m[k]; have != nil {
		have.add(s)
		return
	}
	own := *s
	m[k] = &own
}
