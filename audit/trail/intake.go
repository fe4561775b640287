package trail

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// maxNamed bounds how many ids are asked for again in one step.
const maxNamed = 10_000

// lookEvery is for how long at most a process that takes its own events from memory does
// not look whether there are others beyond them.
const lookEvery = time.Second

// MaxGap bounds how many ids may be given in a row whose rows never appear. An id beyond
// was not given by the store: somebody wrote the row by SQL.
const MaxGap = 1 << 20

// An intake is what is known of the rows that requests write.
type intake struct {
	top     int64           // the highest id that was seen
	missing map[int64]int64 // ids below it that were not there, with the round in which that was noticed
	waiting map[int32]int64 // the lowest id of a tenant that is not open
	far     map[int64]bool  // ids that were not given by the store
}

func newIntake(top int64) intake {
	return intake{top: top, missing: map[int64]int64{}, waiting: map[int32]int64{}, far: map[int64]bool{}}
}

func (in *intake) clone() intake {
	return intake{top: in.top, missing: maps.Clone(in.missing), waiting: maps.Clone(in.waiting), far: maps.Clone(in.far)}
}

// saw takes note of an id.
func (in *intake) saw(id, round int64) {
	delete(in.missing, id)
	for ; in.top < id; in.top++ {
		if in.top+1 < id {
			in.missing[in.top+1] = round
		}
	}
}

// settled is the id up to which nothing is open.
func (in *intake) settled() int64 {
	low := in.top
	for id := range in.missing {
		low = min(low, id-1)
	}
	for _, id := range in.waiting {
		low = min(low, id-1)
	}
	return low
}

// A batch is what one step takes, and the intake as it is after it.
type batch struct {
	rows  []Row
	held  map[uuid.UUID]bool // events in the hand, once it is known that rows were read
	later int                // rows that hold one of these: they are read again
	left  map[int64]bool     // rows that were read and for which the step has no room
	after intake
}

// within is the rows that a step has room for, and those that are left: not many more
// events than a step may have rows.
func within(rows []Row, limit int) (taken, left []Row) {
	events := 0
	for i := range rows {
		if events += eventsIn(rows[i].Leaf); events > limit && i > 0 {
			return rows[:i], rows[i:]
		}
	}
	return rows, nil
}

// adopt takes note of rows that were taken from the hand, and returns those that count.
// One that was read from the store already, or will never be there by what is known, does
// not. One far beyond what was read, or while many are missing, is left to the store, so
// that those before it are read in order.
func (in *intake) adopt(own []Row, round int64) []Row {
	kept := own[:0]
	for i := range own {
		id := own[i].ID
		_, missing := in.missing[id]
		if !missing && (id <= in.top || id > in.top+maxNamed || len(in.missing) > maxNamed) {
			continue
		}
		in.saw(id, round)
		kept = append(kept, own[i])
	}
	return kept
}

// read takes what is in the hand, and reads other new rows, those that were not there
// before, and those of tenants that are open now.
func (s *Sequencer) read(ctx context.Context) (*batch, error) {
	b := &batch{after: s.intake.clone()}
	settled := s.settled.Load()
	taken, more := s.hand.take(s.batch)
	s.more = more
	own, limit, now := b.after.adopt(taken, s.round.Add(1)), min(s.batch, s.rows), s.cfg.Now()
	if age := now.Sub(s.looked); len(own) > 0 && age >= 0 && age < lookEvery {
		// More of its own is on the way, and would be among what is read. Rows of others
		// stand between, and are asked for by their ids in the next step.
		limit = 0
	} else {
		s.looked = now
	}
	named := slices.Sorted(maps.Keys(b.after.missing))
	named = named[:min(len(named), maxNamed)]
	top := b.after.top
	err := s.cfg.Store.View(ctx, func(tx Tx) error {
		stored, err := tx.Pending(ctx, top, named, limit)
		if err != nil {
			return err
		}
		b.rows = append(slices.Clip(own), s.room(b, s.cut(ctx, b, stored, top), top, limit)...)
		return s.readWaiting(ctx, tx, b)
	})
	if err != nil {
		s.drop()
		return b, fmt.Errorf("reading new events: %w", err)
	}
	round := s.round.Add(1)
	b.rows = s.cut(ctx, b, b.rows, top)
	for i := range b.rows {
		b.after.saw(b.rows[i].ID, round)
	}
	for _, id := range named {
		if noticed, still := b.after.missing[id]; still && noticed <= settled && !b.left[id] {
			delete(b.after.missing, id) // it will never be there
		}
	}
	return b, nil
}

// cut refuses rows, at the end of a list by id, whose ids the store has not given.
func (s *Sequencer) cut(ctx context.Context, b *batch, rows []Row, top int64) []Row {
	for i := range rows {
		if id := rows[i].ID; id <= top+MaxGap {
			top = max(top, id)
			continue
		}
		for j := i; j < len(rows); j++ {
			if r := &rows[j]; !b.after.far[r.ID] {
				b.after.far[r.ID] = true
				s.refuse(ctx, r, whyFar)
			}
		}
		return rows[:i]
	}
	return rows
}

// room is those of the rows that were read, with ids that the store has given, for which
// the step has room. It chooses how many the next one reads: little more than it has room
// for, since rows of several events are larger, and all of them are read again.
func (s *Sequencer) room(b *batch, rows []Row, top int64, limit int) []Row {
	taken, left := within(rows, s.batch)
	b.left = make(map[int64]bool, len(left))
	for i := range left {
		b.left[left[i].ID] = true
	}
	beyond := len(rows)
	for beyond > 0 && rows[len(rows)-beyond].ID <= top {
		beyond--
	}
	switch {
	case len(left) > 0:
		s.more, s.rows = true, len(taken)+len(taken)/4+1
	case limit > 0 && beyond >= limit:
		s.more, s.rows = true, min(2*s.rows, s.cfg.Batch)
	}
	return taken
}

// readWaiting adds rows of tenants that have been opened since.
func (s *Sequencer) readWaiting(ctx context.Context, tx Tx, b *batch) error {
	for id, from := range s.intake.waiting {
		if _, open := s.cfg.Tenant(id); !open || s.isAltered(id) {
			continue
		}
		page, err := tx.PendingOf(ctx, id, from-1, s.batch)
		if err != nil {
			return err
		}
		more, left := within(page, s.batch)
		have := map[int64]bool{}
		for i := range b.rows {
			have[b.rows[i].ID] = true
		}
		for _, r := range more {
			if !have[r.ID] {
				b.rows = append(b.rows, r)
			}
		}
		switch {
		case len(left) > 0:
			b.after.waiting[id], s.more = left[0].ID, true
		case len(page) < s.batch:
			delete(b.after.waiting, id)
		default:
			b.after.waiting[id] = page[len(page)-1].ID + 1
		}
	}
	slices.SortFunc(b.rows, byID)
	return nil
}
