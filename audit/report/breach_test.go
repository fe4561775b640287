package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
)

var (
	from = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	to   = from.Add(time.Hour)
)

// uid is a person, or an event, of a number.
func uid(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("5f0c8a52-3a55-4f0e-9a53-%012x", n))
}

func query() report.Query { return report.Query{Tenant: "default", From: from, To: to} }

func view(field uint32, v accessctl.View, count uint32) audit.FieldView {
	f := audit.FieldView{Collection: 1, Field: field, View: v, Count: count}
	if v == accessctl.Hidden {
		f.Reason = accessctl.ReasonConsent
	}
	return f
}

// shows is an event by which an agent sees fields of person 1.
func shows(n int, views ...audit.FieldView) *audit.Event {
	return &audit.Event{
		ID: uid(1000 + n), Tenant: "default", Time: from.Add(time.Duration(n) * time.Second),
		Actor: "https://id.example.org#agent", Action: accessctl.ActionReveal, Purpose: "support",
		UID: uid(1), Outcome: audit.Allowed, Fields: views,
	}
}

// followUp is a failure that refers to e.
func followUp(e *audit.Event, code string) *audit.Event {
	f := *e
	f.ID, f.Outcome, f.Code, f.Refers, f.Fields = uuid.New(), audit.Failed, code, e.ID, nil
	return &f
}

func with(e *audit.Event, change func(*audit.Event)) *audit.Event {
	c := *e
	change(&c)
	return &c
}

// names knows the collection client and its fields 11 to 13.
type names struct{}

func (names) Field(collection, field uint32) (collectionName, fieldName, classification string, ok bool) {
	switch (audit.FieldView{Collection: collection, Field: field}) {
	case audit.FieldView{Collection: 1, Field: 11}:
		return "client", "email", "contact", true
	case audit.FieldView{Collection: 1, Field: 12}:
		return "client", "illness", "health", true
	case audit.FieldView{Collection: 1, Field: 13}:
		return "client", "iban", "financial", true
	}
	return "", "", "", false
}

func (names) Purpose(id accessctl.Purpose) (text string, ok bool) {
	if id == "support" {
		return "We answer your questions.", true
	}
	return "", false
}

func reportOf(t testing.TB, q report.Query, events ...*audit.Event) *report.Report {
	t.Helper()
	b := report.NewBreach(q)
	for i, e := range events {
		if _, err := e.AppendLeaf(nil); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		b.See(int64(i), e)
	}
	return b.Report(names{}, nil)
}

// brief is rows in a few words, one a line.
func brief(rows []report.Row) string {
	var b strings.Builder
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(&b, "%d %d/%d %s %s events=%d partial=%d values=%d\n",
			r.UID[15], r.CollectionID, r.FieldID, r.Purpose, r.How, r.Events, r.Partial, r.Values)
	}
	return b.String()
}

func TestWhatCounts(t *testing.T) {
	plain, masked, hidden := view(11, accessctl.Plain, 1), view(12, accessctl.Masked, 1), view(13, accessctl.Hidden, 1)
	candidate := audit.FieldView{Collection: 1, Field: 11, Count: 2}
	search := func(views ...audit.FieldView) *audit.Event {
		return with(shows(1, views...), func(e *audit.Event) { e.Action = accessctl.ActionSearch })
	}
	act := func(a accessctl.Action) *audit.Event {
		return with(shows(1), func(e *audit.Event) { e.Action = a })
	}
	for _, tc := range []struct {
		what string
		e    *audit.Event
		want string
	}{
		{"a plain view", shows(1, plain), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"a masked view that was not asked for", shows(1, masked), ""},
		{"a hidden view", shows(1, hidden), ""},
		{"all three", shows(1, plain, masked, hidden), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"plain under decrypt", with(shows(1, plain), func(e *audit.Event) { e.Action = "decrypt" }), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"plain under an action of tomorrow", with(shows(1, plain), func(e *audit.Event) { e.Action = "divine" }), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"a search that finds the person", search(candidate), "1 1/11 support found events=1 partial=0 values=2\n"},
		{"a search that may not find the person", search(hidden), ""},
		{"a search of which a part may", search(candidate, view(11, accessctl.Hidden, 1)), "1 1/11 support found events=1 partial=0 values=2\n"},
		{"hidden without a reason, but no search", shows(1, candidate), ""},
		{"a list", act(accessctl.ActionList), "1 0/0 support records events=1 partial=0 values=0\n"},
		{"an export", act(accessctl.ActionExport), "1 0/0 support manifest events=1 partial=0 values=0\n"},
		{"consents read", act(accessctl.ActionConsentRead), "1 0/0 support decisions events=1 partial=0 values=0\n"},
		{"a write", act(accessctl.ActionWrite), ""},
		{"an erasure", act(accessctl.ActionErase), ""},
		{"keys", act(accessctl.ActionKeys), ""},
		{"denied", with(shows(1, plain), func(e *audit.Event) { e.Outcome = audit.Denied }), ""},
		{"failed", with(shows(1, plain), func(e *audit.Event) { e.Outcome = audit.Failed }), ""},
		{"another tenant", with(shows(1, plain), func(e *audit.Event) { e.Tenant = "other" }), ""},
		{"the first moment", with(shows(1, plain), func(e *audit.Event) { e.Time = from }), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"just before", with(shows(1, plain), func(e *audit.Event) { e.Time = from.Add(-time.Microsecond) }), ""},
		{"the last moment", with(shows(1, plain), func(e *audit.Event) { e.Time = to.Add(-time.Microsecond) }), "1 1/11 support plain events=1 partial=0 values=1\n"},
		{"the end", with(shows(1, plain), func(e *audit.Event) { e.Time = to }), ""},
	} {
		r := reportOf(t, query(), tc.e)
		if diff := cmp.Diff(tc.want, brief(r.Rows)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.what, diff)
		}
		if len(r.NotReleased) > 0 {
			t.Errorf("%s: not released: %s", tc.what, brief(r.NotReleased))
		}
	}
}

func TestMaskedIsCountedApart(t *testing.T) {
	q := query()
	q.MaskedToo = true
	other := with(shows(2, view(11, accessctl.Masked, 3)), func(e *audit.Event) { e.UID = uid(2) })
	r := reportOf(t, q, shows(1, view(11, accessctl.Masked, 1), view(11, accessctl.Plain, 1)), other)
	want := "1 1/11 support plain events=1 partial=0 values=1\n" +
		"1 1/11 support masked events=1 partial=0 values=1\n" +
		"2 1/11 support masked events=1 partial=0 values=3\n"
	if diff := cmp.Diff(want, brief(r.Rows)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	totals := report.Totals{Events: 2, People: 1, OnlyMasked: 1, Counts: []report.Count{
		{How: report.Plain, People: 1, Fields: 1, Values: 1}, {How: report.Masked, People: 2, Fields: 1, Values: 4},
	}}
	if diff := cmp.Diff(totals, r.Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// A masked view with two reasons is one event of one row.
func TestReasonsMakeNoRows(t *testing.T) {
	q := query()
	q.MaskedToo = true
	again := view(11, accessctl.Masked, 2)
	again.Reason = accessctl.ReasonPolicy
	r := reportOf(t, q, shows(1, view(11, accessctl.Masked, 1), again))
	if got, want := brief(r.Rows), "1 1/11 support masked events=1 partial=0 values=3\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a follow-up takes back is what the package comment says.
func TestFollowUps(t *testing.T) {
	one := shows(1, view(11, accessctl.Plain, 1))
	two := shows(1, view(11, accessctl.Plain, 1), view(12, accessctl.Masked, 1))
	twice := shows(1, view(11, accessctl.Plain, 2))
	search := with(shows(1, audit.FieldView{Collection: 1, Field: 11, Count: 1}), func(e *audit.Event) { e.Action = accessctl.ActionSearch })
	const plain1 = "1 1/11 support plain events=1 partial=0 values=1\n"
	for _, tc := range []struct {
		what           string
		e, f           *audit.Event
		rows, withheld string
	}{
		{"no key: nothing was released", two, followUp(two, "unavailable"), "", plain1},
		{"a spoilt value of several", two, followUp(two, "integrity"), "1 1/11 support plain events=1 partial=1 values=1\n", ""},
		{"a spoilt value of several records", twice, followUp(twice, "integrity"), "1 1/11 support plain events=1 partial=1 values=2\n", ""},
		{"the only value is spoilt", one, followUp(one, "integrity"), "", plain1},
		{"the only candidate is spoilt", search, followUp(search, "integrity"), "", "1 1/11 support found events=1 partial=0 values=1\n"},
		{"a code of tomorrow", two, followUp(two, "eclipse"), "1 1/11 support plain events=1 partial=1 values=1\n", ""},
		{"of another event", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Refers = uid(7) }), plain1, ""},
		{"of another person", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.UID = uid(2) }), plain1, ""},
		{"of another actor", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Actor = "local:x" }), plain1, ""},
		{"for another purpose", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Purpose = "billing" }), plain1, ""},
		{"of another tenant", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Tenant = "other" }), plain1, ""},
		{"after the window", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Time = to.Add(time.Minute) }), "", plain1},
		{"long after the window", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Time = to.Add(2 * time.Hour) }), plain1, ""},
		{"a failure that refers to nothing", one, with(followUp(one, "unavailable"), func(e *audit.Event) { e.Refers = uuid.Nil }), plain1, ""},
	} {
		for _, order := range [][]*audit.Event{{tc.e, tc.f}, {tc.f, tc.e}} {
			r := reportOf(t, query(), order...)
			if diff := cmp.Diff(tc.rows, brief(r.Rows)); diff != "" {
				t.Errorf("%s: rows (-want +got):\n%s", tc.what, diff)
			}
			if diff := cmp.Diff(tc.withheld, brief(r.NotReleased)); diff != "" {
				t.Errorf("%s: not released (-want +got):\n%s", tc.what, diff)
			}
			if tc.rows == "" && (r.Totals.Events != 0 || len(r.Categories)+len(r.ByActor)+len(r.ByPurpose) != 0) {
				t.Errorf("%s: counted all the same: %+v", tc.what, r.Totals)
			}
		}
	}
}

func TestSettledEventsStand(t *testing.T) {
	e := shows(1, view(11, accessctl.Plain, 1))
	b := report.NewBreach(query())
	b.See(0, e)
	b.Settle(e.Time) // not yet: it was not decided before
	b.See(1, followUp(e, "unavailable"))
	if r := b.Report(nil, nil); len(r.Rows) != 0 || len(r.NotReleased) != 1 {
		t.Errorf("settled too early: %s", brief(r.Rows))
	}
	b = report.NewBreach(query())
	b.See(0, e)
	b.Settle(e.Time.Add(time.Microsecond))
	b.See(1, followUp(e, "unavailable"))
	if r := b.Report(nil, nil); len(r.Rows) != 1 || len(r.NotReleased) != 0 {
		t.Errorf("taken back after it was settled: %s", brief(r.NotReleased))
	}
}

func TestQueriesForActorsAndPurposes(t *testing.T) {
	plain := view(11, accessctl.Plain, 1)
	events := []*audit.Event{
		shows(1, plain),
		with(shows(2, plain), func(e *audit.Event) { e.Actor = "https://id.example.org#Agent" }),
		with(shows(3, plain), func(e *audit.Event) { e.Purpose = "billing" }),
		with(shows(4, plain), func(e *audit.Event) { e.Purpose = "" }),
	}
	for _, tc := range []struct {
		actors   []string
		purposes []accessctl.Purpose
		want     int64
	}{
		{nil, nil, 4},
		{[]string{"https://id.example.org#agent"}, nil, 3},
		{[]string{"https://id.example.org#agent", "https://id.example.org#Agent"}, nil, 4},
		{[]string{"https://id.example.org#"}, nil, 0},
		{nil, []accessctl.Purpose{"billing"}, 1},
		{nil, []accessctl.Purpose{""}, 1},
		{[]string{"https://id.example.org#agent"}, []accessctl.Purpose{"support", "billing"}, 2},
	} {
		q := query()
		q.Actors, q.Purposes = tc.actors, tc.purposes
		if got := reportOf(t, q, events...).Totals.Events; got != tc.want {
			t.Errorf("actors %q, purposes %q: %d events, want %d", tc.actors, tc.purposes, got, tc.want)
		}
	}
}

func TestQueryCheck(t *testing.T) {
	if err := query().Check(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(*report.Query){
		"tenant": func(q *report.Query) { q.Tenant = "" },
		"from":   func(q *report.Query) { q.From = time.Time{} },
		"to":     func(q *report.Query) { q.To = q.From },
	} {
		q := query()
		change(&q)
		err := q.Check()
		if !errors.Is(err, report.ErrQuery) || !strings.HasSuffix(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		if r := reportOf(t, q, shows(1, view(11, accessctl.Plain, 1))); what != "from" && len(r.Rows) > 0 {
			t.Errorf("a query without %s matches", what)
		}
	}
}

func TestScannedSaysWhetherTheLogIsWhole(t *testing.T) {
	for _, tc := range []struct {
		indexes []int64
		size    int64
		want    report.Scanned
	}{
		{nil, 0, report.Scanned{Whole: true}},
		{nil, 1, report.Scanned{}},
		{[]int64{2, 0, 1}, 3, report.Scanned{Events: 3, Last: 2, Whole: true}},
		{[]int64{0, 1}, 3, report.Scanned{Events: 2, Last: 1}},
		{[]int64{1, 2, 3}, 3, report.Scanned{Events: 3, First: 1, Last: 3}},
		{[]int64{0, 2}, 2, report.Scanned{Events: 2, Last: 2}},
	} {
		b := report.NewBreach(query())
		for _, i := range tc.indexes {
			b.See(i, shows(1))
		}
		if diff := cmp.Diff(tc.want, b.Report(nil, &report.Checkpoint{Size: tc.size}).Scanned); diff != "" {
			t.Errorf("%v of %d (-want +got):\n%s", tc.indexes, tc.size, diff)
		}
	}
}

// Names are asked for what they know; else there are numbers.
func TestNamesMayBeMissing(t *testing.T) {
	e := shows(1, view(11, accessctl.Plain, 1), view(99, accessctl.Plain, 1))
	rows := reportOf(t, query(), e).Rows
	if rows[0].Collection != "client" || rows[0].Field != "email" || rows[0].Classification != "contact" {
		t.Errorf("%+v", rows[0])
	}
	if rows[1].Collection != "" || rows[1].Field != "" || rows[1].FieldID != 99 {
		t.Errorf("%+v", rows[1])
	}
	b := report.NewBreach(query())
	b.See(0, e)
	r := b.Report(nil, nil)
	if len(r.Categories) != 1 || r.Categories[0].Classification != "" || r.Categories[0].People != 1 {
		t.Errorf("%+v", r.Categories)
	}
}

func TestSpecial(t *testing.T) {
	for _, c := range []string{"special", "health", "health_data", "special_category", "criminal_record", "trade_union"} {
		if !report.Special(c) {
			t.Errorf("%s is special", c)
		}
	}
	for _, c := range []string{"", "personal", "contact", "healthy", "financial", "un_ion"} {
		if report.Special(c) {
			t.Errorf("%s is not special", c)
		}
	}
}

// TestRedactedTextsCountAsPlain: most of such a text was seen, asked for or not; of other
// fields masked views stay masked.
func TestRedactedTextsCountAsPlain(t *testing.T) {
	e := shows(1, view(11, accessctl.Masked, 2), view(12, accessctl.Masked, 1))
	for _, too := range []bool{false, true} {
		q := query()
		q.MaskedToo, q.Redacted = too, func(collection, field uint32) bool { return collection == 1 && field == 11 }
		b := report.NewBreach(q)
		b.See(1, e)
		want := []string{"11 plain 2"}
		if too {
			want = append(want, "12 masked 1")
		}
		var got []string
		for _, r := range b.Report(nil, nil).Rows {
			got = append(got, fmt.Sprintf("%d %s %d", r.FieldID, r.How, r.Values))
		}
		if !slices.Equal(got, want) {
			t.Errorf("masked too %v: %v, want %v", too, got, want)
		}
	}
}

func TestHowTextsRoundTrip(t *testing.T) {
	seen := []string{}
	for h := report.Plain; h <= report.Pseudonyms; h++ {
		text, err := h.MarshalText()
		var back report.How
		if err != nil || back.UnmarshalText(text) != nil || back != h || slices.Contains(seen, string(text)) {
			t.Errorf("%d: %q, %v, %d", h, text, err, back)
		}
		seen = append(seen, string(text))
	}
	var none report.How
	for _, bad := range []string{"", "Plain", "hidden"} {
		if err := none.UnmarshalText([]byte(bad)); !errors.Is(err, report.ErrHow) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// More rows than are made at once come out once each, in order, merged from parts
// that know their actors by different numbers.
func TestManyRows(t *testing.T) {
	const people = 10_000
	a, b := report.NewBreach(query()), report.NewBreach(query())
	for i := range people {
		one := with(shows(1, view(11, accessctl.Plain, 1)), func(e *audit.Event) { e.UID, e.Actor = uid(i), "iss#a" })
		two := with(one, func(e *audit.Event) { e.Actor = "iss#b" })
		a.See(int64(2*i), one)
		b.See(int64(2*i+1), two)
		if i%2 == 0 {
			b.See(int64(2*people+i), one)
		}
	}
	a.Settle(to)
	b.Settle(to)
	a.Merge(b)
	r := a.Report(nil, nil)
	if len(r.Rows) != 2*people || r.Totals.People != people || r.Totals.Events != 2*people+people/2 {
		t.Fatalf("%d rows, %+v", len(r.Rows), r.Totals)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		events, actor := int64(1), "iss#a"
		if i%4 == 0 {
			events = 2
		}
		if i%2 == 1 {
			actor = "iss#b"
		}
		if row.UID != uid(i/2) || row.Actor != actor || row.Events != events {
			t.Fatalf("row %d: %+v", i, row)
		}
	}
}
