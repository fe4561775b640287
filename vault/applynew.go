package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldvault/fieldvault/audit"
)

// applyNew stores, in a few statements, those people of the request who are not there
// yet, with all their records, and returns the others. It does what applyPerson would:
// nobody else can have a row under a uid that is made here, so there is nothing to lock
// and nothing to merge with.
func (w *writing) applyNew(ctx context.Context, tx Tx) (rest []*writePerson, err error) {
	var list []NewPerson
	for _, p := range w.people {
		n, ok, err := w.newPerson(p)
		if err != nil {
			return nil, err
		}
		if !ok {
			rest = append(rest, p)
			continue
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		return rest, nil
	}
	inserted, err := tx.InsertPeople(ctx, w.t.row.ID, list)
	switch {
	case errors.Is(err, ErrStaleKEK), err == nil && !inserted:
		return nil, errRestart
	case err != nil:
		return nil, fmt.Errorf("storing people: %w", err)
	}
	return rest, nil
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
		rec := Record{Collection: it.coll.ID, Record: it.record, Row: w.v.newID()}
		next, _, err := w.merge(p, it, &rec)
		if itemError(err) {
			return NewPerson{}, false, nil
		}
		if err != nil {
			return NewPerson{}, false, err
		}
		entries, err := w.entries(it)
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
		it.row = audit.Write{Row: next.Row, Revision: next.Revision, Collection: next.Collection}
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
