package report_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

// anyLog draws a log in which few people, fields, actors and purposes meet often.
func anyLog(t *rapid.T) []*audit.Event {
	n := rapid.IntRange(0, 40).Draw(t, "events")
	log := make([]*audit.Event, n)
	for i := range log {
		if i > 0 && rapid.IntRange(0, 3).Draw(t, "follows up") == 0 {
			log[i] = anyFollowUp(t, log[:i])
			continue
		}
		log[i] = &audit.Event{
			Tenant:  rapid.SampledFrom([]string{"default", "default", "default", "other"}).Draw(t, "tenant"),
			Time:    from.Add(time.Duration(rapid.IntRange(-2, 61).Draw(t, "minute")) * time.Minute),
			Actor:   rapid.SampledFrom([]string{"iss#a", "iss#b", "local:root"}).Draw(t, "actor"),
			Action:  rapid.SampledFrom([]accessctl.Action{"reveal", "reveal", "search", "decrypt", "list", "export", "consent_read", "write"}).Draw(t, "action"),
			Purpose: rapid.SampledFrom([]accessctl.Purpose{"support", "billing", ""}).Draw(t, "purpose"),
			UID:     uid(rapid.IntRange(1, 3).Draw(t, "person")),
			Outcome: rapid.SampledFrom([]audit.Outcome{audit.Allowed, audit.Allowed, audit.Allowed, audit.Denied, audit.Failed}).Draw(t, "outcome"),
			Fields:  anyViews(t),
		}
		log[i].ID = uid(1000 + i)
	}
	return log
}

func anyFollowUp(t *rapid.T, log []*audit.Event) *audit.Event {
	e := *rapid.SampledFrom(log).Draw(t, "of")
	e.Refers, e.ID = e.ID, uid(1000+len(log))
	e.Outcome, e.Fields = audit.Failed, nil
	e.Code = rapid.SampledFrom([]string{"unavailable", "integrity"}).Draw(t, "code")
	e.Time = e.Time.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "later")) * time.Second)
	if rapid.IntRange(0, 9).Draw(t, "of another") == 0 {
		e.UID = uid(4)
	}
	return &e
}

func anyViews(t *rapid.T) []audit.FieldView {
	views := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) audit.FieldView {
		return audit.FieldView{
			Collection: rapid.Uint32Range(1, 2).Draw(t, "collection"),
			Field:      rapid.Uint32Range(11, 13).Draw(t, "field"),
			View:       rapid.SampledFrom([]accessctl.View{accessctl.Plain, accessctl.Masked, accessctl.Hidden}).Draw(t, "view"),
			Reason:     rapid.SampledFrom([]accessctl.Reason{"", "policy", "consent"}).Draw(t, "reason"),
			Count:      rapid.Uint32Range(1, 2).Draw(t, "count"),
		}
	}), 0, 4, func(f audit.FieldView) audit.FieldView { f.Count = 0; return f }).Draw(t, "views")
	slices.SortFunc(views, audit.FieldView.Compare)
	return views
}

func anyQuery(t *rapid.T) report.Query {
	q := query()
	q.MaskedToo = rapid.Bool().Draw(t, "masked too")
	q.Actors = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"iss#a", "iss#b"}), 0, 2, rapid.ID).Draw(t, "actors")
	q.Purposes = rapid.SliceOfNDistinct(rapid.SampledFrom([]accessctl.Purpose{"support", ""}), 0, 2, rapid.ID).Draw(t, "purposes")
	return q
}

// A truth is what the package comment says of one log, worked out event by event
// with all events at hand.
type truth struct {
	rows, withheld   map[string]*report.Row
	people, anyone   map[uuid.UUID]bool
	events, partials int64
}

func truthOf(q report.Query, log []*audit.Event) truth {
	tr := truth{map[string]*report.Row{}, map[string]*report.Row{}, map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, 0, 0}
	for i, e := range log {
		asked := e.Tenant == q.Tenant && e.Outcome == audit.Allowed &&
			(len(q.Actors) == 0 || slices.Contains(q.Actors, e.Actor)) &&
			(len(q.Purposes) == 0 || slices.Contains(q.Purposes, e.Purpose)) &&
			!e.Time.Before(q.From) && e.Time.Before(q.To)
		values := valuesOf(q, e)
		if !asked || len(values) == 0 {
			continue
		}
		none, part := fate(log, e)
		into := tr.rows
		if none {
			into, part = tr.withheld, false
		} else {
			tr.events++
		}
		if part {
			tr.partials++
		}
		for k, n := range values {
			addTo(into, k, n, int64(i), e, part)
			if !none {
				tr.anyone[e.UID] = true
				if k.How != report.Masked {
					tr.people[e.UID] = true
				}
			}
		}
	}
	return tr
}

// valuesOf is how many values of what an event announces, by field and manner.
func valuesOf(q report.Query, e *audit.Event) map[report.Row]int64 {
	m := map[report.Row]int64{}
	switch e.Action {
	case "list":
		m[report.Row{How: report.Records}] = 0
	case "export":
		m[report.Row{How: report.Manifest}] = 0
	case "consent_read":
		m[report.Row{How: report.Decisions}] = 0
	default:
	}
	for _, f := range e.Fields {
		k := report.Row{CollectionID: f.Collection, FieldID: f.Field}
		switch {
		case f.View == accessctl.Plain:
			k.How = report.Plain
		case f.View == accessctl.Masked && q.MaskedToo:
			k.How = report.Masked
		case f.View == accessctl.Hidden && f.Reason == "" && e.Action == "search":
			k.How = report.Found
		default:
			continue
		}
		m[k] += int64(f.Count)
	}
	return m
}

// fate says whether nothing, or not everything, of an announcement was released.
func fate(log []*audit.Event, e *audit.Event) (none, part bool) {
	var opened uint32
	for _, f := range e.Fields {
		if f.View != accessctl.Hidden || f.Reason == "" && e.Action == "search" {
			opened += f.Count
		}
	}
	for _, f := range log {
		if f.Refers == e.ID && f.UID == e.UID && f.Tenant == e.Tenant {
			part = true
			none = none || f.Code == "unavailable" || opened == 1
		}
	}
	return none, part
}

func addTo(m map[string]*report.Row, k report.Row, values, index int64, e *audit.Event, part bool) {
	key := fmt.Sprint(e.UID, k.CollectionID, k.FieldID, e.Purpose, e.Actor, k.How)
	r := m[key]
	if r == nil {
		k.UID, k.Purpose, k.Actor = e.UID, e.Purpose, e.Actor
		k.Span = report.Span{First: e.Time, Last: e.Time, FirstIndex: index, LastIndex: index}
		r = &k
		m[key] = r
	}
	r.Events++
	r.Values += values
	if part {
		r.Partial++
	}
	if e.Time.Before(r.First) {
		r.First = e.Time
	}
	if e.Time.After(r.Last) {
		r.Last = e.Time
	}
	r.FirstIndex, r.LastIndex = min(r.FirstIndex, index), max(r.LastIndex, index)
}

// listOf checks that the rows' keys are distinct and returns them by key.
func listOf(t *rapid.T, rows []report.Row) map[string]*report.Row {
	m := map[string]*report.Row{}
	for i := range rows {
		r := rows[i]
		key := fmt.Sprint(r.UID, r.CollectionID, r.FieldID, r.Purpose, r.Actor, r.How)
		if m[key] != nil {
			t.Fatalf("two rows of %s", key)
		}
		m[key] = &r
	}
	return m
}

// scan shows the log, each index once, in any order, to some Breaches, which are
// then merged in any order.
func scan(t *rapid.T, q report.Query, log []*audit.Event) *report.Breach {
	parts := make([]*report.Breach, rapid.IntRange(1, 4).Draw(t, "parts"))
	for i := range parts {
		parts[i] = report.NewBreach(q)
	}
	order := make([]int, len(log))
	for i := range order {
		order[i] = i
	}
	if len(order) > 1 {
		order = rapid.Permutation(order).Draw(t, "order")
	}
	for _, i := range order {
		parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].See(int64(i), log[i])
	}
	for len(parts) > 1 {
		i := rapid.IntRange(1, len(parts)-1).Draw(t, "merge")
		parts[0].Merge(parts[i])
		parts = slices.Delete(parts, i, i+1)
		if len(parts) > 1 && rapid.Bool().Draw(t, "turn") {
			parts[0], parts[1] = parts[1], parts[0]
		}
	}
	return parts[0]
}

// TestReportIsTheTruth: rows, totals and what was not released are what a naive
// reading of the whole log gives, however it was split, ordered and merged.
func TestReportIsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log, q := anyLog(t), anyQuery(t)
		want := truthOf(q, log)
		got := scan(t, q, log).Report(nil, nil)
		if diff := cmp.Diff(want.rows, listOf(t, got.Rows)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want.withheld, listOf(t, got.NotReleased)); diff != "" {
			t.Errorf("not released (-want +got):\n%s", diff)
		}
		if got.Totals.Events != want.events || got.Totals.Partial != want.partials {
			t.Errorf("%d events, %d in part; want %d and %d", got.Totals.Events, got.Totals.Partial, want.events, want.partials)
		}
		if got.Totals.People != len(want.people) || got.Totals.OnlyMasked != len(want.anyone)-len(want.people) {
			t.Errorf("%+v; want %d people of %d", got.Totals, len(want.people), len(want.anyone))
		}
		summaries(t, got)
	})
}

// summaries checks the totals of a report against its rows.
func summaries(t *rapid.T, r *report.Report) {
	people := func(keep func(*report.Row) bool) int {
		set := map[uuid.UUID]bool{}
		for i := range r.Rows {
			if keep(&r.Rows[i]) {
				set[r.Rows[i].UID] = true
			}
		}
		return len(set)
	}
	var events int64
	for _, a := range r.ByActor {
		events += a.Events
		if want := people(func(r *report.Row) bool { return r.Actor == a.Actor }); a.People != want {
			t.Errorf("%s: %d people, want %d", a.Actor, a.People, want)
		}
	}
	for _, p := range r.ByPurpose {
		events += p.Events
		if want := people(func(r *report.Row) bool { return r.Purpose == p.Purpose }); p.People != want {
			t.Errorf("%s: %d people, want %d", p.Purpose, p.People, want)
		}
	}
	if events != 2*r.Totals.Events {
		t.Errorf("%d events by actor and by purpose, of %d", events, r.Totals.Events)
	}
	for _, c := range r.Totals.Counts {
		var values int64
		fields := map[[2]uint32]bool{}
		for i := range r.Rows {
			if row := &r.Rows[i]; row.How == c.How {
				values += row.Values
				if row.CollectionID != 0 {
					fields[[2]uint32{row.CollectionID, row.FieldID}] = true
				}
			}
		}
		n := people(func(r *report.Row) bool { return r.How == c.How })
		if want := (report.Count{How: c.How, People: n, Fields: len(fields), Values: values}); c != want {
			t.Errorf("%+v, want %+v", c, want)
		}
	}
}

// TestSameEventsSameBytes: the JSON form does not depend on order or splits.
func TestSameEventsSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log, q := anyLog(t), anyQuery(t)
		var one, two bytes.Buffer
		for _, w := range []*bytes.Buffer{&one, &two} {
			if err := scan(t, q, log).Report(names{}, nil).WriteJSON(w); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Errorf("%s\n\n%s", one.Bytes(), two.Bytes())
		}
	})
}

// TestSettlingChangesNothing: in a log in which follow-ups come within three
// seconds, settling what is older than that gives the same report.
func TestSettlingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log, q := anyLog(t), anyQuery(t)
		slices.SortStableFunc(log, func(a, b *audit.Event) int { return a.Time.Compare(b.Time) })
		plain, settled := report.NewBreach(q), report.NewBreach(q)
		for i, e := range log {
			plain.See(int64(i), e)
			settled.See(int64(i), e)
			if rapid.Bool().Draw(t, "settle") {
				settled.Settle(e.Time.Add(-3 * time.Second))
			}
		}
		if diff := cmp.Diff(plain.Report(nil, nil), settled.Report(nil, nil)); diff != "" {
			t.Errorf("(-kept +settled):\n%s", diff)
		}
	})
}
