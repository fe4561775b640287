package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// maxNew bounds how many new people are stored at once, so that the transaction does
// not stand idle while all of their values are sealed.
const maxNew = 200

// A crowd is new people who follow each other in the request, to be stored in a few
// statements with all their records. That does what applyPerson would: nobody else can
// have a row under a uid that is made here, so there is nothing to lock and nothing to
// merge with.
type crowd struct {
	w    *writing
	list []NewPerson
}

// take says whether a person is one of them, and stores them when they are many.
func (c *crowd) take(ctx context.Context, tx Tx, p *writePerson) (bool, error) {
	n, ok, err := c.w.newPerson(p)
	if err != nil || !ok {
		return false, err
	}
	if c.list = append(c.list, n); len(c.list) < maxNew {
		return true, nil
	}
	return true, c.store(ctx, tx)
}

// store stores those who were taken. It comes before whoever follows them, so that
// people are stored and locked in one order by everybody.
func (c *crowd) store(ctx context.Context, tx Tx) error {
	if len(c.list) == 0 {
		return nil
	}
	inserted, err := tx.InsertPeople(ctx, c.w.t.row.ID, c.list)
	c.list = nil
	switch {
	case errors.Is(err, ErrStaleKEK), err == nil && !inserted:
		return errRestart
	case err != nil:
		return fmt.Errorf("storing people: %w", err)
	}
	return nil
}

// newPerson is what is to be stored of a person who is not there yet. ok is false for
// what needs more care: a request under an idempotency key, a record that is named
// twice, an item that is refused.
func (w *writing) newPerson(p *writePerson) (n NewPerson, ok bool, err error) {
	if !p.fresh || w.idem.Key != "" || !p.plainItems() {
		return NewPerson{}, false, nil
	}
	p.rows = nil
	for _, it := range p.items {
		rec := Record{Collection: it.coll.ID, Record: it.record}
		next, _, _, err := w.merge(p, it, &rec)
		if itemError(err) {
			return NewPerson{}, false, nil
		}
		if err != nil {
			return NewPerson{}, false, err
		}
		entries, err := w.entries(it)
		if itemError(err) {
			return NewPerson{}, false, nil
		}
		if err != nil {
			return NewPerson{}, false, err
		}
		n.Records = append(n.Records, NewRecord{Record: next, Entries: entries})
	}
	for i := range p.keys {
		if !p.keys[i].made {
			return NewPerson{}, false, nil
		}
		n.Keys = append(n.Keys, p.keys[i].row())
	}
	n.Subject, err = p.row(w)
	if err != nil {
		return NewPerson{}, false, err
	}
	p.rows = n.Keys
	for i, it := range p.items {
		next := &n.Records[i]
		it.created, it.revision = true, next.Revision
		it.row = w.t.wrote(n.Subject.UID, &next.Record)
	}
	return n, true, nil
}

// plainItems says whether every item stores a record of its own.
func (p *writePerson) plainItems() bool {
	for i, it := range p.items {
		if it.err != nil || it.portable || it.patch || it.ifMatch != 0 {
			return false
		}
		same := func(o *writeItem) bool { return o.coll.ID == it.coll.ID && o.record == it.record }
		if slices.ContainsFunc(p.items[:i], same) {
			return false
		}
	}
	return true
}
