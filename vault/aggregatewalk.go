package vault

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// surveyPage is how many records are looked at together.
const surveyPage = 500

// A survey walks the people of a collection.
type survey struct {
	a    *aggregating
	acc  *aggregate.Accumulator
	r    *reading
	rows []surveyed
	keys []*field.Key // of one page
	errs []error

	person  uuid.UUID // whose records these are
	records []aggregate.Record
}

// A surveyed is a record that counts.
type surveyed struct {
	uid   uuid.UUID
	opens []int // for each needed field, the index of its opening; -1: none
}

// answer reads the data and draws the noise.
func (a *aggregating) answer(ctx context.Context) (*AggregateAnswer, error) {
	acc, err := aggregate.New(a.query, a.v.noise)
	if err != nil {
		return nil, fmt.Errorf("preparing a statistic: %w", err)
	}
	s := &survey{a: a, acc: acc}
	if err := s.walk(ctx); err != nil {
		return nil, err
	}
	drawn, err := acc.Release()
	if err != nil {
		return nil, fmt.Errorf("drawing the noise of a statistic: %w", err)
	}
	return a.words(&drawn), nil
}

// walk looks at every record of the collection, in order of the people.
func (s *survey) walk(ctx context.Context) error {
	q := SurveyQuery{Tenant: s.a.t.row.ID, Collection: s.a.coll.ID, Limit: surveyPage}
	for {
		var page []Candidate
		err := s.a.v.store.View(ctx, func(tx Tx) (err error) {
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
		q.AfterUID, q.AfterRec = page[len(page)-1].UID, page[len(page)-1].Record
	}
}

// page decides about some records with what stands now, opens what counts, and counts it.
func (s *survey) page(ctx context.Context, page []Candidate) error {
	a := s.a
	q := LoadQuery{Tenant: a.t.row.ID, Items: make([]Ref, len(page))}
	for i := range page {
		q.Items[i] = Ref{Lookup: page[i].Lookup, Collection: a.coll.ID, Record: page[i].Record}
	}
	l, broken, err := a.v.load(ctx, q)
	if err != nil {
		return err
	}
	if _, reloaded, err := a.v.at(ctx, a.t, a.s, l); err != nil {
		return err
	} else if reloaded {
		return fmt.Errorf("%w: catalog or policy changed while the statistic was made", ErrConflict)
	}
	if err := a.v.guard(ctx, l.Incarnation); err != nil {
		return err
	}
	s.r = &reading{v: a.v, c: a.c, action: accessctl.ActionAggregate, t: a.t, s: a.s, d: a.s.decider(a.c)}
	s.r.why, _ = a.s.catalog.Purpose(string(a.c.Purpose))
	s.rows = s.rows[:0]
	for i := range page {
		if broken == nil || !broken[i] {
			s.decide(&page[i], &l.Items[i])
		}
	}
	return s.count(ctx)
}

// decide plans the opening of what a record counts with, if every field of it may be
// used in a statistic for the purpose now. A record that does not verify is left out:
// fsck names it.
func (s *survey) decide(c *Candidate, l *LoadedItem) {
	r, a := s.r, s.a
	if l.Subject == nil || l.Subject.UID != c.UID {
		return
	}
	w := &want{coll: a.coll, record: c.Record, lookup: c.Lookup}
	sealed, code := r.state(w, l, &person{})
	if code != "" {
		return
	}
	state := accessctl.State{
		Consent:    r.t.consentFor(r.s.catalog, l.Subject.UID, l.Consents, r.c.Purpose, r.v.now()),
		Restricted: l.Subject.Restricted,
	}
	stored := make([]*field.Sealed, len(a.needs))
	for i := range a.needs {
		n := &a.needs[i]
		x := find(sealed, n.field)
		if x == nil {
			return
		}
		if k := keyOf(l.Keys, x.Group); k == nil || k.Wrapped == nil || k.Epoch != x.Epoch {
			return // the group was erased
		}
		state.Expired = r.expired(n.field, x)
		if !r.d.Permit(accessctl.ActionAggregate, n.fact, state).Allowed {
			return
		}
		stored[i] = x
	}
	row := surveyed{uid: c.UID, opens: make([]int, len(a.needs))}
	for i, x := range stored {
		if row.opens[i] = -1; a.needs[i].open {
			row.opens[i] = len(r.open.list)
			r.open.add(opening{want: w, answer: i, sealed: sealedValue{x.Ciphertext, x.Revision}}, r.t, l.Subject, keyOf(l.Keys, x.Group))
		}
	}
	s.rows = append(s.rows, row)
}

// count opens what was planned, and counts it. What does not open is left out.
func (s *survey) count(ctx context.Context) (err error) {
	s.keys, s.errs = nil, nil
	if s.r.open.any() {
		if s.keys, s.errs, err = s.a.v.openKeys(ctx, s.a.t, s.r.open.keys); err != nil {
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
		if rec, ok := s.record(row); ok {
			s.records = append(s.records, rec)
		}
	}
	return nil
}

// record is what one record counts as.
func (s *survey) record(row *surveyed) (rec aggregate.Record, ok bool) {
	for i, at := range row.opens {
		if at < 0 {
			continue
		}
		o := &s.r.open.list[at]
		if s.errs != nil && s.errs[o.key] != nil {
			return rec, false
		}
		if !s.read(o, &s.a.needs[i], &rec, i) {
			return rec, false
		}
	}
	return rec, true
}

// read opens one value and takes from it what counts.
func (s *survey) read(o *opening, n *needed, rec *aggregate.Record, at int) bool {
	id := &s.r.open.keys[o.key].ID
	plain, err := s.keys[o.key].Open(field.Place{
		Tenant: s.a.t.row.Name, UID: id.UID, Group: id.Group, Epoch: id.Epoch,
		Collection: s.a.coll.ID, Record: o.want.record, Field: n.field.ID, Revision: o.sealed.revision,
	}, o.sealed.ciphertext)
	if err != nil {
		return false
	}
	defer plain.Wipe()
	if m := s.a.measured; m != nil && m.Field == n.field.Name && s.a.query.Measure != aggregate.Count {
		value, ok := m.Value(plain)
		if !ok {
			return false
		}
		rec.Value = value
	}
	for i := range s.a.groups {
		g := &s.a.groups[i]
		if g.at != at {
			continue
		}
		index, label, ok := g.by.Group(plain)
		if !ok {
			return false
		}
		if rec.Group[i] = label; g.labels != nil {
			rec.Group[i] = ordinal(index)
		}
	}
	return true
}

// flush counts the person whose records were gathered: all of them in one call.
func (s *survey) flush() error {
	if len(s.records) == 0 {
		return nil
	}
	err := s.acc.Add(string(s.person[:]), s.records)
	s.records = s.records[:0]
	if err != nil {
		return fmt.Errorf("counting a person: %w", err)
	}
	return nil
}

// words makes the answer of the noisy numbers.
func (a *aggregating) words(drawn *aggregate.Answer) *AggregateAnswer {
	out := &AggregateAnswer{
		Threshold: drawn.Threshold, Confidence: drawn.Query.Confidence, Epsilon: a.q.Epsilon, Budget: a.state,
		Groups: make([]AggregateGroup, len(drawn.Groups)),
	}
	unit := a.unit()
	if a.query.Measure == aggregate.Histogram {
		out.Bins = a.bins
	}
	for i := range drawn.Groups {
		g, to := &drawn.Groups[i], &out.Groups[i]
		to.Key = make([]string, len(a.groups))
		for j := range a.groups {
			to.Key[j] = a.groups[j].label(g.Key[j])
		}
		if g.People != nil {
			e := estimate(g.People, 1)
			to.People = &e
		}
		for j := range g.Values {
			to.Values = append(to.Values, estimate(&g.Values[j], unit))
		}
	}
	return out
}

func estimate(e *aggregate.Estimate, unit float64) Estimate {
	return Estimate{Value: e.Value / unit, Low: e.Low / unit, High: e.High / unit, Error: e.Error / unit}
}

// measuredFields describes the fields of a collection that count in statistics.
func measuredFields(c *catalog.Collection, p accessctl.Purpose) (list []accessctl.Field) {
	for i := range c.Fields {
		if _, ok := c.Measured(c.Fields[i].Name); ok {
			list = append(list, describe(c, &c.Fields[i], p))
		}
	}
	return list
}
