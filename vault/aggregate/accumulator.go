package aggregate

import (
	"fmt"
	"io"
	"slices"

	"github.com/fieldvault/fieldvault/vault/aggregate/noise"
)

// A Record is one record of a person, as far as the query is about it.
type Record struct {
	// Group is what the record's generalised fields say.
	Group Key
	// Value is the field, as a whole number: in its smallest unit, a date in days, a
	// category by its number. For Count it has no meaning.
	Value int64
}

// An Accumulator takes people one at a time and then releases one answer. Its memory
// grows with the groups and their bins, not with people: a person's records are
// looked at and forgotten. It is not safe for concurrent use.
type Accumulator struct {
	query  Query
	plan   plan
	src    *noise.Source
	cells  map[Key]*cell
	last   string
	people int
	done   bool

	picked []Record // of one person: kept so as not to be made for each
	keys   []Key
}

// A cell is what is known of a group, exactly. It leaves this package with noise only.
type cell struct {
	people, count, sum int64
	bins               []int64
}

// New returns an accumulator for a query, or ErrQuery. rand is where randomness comes
// from, crypto/rand.Reader but in tests, both for the noise and for which records
// of a person are left out; nothing else may read it at the same time.
func New(q Query, rand io.Reader) (*Accumulator, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	q.Edges, q.Quantiles, q.Closed = slices.Clone(q.Edges), slices.Clone(q.Quantiles), slices.Clone(q.Closed)
	p, err := newPlan(q)
	if err != nil {
		return nil, fmt.Errorf("planning the noise: %w", err)
	}
	a := &Accumulator{query: q, plan: p, src: noise.NewSource(rand), cells: map[Key]*cell{}}
	for _, key := range q.Closed {
		a.cells[key] = a.newCell()
	}
	return a, nil
}

// Add counts a person with all their records. The privacy of the answer rests on a
// person's records coming in one call: people come in ascending order of their names,
// byte by byte, so that one who comes twice is noticed, which is ErrOrder.
// Nobody may know afterwards which records were counted; records is not kept. After an
// error of the reader the accumulator is of no more use.
func (a *Accumulator) Add(person string, records []Record) error {
	switch {
	case a.done:
		return ErrReleased
	case a.people > 0 && person <= a.last:
		return ErrOrder
	case a.people == maxPeople:
		return ErrTooMany
	}
	a.last = person
	a.people++
	if err := a.pick(records); err != nil {
		a.forget()
		return fmt.Errorf("choosing a person's records: %w", err)
	}
	for i, r := range a.picked {
		c, ok := a.cells[r.Group]
		if !ok {
			c = a.newCell()
			a.cells[r.Group] = c
		}
		a.query.count(c, r.Value)
		if i == firstOf(a.picked, r.Group) {
			c.people++
		}
	}
	return nil
}

// pick leaves in a.picked at most Records of the records, from at most Groups groups.
// If that is not all, it walks them in a random order and takes what still may be
// taken: which ones depends on this person's records alone, never on other people's.
func (a *Accumulator) pick(records []Record) error {
	a.picked, a.keys = a.picked[:0], a.keys[:0]
	for _, r := range records {
		if _, known := a.cells[r.Group]; known || a.query.Open() {
			a.picked = append(a.picked, r)
		}
	}
	if len(a.picked) <= a.query.Groups { // which is at most Records
		return nil
	}
	for i := len(a.picked) - 1; i > 0; i-- {
		j, err := a.src.Uniform(uint64(i) + 1)
		if err != nil {
			return err
		}
		a.picked[i], a.picked[j] = a.picked[j], a.picked[i]
	}
	taken := 0
	for _, r := range a.picked {
		if taken < a.query.Records && a.mayJoin(r.Group) {
			a.picked[taken] = r
			taken++
		}
	}
	a.picked = a.picked[:taken]
	return nil
}

// mayJoin reports whether the person is in the group or can be in one more, and then
// puts them there.
func (a *Accumulator) mayJoin(group Key) bool {
	for _, k := range a.keys {
		if k == group {
			return true
		}
	}
	if len(a.keys) == a.query.Groups {
		return false
	}
	a.keys = append(a.keys, group)
	return true
}

// firstOf returns the index of the first record of a group.
func firstOf(records []Record, group Key) int {
	for i, r := range records {
		if r.Group == group {
			return i
		}
	}
	return -1
}

func (a *Accumulator) newCell() *cell {
	c := &cell{}
	if n := len(a.query.Edges); n > 0 {
		c.bins = make([]int64, n-1)
	}
	return c
}

// count adds one record to a cell.
func (q Query) count(c *cell, value int64) {
	c.count++
	switch q.Measure {
	case Sum:
		c.sum += min(max(value, q.Low), q.High)
	case Mean:
		c.sum += min(max(value, q.Low), q.High) - q.middle()
	case Histogram, Quantiles:
		c.bins[q.bin(value)]++
	case Count:
	}
}
