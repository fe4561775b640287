package report_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

var usageFrom = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func usageQuery(purpose accessctl.Purpose) report.UsageQuery {
	return report.UsageQuery{Tenant: "default", Purpose: purpose, From: usageFrom, To: usageFrom.AddDate(0, 0, 90)}
}

// person is the uid of the n-th person of a test.
func nthPerson(n int) (u uuid.UUID) {
	binary.BigEndian.PutUint64(u[8:], uint64(n)+1)
	u[6], u[8] = 0x70, 0x80
	return u
}

// Planted reads are counted exactly: every row against a count of the plants.
func TestUsageCountsWhatWasPlanted(t *testing.T) {
	type key struct {
		purpose, caller string
		field           uint32
		how             report.How
	}
	type truth struct {
		events, values int64
		people         map[uuid.UUID]bool
		last           time.Time
	}
	want := map[key]*truth{}
	rnd := draws(1)
	u := report.NewUsage(usageQuery(""))
	for i := range 20_000 {
		e := audit.Event{
			Tenant: "default", Time: usageFrom.Add(time.Duration(rnd.IntN(100*24)) * time.Hour), UID: nthPerson(rnd.IntN(3000)),
			Action: accessctl.ActionReveal, Purpose: accessctl.Purpose([]string{"support", "billing"}[rnd.IntN(2)]), Outcome: audit.Allowed,
		}
		e.Actor, e.Outcome = fmt.Sprintf("https://id.example.org#%d", rnd.IntN(3)), []audit.Outcome{audit.Allowed, audit.Allowed, audit.Denied}[rnd.IntN(3)]
		caller := e.Actor
		if i%7 == 0 {
			e.Actor, caller = "self:"+e.UID.String(), "self"
		}
		view := accessctl.View(rnd.IntN(3))
		reason := accessctl.ReasonNone
		if view == accessctl.Hidden {
			reason = accessctl.ReasonPolicy
		}
		f := audit.FieldView{Collection: 1, Field: 1 + uint32(rnd.IntN(4)), View: view, Reason: reason, Count: 1 + uint32(rnd.IntN(3))}
		e.Fields = []audit.FieldView{f}
		u.See(&e)
		how := map[accessctl.View]report.How{accessctl.Plain: report.Plain, accessctl.Masked: report.Masked}[view]
		if how == 0 || e.Outcome != audit.Allowed || !e.Time.Before(usageFrom.AddDate(0, 0, 90)) {
			continue
		}
		k := key{string(e.Purpose), caller, f.Field, how}
		x := want[k]
		if x == nil {
			x = &truth{people: map[uuid.UUID]bool{}}
			want[k] = x
		}
		x.events, x.values, x.people[e.UID] = x.events+1, x.values+int64(f.Count), true
		if e.Time.After(x.last) {
			x.last = e.Time
		}
	}
	r := u.Report(nil, nil)
	if len(r.Rows) != len(want) {
		t.Errorf("%d rows, want %d", len(r.Rows), len(want))
	}
	for _, row := range r.Rows {
		x := want[key{string(row.Purpose), row.Caller, row.FieldID, row.How}]
		if x == nil || row.Events != x.events || row.Values != x.values || row.People != int64(len(x.people)) || row.About || !row.Last.Equal(x.last) {
			t.Errorf("row %+v, want %+v", row, x)
		}
	}
	one := report.NewUsage(usageQuery("support"))
	one.See(&audit.Event{Tenant: "default", Time: usageFrom, Action: accessctl.ActionList, Purpose: "billing", Outcome: audit.Allowed, Actor: "x"})
	one.See(&audit.Event{Tenant: "other", Time: usageFrom, Action: accessctl.ActionList, Purpose: "support", Outcome: audit.Allowed, Actor: "x"})
	if r := one.Report(nil, nil); len(r.Rows) != 0 || r.Events != 1 {
		t.Errorf("another purpose and another tenant: %+v", r)
	}
}

// Beyond 8,192 people a row estimates, within a few in a hundred, and says so; more
// callers than there is room for are taken together.
func TestUsageIsBounded(t *testing.T) {
	u := report.NewUsage(usageQuery(""))
	e := audit.Event{
		Tenant: "default", Time: usageFrom, Action: accessctl.ActionReveal, Purpose: "support", Outcome: audit.Allowed, Actor: "app",
		Fields: []audit.FieldView{{Collection: 1, Field: 1, View: accessctl.Plain, Count: 1}},
	}
	const people = 300_000
	for i := range people {
		e.UID = nthPerson(i)
		u.See(&e)
	}
	row := u.Report(nil, nil).Rows[0]
	if !row.About || row.Events != people || row.People < people*94/100 || row.People > people*106/100 {
		t.Errorf("%d events of about %d people", row.Events, row.People)
	}
	for i := range 25_000 {
		e.Actor = fmt.Sprintf("caller-%d", i)
		u.See(&e)
	}
	rows := u.Report(nil, nil).Rows
	last := rows[len(rows)-1]
	if len(rows) != 20_001 || last.Caller != report.OtherCallers || last.Events != 5001 {
		t.Errorf("%d rows, of which the last is %+v", len(rows), last)
	}
}

// draws are numbers that look like chance and are the same each time.
type draws uint64

// IntN is the next one below n.
func (d *draws) IntN(n int) int {
	*d = *d*6364136223846793005 + 1442695040888963407
	return int(uint64(*d) >> 33 % uint64(n))
}

// What a statistic uses is used, though nobody's value was shown; so is the purpose of a
// pseudonym. A refused one uses nothing.
func TestUsageKnowsStatisticsAndPseudonyms(t *testing.T) {
	at := usageFrom.Add(time.Hour)
	of := func(a accessctl.Action, o audit.Outcome, uid uuid.UUID, fields ...audit.FieldView) *audit.Event {
		return &audit.Event{Tenant: "default", Time: at, UID: uid, Actor: "x#a", Action: a, Purpose: "analytics", Outcome: o, Fields: fields}
	}
	u := report.NewUsage(usageQuery(""))
	for _, e := range []*audit.Event{
		of(accessctl.ActionAggregate, audit.Allowed, uuid.Nil, audit.FieldView{Collection: 1, Field: 2, Count: 1}, audit.FieldView{Collection: 1, Field: 3, Count: 1}),
		of(accessctl.ActionAggregate, audit.Allowed, uuid.Nil, audit.FieldView{Collection: 1, Field: 2, Count: 1}),
		of(accessctl.ActionAggregate, audit.Denied, uuid.Nil, audit.FieldView{Collection: 1, Field: 4, Count: 1}),
		of(accessctl.ActionPseudonymise, audit.Allowed, nthPerson(1)), of(accessctl.ActionPseudonymise, audit.Allowed, nthPerson(2)),
		of(accessctl.ActionResolve, audit.Allowed, nthPerson(1)),
	} {
		u.See(e)
	}
	var got []string
	for _, r := range u.Report(nil, nil).Rows {
		got = append(got, fmt.Sprintf("%s %d events=%d values=%d people=%d", r.How, r.FieldID, r.Events, r.Values, r.People))
	}
	want := []string{
		"found 0 events=1 values=0 people=1", "pseudonyms 0 events=2 values=0 people=2",
		"counted 2 events=2 values=0 people=0", "counted 3 events=1 values=0 people=0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
