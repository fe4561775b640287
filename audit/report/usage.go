package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// UsageQuery says which events a usage report is about.
type UsageQuery struct {
	// Tenant is whose log it is; required.
	Tenant string
	// Purpose is the one that was claimed; empty: any.
	Purpose accessctl.Purpose
	// From and To are the window [From, To). Both are required.
	From, To time.Time
}

// Check is ErrQuery if the query can match nothing.
func (q UsageQuery) Check() error {
	return Query{Tenant: q.Tenant, From: q.From, To: q.To}.Check()
}

// UsageReport says what was read or counted under which purpose, by whom and how much. It
// counts announcements (see the package comment): what could not be opened after all
// counts too, so that nothing that is used is ever called unused.
type UsageReport struct {
	Tenant     string
	Purpose    accessctl.Purpose // that was asked for; empty: any
	From, To   time.Time
	Events     int64       // of the window that were looked at, whatever they say
	First      time.Time   // the earliest of them; zero: none. The log may begin later than the window
	Checkpoint *Checkpoint // what the report was made from, if that is known
	Rows       []UsageRow  // ascending by purpose, collection id, field id, caller and How
}

// UsageRow is what one caller saw of one field under one purpose, in one manner.
type UsageRow struct {
	Purpose      accessctl.Purpose // empty: none was claimed
	CollectionID uint32            // 0: the row is about no field
	FieldID      uint32
	Collection   string // empty: the name is not known
	Field        string
	Caller       string // as events name it; "self": people in their own right; OtherCallers
	How          How
	Events       int64
	Values       int64
	People       int64 // uids
	About        bool  // People is an estimate: there are more than 8,192
	First, Last  time.Time
}

// OtherCallers stands for callers beyond the first ones, in a report that would else
// outgrow the memory.
const OtherCallers = "others"

// usageRows is from how many rows on new callers are taken together.
const usageRows = 20_000

// Usage counts what events show, by purpose, field and caller. Its memory is bounded by
// purposes and fields of the catalog and some thousand callers, whatever the number of
// events and people. It is not safe for concurrent use.
type Usage struct {
	q      UsageQuery
	rows   map[usagePlace]*usageSum
	shown  []shown
	events int64
	first  time.Time
}

type usagePlace struct {
	purpose           accessctl.Purpose
	collection, field uint32
	caller            string
	how               How
}

type usageSum struct {
	events, values int64
	people         crowd
	first, last    time.Time
}

// NewUsage begins a report.
func NewUsage(q UsageQuery) *Usage {
	return &Usage{q: q, rows: map[usagePlace]*usageSum{}}
}

// See takes in one event. The order does not matter, unless callers are taken together.
func (u *Usage) See(e *audit.Event) {
	if e.Tenant != u.q.Tenant || e.Time.Before(u.q.From) || !e.Time.Before(u.q.To) {
		return
	}
	u.events++
	if u.first.IsZero() || e.Time.Before(u.first) {
		u.first = e.Time
	}
	if e.Outcome != audit.Allowed || u.q.Purpose != "" && e.Purpose != u.q.Purpose {
		return
	}
	u.shown, _ = showing(u.shown[:0], e, true, nil)
	u.shown = using(u.shown, e)
	for _, s := range u.shown {
		u.of(usagePlace{e.Purpose, s.collection, s.field, callerOf(e), s.how}).add(e, int64(s.count))
	}
}

// callerOf is who acted; people in their own right are one.
func callerOf(e *audit.Event) string {
	if strings.HasPrefix(e.Actor, selfPrefix) {
		return "self"
	}
	return e.Actor
}

// of is the sum of a place, made if need be.
func (u *Usage) of(p usagePlace) *usageSum {
	if s := u.rows[p]; s != nil {
		return s
	}
	if len(u.rows) >= usageRows {
		p.caller = OtherCallers
	}
	p.purpose, p.caller = accessctl.Purpose(strings.Clone(string(p.purpose))), strings.Clone(p.caller)
	return of(u.rows, p, func() *usageSum { return &usageSum{} })
}

func (s *usageSum) add(e *audit.Event, values int64) {
	s.events++
	s.values += values
	if e.UID != uuid.Nil { // a statistic is about nobody
		s.people.add(e.UID)
	}
	if s.first.IsZero() || e.Time.Before(s.first) {
		s.first = e.Time
	}
	if e.Time.After(s.last) {
		s.last = e.Time
	}
}

// Report is what was seen so far. names and check may be nil.
func (u *Usage) Report(names Names, check *Checkpoint) *UsageReport {
	n := newNamer(names)
	r := &UsageReport{
		Tenant: u.q.Tenant, Purpose: u.q.Purpose, From: u.q.From, To: u.q.To, Events: u.events, First: u.first,
		Checkpoint: check, Rows: make([]UsageRow, 0, len(u.rows)),
	}
	for p, s := range u.rows {
		name := n.field(fieldID{p.collection, p.field})
		people, about := s.people.size()
		r.Rows = append(r.Rows, UsageRow{
			Purpose: p.purpose, CollectionID: p.collection, FieldID: p.field, Collection: name.collection, Field: name.field,
			Caller: p.caller, How: p.how, Events: s.events, Values: s.values, People: people, About: about,
			First: s.first, Last: s.last,
		})
	}
	slices.SortFunc(r.Rows, func(a, b UsageRow) int {
		return cmp.Or(
			cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.CollectionID, b.CollectionID), cmp.Compare(a.FieldID, b.FieldID),
			cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.How, b.How),
		)
	})
	return r
}

// Name is the row's field as collection.field, by numbers where there is no name, or
// "" if the row is about none.
func (r *UsageRow) Name() string {
	switch {
	case r.CollectionID == 0:
		return ""
	case r.Field == "":
		return fmt.Sprintf("%d.%d", r.CollectionID, r.FieldID)
	}
	return r.Collection + "." + r.Field
}
