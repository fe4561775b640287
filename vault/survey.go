package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// surveyPage is how many records are looked at together.
const surveyPage = 500

// A survey walks the people of a collection whose data may be used for the caller's
// purpose now, and opens what of them is asked for.
type survey struct {
	v      *Vault
	c      accessctl.Caller
	t      *tenant
	s      *settings
	coll   *catalog.Collection
	action accessctl.Action
	needs  []needed // each field once
	// lacking: a record that lacks some of the fields, or whose values have expired or
	// been erased, is taken with the others. Otherwise it is left out.
	lacking  bool
	to       surveyor
	progress func(records int) // nil: nobody watches

	r    *reading
	rows []surveyed
	keys []*field.Key // of one page
	errs []error
	seen int

	person uuid.UUID // whose records these are
	some   bool      // one of them was taken
}

// A needed is a field that a survey uses.
type needed struct {
	field *catalog.Field
	fact  accessctl.Field
	open  bool // its value counts, not only that there is one
}

// A surveyor takes what a survey opens, record by record, in order of the people.
type surveyor interface {
	// begin is called before the values of a record, of which the latest was written at
	// newest, in Unix seconds. What an earlier record that was not ended has left is void.
	begin(newest int64)
	// value takes the value of needs[i], which is wiped afterwards; false leaves the
	// record out.
	value(i int, plain secret.Bytes) bool
	// end is called after the last value.
	end()
	// flush is called after the last record of a person, if one was ended.
	flush(person uuid.UUID) error
}

// A surveyed is a record that counts.
type surveyed struct {
	uid    uuid.UUID
	newest int64
	opens  []int // for each needed field, the index of its opening; -1: none
}

// walk looks at every record of the collection, in order of the people.
func (s *survey) walk(ctx context.Context) error {
	q := SurveyQuery{Tenant: s.t.row.ID, Collection: s.coll.ID, Limit: surveyPage}
	for {
		var page []Candidate
		err := s.v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.SurveyRecords(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("listing records: %w", err)
		}
		if len(page) == 0 {
			return s.flush()
		}
		if err := s.page(ctx, page); err != nil {
			return err
		}
		if s.seen += len(page); s.progress != nil {
			s.progress(s.seen)
		}
		q.AfterUID, q.AfterRec = page[len(page)-1].UID, page[len(page)-1].Record
	}
}

// page decides about some records with what stands now, opens what counts, and counts it.
func (s *survey) page(ctx context.Context, page []Candidate) error {
	q := LoadQuery{Tenant: s.t.row.ID, Items: make([]Ref, len(page))}
	for i := range page {
		q.Items[i] = Ref{Lookup: page[i].Lookup, Collection: s.coll.ID, Record: page[i].Record}
	}
	l, broken, err := s.v.load(ctx, q)
	if err != nil {
		return err
	}
	if _, reloaded, err := s.v.at(ctx, s.t, s.s, l); err != nil {
		return err
	} else if reloaded {
		return fmt.Errorf("%w: catalog or policy changed while people were read", ErrConflict)
	}
	if err := s.v.guard(ctx, l.Incarnation); err != nil {
		return err
	}
	s.r = &reading{v: s.v, c: s.c, action: s.action, t: s.t, s: s.s, d: s.s.decider(s.c)}
	s.r.why, _ = s.s.catalog.Purpose(string(s.c.Purpose))
	s.rows = s.rows[:0]
	for i := range page {
		if broken == nil || !broken[i] {
			s.decide(&page[i], &l.Items[i])
		}
	}
	return s.count(ctx)
}

// decide plans the opening of what a record counts with, if every field of it may be
// used for the purpose now. A record that does not verify is left out: fsck names it.
func (s *survey) decide(c *Candidate, l *LoadedItem) {
	r := s.r
	if l.Subject == nil || l.Subject.UID != c.UID {
		return
	}
	w := &want{coll: s.coll, record: c.Record, lookup: c.Lookup}
	sealed, code := r.state(w, l, &person{})
	if code != "" {
		return
	}
	state := accessctl.State{
		Consent:    r.t.consentFor(r.s.catalog, l.Subject.UID, l.Consents, r.c.Purpose, r.v.now()),
		Restricted: l.Subject.Restricted,
	}
	stored, some := make([]*field.Sealed, len(s.needs)), false
	for i := range s.needs {
		n := &s.needs[i]
		x := find(sealed, n.field)
		if x != nil {
			if k := keyOf(l.Keys, x.Group); k == nil || k.Wrapped == nil || k.Epoch != x.Epoch {
				x = nil // the group was erased
			}
		}
		if state.Expired = x != nil && r.expired(n.field, x); state.Expired && s.lacking {
			x, state.Expired = nil, false
		}
		if x == nil && !s.lacking || !r.d.Permit(s.action, n.fact, state).Allowed {
			return
		}
		stored[i], some = x, some || x != nil
	}
	if some {
		s.plan(w, l, stored)
	}
}

// plan notes what is to be opened of a record.
func (s *survey) plan(w *want, l *LoadedItem, stored []*field.Sealed) {
	row := surveyed{uid: l.Subject.UID, opens: make([]int, len(stored))}
	for i, x := range stored {
		row.opens[i] = -1
		if x == nil {
			continue
		}
		if row.newest = max(row.newest, x.At); s.needs[i].open {
			row.opens[i] = len(s.r.open.list)
			s.r.open.add(opening{want: w, answer: i, sealed: sealedValue{x.Ciphertext, x.Revision}}, s.r.t, l.Subject, keyOf(l.Keys, x.Group))
		}
	}
	s.rows = append(s.rows, row)
}

// count opens what was planned, and hands it on. What does not open is left out.
func (s *survey) count(ctx context.Context) (err error) {
	s.keys, s.errs = nil, nil
	if s.r.open.any() {
		if s.keys, s.errs, err = s.v.openKeys(ctx, s.t, s.r.open.keys); err != nil {
			return fmt.Errorf("opening keys: %w", unavailable(err))
		}
	}
	for i := range s.rows {
		row := &s.rows[i]
		if row.uid != s.person {
			if err := s.flush(); err != nil {
				return err
			}
			s.person = row.uid
		}
		if s.record(row) {
			s.to.end()
			s.some = true
		}
	}
	return nil
}

// record opens the values of one record.
func (s *survey) record(row *surveyed) bool {
	s.to.begin(row.newest)
	for i, at := range row.opens {
		if at < 0 {
			continue
		}
		o := &s.r.open.list[at]
		if s.errs != nil && s.errs[o.key] != nil || !s.read(o, i) {
			return false
		}
	}
	return true
}

// read opens one value.
func (s *survey) read(o *opening, i int) bool {
	id := &s.r.open.keys[o.key].ID
	plain, err := s.keys[o.key].OpenSplit(field.Place{
		Tenant: s.t.row.Name, UID: id.UID, Group: id.Group, Epoch: id.Epoch,
		Collection: s.coll.ID, Record: o.want.record, Field: s.needs[i].field.ID, Revision: o.sealed.revision,
	}, o.sealed.ciphertext)
	if err != nil {
		return false
	}
	defer plain.Wipe()
	return s.to.value(i, plain)
}

// flush ends the person whose records were read.
func (s *survey) flush() error {
	if !s.some {
		return nil
	}
	s.some = false
	return s.to.flush(s.person)
}
