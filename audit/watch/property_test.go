package watch_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
)

// A tally is the naive model of one limit for one actor: it keeps everything.
type tally struct {
	last   map[uuid.UUID]time.Time
	n      map[uuid.UUID]int
	latest time.Time
	alarm  time.Time // zero: none yet
}

// see counts, and says whether an alarm is due, and what is in the window.
func (m *tally) see(l watch.Limit, key uuid.UUID, n int, t time.Time) (due bool, times []time.Time, sum int) {
	if m.last == nil {
		m.last, m.n, m.latest = map[uuid.UUID]time.Time{}, map[uuid.UUID]int{}, t
	}
	if t.Before(m.latest.Add(-l.Window)) { // the clock went back
		m.latest = t
		for k, at := range m.last {
			if at.After(t) {
				m.last[k] = t
			}
		}
		if m.alarm.After(t) {
			m.alarm = t
		}
	}
	if t.After(m.latest) {
		m.latest = t
	}
	if at, ok := m.last[key]; !ok || t.After(at) {
		m.last[key] = t
	}
	if _, ok := m.n[key]; !ok {
		m.n[key] = n
	}
	for k, at := range m.last {
		if at.After(m.latest.Add(-l.Window)) {
			times, sum = append(times, at), sum+m.n[k]
		}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	if sum <= l.Count || !m.alarm.IsZero() && m.latest.Before(m.alarm.Add(l.Window)) {
		return false, nil, 0
	}
	m.alarm = m.latest
	return true, times, sum
}

// naive is the model of a Watch.
type naive struct {
	rules watch.Rules
	all   map[string]*tally
}

type due struct {
	name  string
	times []time.Time
	sum   int
	limit int
	ones  bool // all items count 1
}

// what is counted of an event.
type what struct {
	actor string
	key   uuid.UUID
	n     int
}

func (m *naive) count(list []due, k watch.Kind, l watch.Limit, e *audit.Event, x what) []due {
	if l.Count == 0 {
		return list
	}
	name := fmt.Sprintf("%s %s %q", k, e.Tenant, x.actor)
	if m.all[name] == nil {
		m.all[name] = &tally{}
	}
	if ok, times, sum := m.all[name].see(l, x.key, x.n, e.Time); ok {
		list = append(list, due{name, times, sum, l.Count, k != watch.Values})
	}
	return list
}

func (m *naive) see(e *audit.Event) (list []due) {
	shown, plain := 0, 0
	for _, f := range e.Fields {
		if f.View != accessctl.Hidden {
			shown++
		}
		if f.View == accessctl.Plain {
			plain += int(f.Count)
		}
	}
	switch {
	case e.Outcome == audit.Allowed:
		if shown > 0 {
			list = m.count(list, watch.Volume, m.rules.People, e, what{e.Actor, e.UID, 1})
		}
		if plain > 0 {
			list = m.count(list, watch.Values, m.rules.Values, e, what{e.Actor, e.ID, plain})
		}
	case e.Outcome == audit.Failed && e.Code == "integrity":
		list = m.count(list, watch.Failed, m.rules.Failed, e, what{e.Actor, e.ID, 1})
		list = m.count(list, watch.Failed, m.rules.Failed, e, what{"", e.ID, 1})
	case e.Outcome == audit.Denied:
		list = m.count(list, watch.Denied, m.rules.Denied, e, what{e.Actor, e.Request, 1})
	}
	return list
}

// TestWatchAgreesWithANaiveModel: which keeps everything and counts anew each time.
func TestWatchAgreesWithANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Custom(func(t *rapid.T) watch.Limit {
			return watch.Limit{Count: rapid.IntRange(0, 6).Draw(t, "count"), Window: time.Duration(rapid.IntRange(1, 5).Draw(t, "minutes")) * time.Minute}
		})
		rules := watch.Rules{
			People: limit.Draw(t, "people"), Values: limit.Draw(t, "values"),
			Failed: limit.Draw(t, "failed"), Denied: limit.Draw(t, "denied"),
		}
		w, err := watch.New(rules, nil)
		if err != nil {
			t.Fatal(err)
		}
		model := naive{rules: rules, all: map[string]*tally{}}
		s := stream{}
		now := time.Duration(0)
		var old []*audit.Event
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += someStep().Draw(t, "step")
			e := someEvent(t, &s, now)
			if len(old) > 0 && rapid.IntRange(0, 9).Draw(t, "again") == 0 {
				e = rapid.SampledFrom(old).Draw(t, "old")
			}
			old = append(old, e)
			agree(t, e, w.See(e), model.see(e))
		}
	})
}

func agree(t *rapid.T, e *audit.Event, got []watch.Alarm, wanted []due) {
	if len(got) != len(wanted) {
		t.Fatalf("%d alarms, want %d: %+v, %+v", len(got), len(wanted), got, wanted)
	}
	for i, d := range wanted {
		a := got[i]
		if name := fmt.Sprintf("%s %s %q", a.Kind, a.Tenant, a.Actor); name != d.name || a.Event != e.ID || !a.At.Equal(e.Time) {
			t.Fatalf("%+v, want %+v", a, d)
		}
		if a.Count <= d.limit || a.Count > d.sum || !slices.ContainsFunc(d.times, a.Since.Equal) {
			t.Fatalf("%+v counts what is not there: %+v", a, d)
		}
		if d.ones && (a.Count != d.limit+1 || !a.Since.Equal(d.times[d.limit])) {
			t.Fatalf("%+v, want %d since %v", a, d.limit+1, d.times[d.limit])
		}
	}
}

// someStep is mostly a little forward, at times late, at times far away.
func someStep() *rapid.Generator[time.Duration] {
	seconds := func(from, to int) *rapid.Generator[time.Duration] {
		return rapid.Map(rapid.IntRange(from, to), func(n int) time.Duration { return time.Duration(n) * time.Second })
	}
	return rapid.OneOf(seconds(0, 60), seconds(0, 60), seconds(-60, 60), seconds(-60, 200), seconds(-900, 900))
}

func someEvent(t *rapid.T, s *stream, now time.Duration) *audit.Event {
	e := s.event(now, rapid.SampledFrom([]string{"a", "b", "self:x"}).Draw(t, "actor"), of(id(rapid.IntRange(1, 12).Draw(t, "uid"))))
	e.Request = id(rapid.IntRange(1, 12).Draw(t, "request"))
	e.Tenant = rapid.SampledFrom([]string{"default", "default", "other"}).Draw(t, "tenant")
	switch e.Outcome = rapid.SampledFrom([]audit.Outcome{audit.Allowed, audit.Allowed, audit.Denied, audit.Failed}).Draw(t, "outcome"); e.Outcome {
	case audit.Allowed:
		for _, v := range rapid.SliceOfN(rapid.SampledFrom([]accessctl.View{accessctl.Hidden, accessctl.Masked, accessctl.Plain}), 0, 3).Draw(t, "views") {
			with(v, rapid.Uint32Range(1, 3).Draw(t, "records"))(e)
		}
	case audit.Denied:
	case audit.Failed:
		e.Code = rapid.SampledFrom([]string{"integrity", "integrity", "unavailable"}).Draw(t, "code")
	}
	return e
}

// A reading is the naive model of what a Meter knows of one principal: people from
// the one seen longest ago on.
type reading struct {
	seen   []seen
	latest time.Time
	lifted time.Time
}

type seen struct {
	uid uuid.UUID
	at  time.Time
}

func (m *reading) turn(now time.Time, window time.Duration) {
	if now.Before(m.latest.Add(-window)) {
		m.latest = now
		for i := range m.seen {
			if m.seen[i].at.After(now) {
				m.seen[i].at = now
			}
		}
	}
	if now.After(m.latest) {
		m.latest = now
	}
	m.seen = slices.DeleteFunc(m.seen, func(s seen) bool { return !s.at.After(m.latest.Add(-window)) })
}

func (m *reading) allow(l watch.Limit, uids []uuid.UUID, now time.Time) (bool, int) {
	m.turn(now, l.Window)
	fresh := map[uuid.UUID]bool{}
	for _, uid := range uids {
		fresh[uid] = uid != uuid.Nil && !slices.ContainsFunc(m.seen, func(s seen) bool { return s.uid == uid })
	}
	maps.DeleteFunc(fresh, func(_ uuid.UUID, is bool) bool { return !is })
	over := max(0, len(m.seen)+len(fresh)-l.Count)
	if over > 0 && !now.Before(m.lifted) {
		return false, over
	}
	for _, uid := range uids { // the new ones come last, in their order
		if fresh[uid] {
			m.seen, fresh[uid] = append(m.seen, seen{uid, m.latest}), false
		}
	}
	for _, uid := range uids {
		if i := slices.IndexFunc(m.seen, func(s seen) bool { return s.uid == uid }); i >= 0 && m.seen[i].at.Before(m.latest) {
			m.seen = append(slices.Delete(m.seen, i, i+1), seen{uid, m.latest})
		}
	}
	m.seen = m.seen[max(0, len(m.seen)-l.Count):]
	return true, over
}

// TestMeterAgreesWithANaiveModel: and after each step counts as many.
func TestMeterAgreesWithANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := watch.Limit{
			Count:  rapid.IntRange(1, 8).Draw(t, "count"),
			Window: time.Duration(rapid.IntRange(1, 5).Draw(t, "minutes")) * time.Minute,
		}
		m, err := watch.NewMeter(l)
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]*reading{"a": {latest: began}, "b": {latest: began}}
		m.Allow("a", nil, began)
		m.Allow("b", nil, began)
		now := began
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(someStep().Draw(t, "step"))
			who := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "who")
			if rapid.IntRange(0, 9).Draw(t, "lift") == 0 {
				until := now.Add(someStep().Draw(t, "until"))
				m.Lift(who, until)
				model[who].lifted = until
			}
			uids := rapid.SliceOfN(rapid.Map(rapid.IntRange(-1, 15), func(n int) uuid.UUID {
				if n < 0 {
					return uuid.Nil
				}
				return id(n)
			}), 0, 6).Draw(t, "uids")
			ok, over := m.Allow(who, uids, now)
			wantOK, wantOver := model[who].allow(l, uids, now)
			if ok != wantOK || over != wantOver {
				t.Fatalf("allowed %v, %d over; want %v, %d", ok, over, wantOK, wantOver)
			}
			later := now.Add(someStep().Draw(t, "later"))
			peek := reading{seen: slices.Clone(model[who].seen), latest: model[who].latest}
			peek.turn(later, l.Window)
			if got, want := m.Count(who, later), len(peek.seen); got != want {
				t.Fatalf("counts %d, want %d", got, want)
			}
			if n := cmp.Compare(m.Count(who, now), l.Count); n > 0 {
				t.Fatal("counts more than the limit")
			}
		}
	})
}
