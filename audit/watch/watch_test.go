package watch_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

var began = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)

// id is a UUID that carries a number.
func id(n int) (u uuid.UUID) {
	u[0] = 1
	binary.BigEndian.PutUint64(u[8:], uint64(n))
	return u
}

// A stream makes events with ids of their own.
type stream struct{ n int }

func (s *stream) event(after time.Duration, actor string, edit ...func(*audit.Event)) *audit.Event {
	s.n++
	e := &audit.Event{
		ID: id(1<<40 + s.n), Tenant: "default", Time: began.Add(after), Request: id(1<<41 + s.n),
		Actor: actor, Action: accessctl.ActionReveal, Purpose: "support", UID: id(1), Outcome: audit.Allowed,
	}
	for _, f := range edit {
		f(e)
	}
	return e
}

func of(uid uuid.UUID) func(*audit.Event) { return func(e *audit.Event) { e.UID = uid } }

func at(tenant string) func(*audit.Event) { return func(e *audit.Event) { e.Tenant = tenant } }

func with(v accessctl.View, n uint32) func(*audit.Event) {
	return func(e *audit.Event) {
		f := audit.FieldView{Collection: 1, Field: uint32(len(e.Fields) + 1), View: v, Count: n}
		if v == accessctl.Hidden {
			f.Reason = "consent"
		}
		e.Fields = append(e.Fields, f)
	}
}

func ended(o audit.Outcome, code string) func(*audit.Event) {
	return func(e *audit.Event) { e.Outcome, e.Code = o, code }
}

func action(a accessctl.Action) func(*audit.Event) { return func(e *audit.Event) { e.Action = a } }

func newWatch(t testing.TB, r watch.Rules, honey ...uuid.UUID) *watch.Watch {
	t.Helper()
	w, err := watch.New(r, func(_ string, uid uuid.UUID) bool { return slices.Contains(honey, uid) })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// kinds shows the events and says what kinds of alarms each raises.
func kinds(t testing.TB, w *watch.Watch, events ...*audit.Event) (all []string) {
	t.Helper()
	for i, e := range events {
		if _, err := e.AppendLeaf(nil); err != nil {
			t.Fatalf("event %d is none: %v", i, err)
		}
		for _, a := range w.See(e) {
			all = append(all, fmt.Sprintf("%d:%s", i, a.Kind))
		}
	}
	return all
}

func want(t testing.TB, got []string, list ...string) {
	t.Helper()
	if !slices.Equal(got, list) {
		t.Errorf("alarms %v, want %v", got, list)
	}
}

func TestPeopleAreCountedOnceEach(t *testing.T) {
	w := newWatch(t, watch.Rules{People: watch.Limit{Count: 2, Window: time.Hour}})
	var s stream
	plain := with(accessctl.Plain, 1)
	last := s.event(3*time.Second, "a", of(id(3)), with(accessctl.Masked, 1))
	want(t, kinds(t, w,
		s.event(0, "a", of(id(1)), plain),
		s.event(1*time.Second, "a", of(id(1)), plain),
		s.event(1*time.Second, "a", of(id(2)), plain),
		s.event(2*time.Second, "b", of(id(3)), plain),                                   // another actor
		s.event(2*time.Second, "a", of(id(3)), plain, at("other")),                      // another tenant
		s.event(2*time.Second, "a", of(id(3)), with(accessctl.Hidden, 1)),               // nothing was shown
		s.event(2*time.Second, "a", of(uuid.Nil), plain),                                // nobody
		s.event(2*time.Second, "a", of(id(3)), action(accessctl.ActionWrite)),           // nothing was shown
		s.event(2*time.Second, "a", of(id(3)), ended(audit.Denied, "policy")),           // nor here
		s.event(2*time.Second, "a", of(id(3)), ended(audit.Failed, "integrity"), plain), // announced before
	))
	got := w.See(last)
	if diff := cmp.Diff([]watch.Alarm{{
		Kind: watch.Volume, Tenant: "default", Actor: "a", Purpose: "support", Count: 3,
		Since: began.Add(time.Second), At: last.Time, Event: last.ID,
	}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnAlarmIsRaisedOnceAWindow(t *testing.T) {
	w := newWatch(t, watch.Rules{People: watch.Limit{Count: 2, Window: time.Hour}})
	var s stream
	var events []*audit.Event
	for i := range 20 { // one person each 10 minutes, so that an hour has 6
		events = append(events, s.event(time.Duration(i)*10*time.Minute, "a", of(id(i+1)), with(accessctl.Plain, 1)))
	}
	want(t, kinds(t, w, events...), "2:volume", "8:volume", "14:volume")
	// Two an hour are allowed, so it is over.
	for i := range 20 {
		e := s.event(5*time.Hour+time.Duration(i)*30*time.Minute, "a", of(id(i+100)), with(accessctl.Plain, 1))
		want(t, kinds(t, w, e))
	}
}

func TestPlainValuesAreSummed(t *testing.T) {
	w := newWatch(t, watch.Rules{Values: watch.Limit{Count: 10, Window: time.Hour}})
	var s stream
	again := s.event(time.Minute, "a", with(accessctl.Plain, 4), with(accessctl.Plain, 2))
	want(t, kinds(t, w,
		s.event(0, "a", with(accessctl.Plain, 4), with(accessctl.Masked, 100), with(accessctl.Hidden, 100)),
		again, again, // which is one event
		s.event(time.Hour, "a", with(accessctl.Plain, 4)),   // the first has left the window
		s.event(time.Hour, "b", with(accessctl.Plain, 10)),  // another actor
		s.event(time.Hour, "a", with(accessctl.Plain, 1)),   // 11
		s.event(time.Hour, "c", with(accessctl.Plain, 11)),  // at once
		s.event(time.Hour, "d", with(accessctl.Masked, 99)), // no value is plain
		s.event(time.Hour, "e", with(accessctl.Plain, 1<<32-1), with(accessctl.Plain, 1<<32-1)),
	), "5:values", "6:values", "8:values")
}

// TestFailuresCountForActorAndTenant: somebody with many names is seen as well.
func TestFailuresCountForActorAndTenant(t *testing.T) {
	w := newWatch(t, watch.Rules{Failed: watch.Limit{Count: 2, Window: time.Hour}})
	var s stream
	bad := ended(audit.Failed, "integrity")
	want(t, kinds(t, w, s.event(0, "a", bad), s.event(0, "a", ended(audit.Failed, "unavailable")), s.event(time.Second, "a", bad, at("other"))))
	e := s.event(time.Minute, "b", bad)
	want(t, kinds(t, w, e))
	e = s.event(time.Minute, "c", bad)
	got := w.See(e)
	if diff := cmp.Diff([]watch.Alarm{{
		Kind: watch.Failed, Tenant: "default", Count: 3, Since: began, At: e.Time, Event: e.ID,
	}}, got); diff != "" {
		t.Error(diff)
	}
	want(t, kinds(t, w, s.event(2*time.Minute, "a", bad), s.event(2*time.Minute, "a", bad)), "1:failed")
}

// TestADeniedRequestCountsOnce: however many people it names.
func TestADeniedRequestCountsOnce(t *testing.T) {
	w := newWatch(t, watch.Rules{Denied: watch.Limit{Count: 2, Window: time.Hour}})
	var s stream
	no := ended(audit.Denied, "policy")
	batch := func(n int) (events []*audit.Event) {
		for i := range 10 {
			events = append(events, s.event(0, "a", no, of(id(i+1)), func(e *audit.Event) { e.Request = id(n) }))
		}
		return events
	}
	want(t, kinds(t, w, append(batch(1), batch(2)...)...))
	want(t, kinds(t, w, batch(3)...), "0:denied")
	job := func(e *audit.Event) { e.Request = uuid.Nil }
	want(t, kinds(t, w, s.event(0, "b", no, job), s.event(0, "b", no, job), s.event(0, "b", no, job)), "2:denied")
}

func TestHoneyAlarmsEachTime(t *testing.T) {
	bait := id(77)
	w := newWatch(t, watch.Rules{}, bait)
	var s stream
	h := of(bait)
	want(t, kinds(t, w,
		s.event(0, "a", h, with(accessctl.Plain, 1)),
		s.event(0, "a", h, with(accessctl.Plain, 1)),
		s.event(0, "a", h, with(accessctl.Masked, 1), action(accessctl.ActionRevealMasked)),
		s.event(0, "a", h, with(accessctl.Hidden, 1), action(accessctl.ActionSearch)),
		s.event(0, "a", h, action(accessctl.ActionList)),
		s.event(0, "a", h, action(accessctl.ActionExport)),
		s.event(0, "a", h, action("decrypt")),
		s.event(0, "a", h, with(accessctl.Plain, 1), action(accessctl.ActionWrite)),
		s.event(0, "self:"+bait.String(), h, with(accessctl.Plain, 1)),
		// None of these.
		s.event(0, "a", h, with(accessctl.Hidden, 1)),
		s.event(0, "a", h, action(accessctl.ActionWrite)),
		s.event(0, "a", h, action(accessctl.ActionSearch), ended(audit.Denied, "policy")),
		s.event(0, "a", h, ended(audit.Failed, "integrity")),
		s.event(0, "a", of(id(1)), with(accessctl.Plain, 1)),
		s.event(0, "a", of(uuid.Nil), action(accessctl.ActionSearch)),
	), "0:honey", "1:honey", "2:honey", "3:honey", "4:honey", "5:honey", "6:honey", "7:honey", "8:honey")
	e := s.event(time.Minute, "a", h, with(accessctl.Plain, 2), with(accessctl.Masked, 1), with(accessctl.Hidden, 9))
	if diff := cmp.Diff([]watch.Alarm{{
		Kind: watch.Honey, Tenant: "default", Actor: "a", Purpose: "support", UID: bait, Count: 3,
		Since: e.Time, At: e.Time, Event: e.ID,
	}}, w.See(e)); diff != "" {
		t.Error(diff)
	}
}

func TestHoneyIsAskedByTenant(t *testing.T) {
	w, err := watch.New(watch.Rules{}, func(tenant string, uid uuid.UUID) bool { return tenant == "other" && uid == id(1) })
	if err != nil {
		t.Fatal(err)
	}
	var s stream
	want(t, kinds(t, w, s.event(0, "a", with(accessctl.Plain, 1)), s.event(0, "a", with(accessctl.Plain, 1), at("other"))), "1:honey")
	if w, err = watch.New(watch.Rules{}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, kinds(t, w, s.event(0, "a", with(accessctl.Plain, 1))))
}

// TestPeopleCountForThemselves: one person's acts are none of another's.
func TestPeopleCountForThemselves(t *testing.T) {
	w := newWatch(t, watch.Rules{Values: watch.Limit{Count: 3, Window: time.Hour}})
	var s stream
	for i := range 100 {
		self := id(i + 1)
		want(t, kinds(t, w, s.event(0, "self:"+self.String(), of(self), with(accessctl.Plain, 3))))
	}
	want(t, kinds(t, w, s.event(0, "self:"+id(1).String(), with(accessctl.Plain, 1))), "0:values")
}

// TestAClockThatGoesBack forgets nothing, and blinds nobody.
func TestAClockThatGoesBack(t *testing.T) {
	limit := watch.Limit{Count: 2, Window: time.Hour}
	w := newWatch(t, watch.Rules{People: limit})
	var s stream
	plain := with(accessctl.Plain, 1)
	year := 365 * 24 * time.Hour
	want(t, kinds(t, w, s.event(year, "a", of(id(1)), plain), s.event(year, "a", of(id(2)), plain),
		s.event(0, "a", of(id(3)), plain)), "2:volume")
	// The alarm under the wrong time does not keep those under the right one back.
	w = newWatch(t, watch.Rules{People: limit})
	want(t, kinds(t, w, s.event(year, "a", of(id(1)), plain), s.event(year, "a", of(id(2)), plain),
		s.event(year, "a", of(id(3)), plain)), "2:volume")
	want(t, kinds(t, w, s.event(0, "a", of(id(4)), plain), s.event(59*time.Minute, "a", of(id(5)), plain),
		s.event(time.Hour, "a", of(id(6)), plain)))
	want(t, kinds(t, w, s.event(time.Hour+time.Minute, "a", of(id(7)), plain)), "0:volume")
}

func TestLimitsMustBeOne(t *testing.T) {
	for _, l := range []watch.Limit{
		{Count: -1, Window: time.Hour},
		{Count: 1},
		{Count: 1, Window: -time.Hour},
		{Count: 1, Window: watch.MinWindow - 1},
		{Count: watch.MaxCount + 1, Window: time.Hour},
		{Count: -1},
	} {
		for _, r := range []watch.Rules{{People: l}, {Values: l}, {Failed: l}, {Denied: l}} {
			if w, err := watch.New(r, nil); !errors.Is(err, watch.ErrLimit) || w != nil {
				t.Errorf("%+v: %v", r, err)
			}
		}
		if m, err := watch.NewMeter(l); !errors.Is(err, watch.ErrLimit) || m != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
	l := watch.Limit{Count: watch.MaxCount, Window: watch.MinWindow}
	if _, err := watch.New(watch.Rules{People: l, Values: l, Failed: l, Denied: l}, nil); err != nil {
		t.Error(err)
	}
}

// TestTheLeastRecentlySeenActorIsDropped: at the cap, and nobody else; people never
// push out staff.
func TestTheLeastRecentlySeenActorIsDropped(t *testing.T) {
	w := newWatch(t, watch.Rules{Denied: watch.Limit{Count: 1, Window: time.Hour}})
	var s stream
	no := ended(audit.Denied, "policy")
	name := func(i int) string { return fmt.Sprintf("https://id.example.org#%d", i) }
	for i := range watch.MaxActors {
		w.See(s.event(0, name(i), no))
		w.See(s.event(0, "self:"+id(i+1).String(), no))
	}
	want(t, kinds(t, w, s.event(0, name(0), no)), "0:denied")
	w.See(s.event(0, "one more", no)) // name(1) is dropped
	want(t, kinds(t, w, s.event(0, name(2), no)), "0:denied")
	want(t, kinds(t, w, s.event(0, name(1), no)))
	want(t, kinds(t, w, s.event(0, "self:"+id(1).String(), no)), "0:denied")
}

// TestMemoryIsBounded: with every room full to its caps.
func TestMemoryIsBounded(t *testing.T) {
	long(t)
	limit := watch.Limit{Count: 100, Window: 1000 * time.Hour}
	w := newWatch(t, watch.Rules{People: limit, Values: limit, Failed: limit, Denied: limit})
	before := heap()
	var s stream
	tail := strings.Repeat("x", audit.MaxActor-20)
	for i := range watch.MaxActors {
		for _, who := range []string{fmt.Sprintf("self:%d%s", i, tail), fmt.Sprintf("%d%s", i, tail)} {
			for j := range 3 { // so that no actor takes more than a room has for each
				w.See(s.event(0, who, of(id(j+1)), with(accessctl.Plain, 1)))
				w.See(s.event(0, who, ended(audit.Denied, "policy")))
				w.See(s.event(0, who, ended(audit.Failed, "integrity")))
			}
		}
		for range watch.MaxEntries/watch.MaxActors - 1 {
			w.See(s.event(0, "a", at(fmt.Sprintf("t%d", i)), ended(audit.Failed, "integrity")))
		}
	}
	if mib := (heap() - before) >> 20; mib > 128 {
		t.Errorf("a full watch takes %d MiB", mib)
	} else {
		t.Logf("a full watch takes %d MiB", mib)
	}
	runtime.KeepAlive(w)
}

// long skips a test that takes seconds, unless all are wanted.
func long(t *testing.T) {
	t.Helper()
	pacetest.NeedTime(t)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSeeDoesNotAllocate: it reads every event of a log.
func TestSeeDoesNotAllocate(t *testing.T) {
	limit := watch.Limit{Count: 5, Window: time.Hour}
	w := newWatch(t, watch.Rules{People: limit, Values: limit, Failed: limit, Denied: limit})
	var s stream
	var events []*audit.Event
	for i := range 50 {
		events = append(events, s.event(time.Duration(i)*time.Second, "a", of(id(i%9)), with(accessctl.Plain, 1)))
	}
	kinds(t, w, events...)
	if n := testing.AllocsPerRun(100, func() {
		for _, e := range events {
			w.See(e)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
