package watch_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit/watch"
)

func newMeter(t testing.TB, count int) *watch.Meter {
	t.Helper()
	m, err := watch.NewMeter(watch.Limit{Count: count, Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// ids are UUIDs that carry the numbers from first to last.
func ids(first, last int) (list []uuid.UUID) {
	for i := first; i <= last; i++ {
		list = append(list, id(i))
	}
	return list
}

func allow(t testing.TB, m *watch.Meter, uids []uuid.UUID, after time.Duration, wantOK bool, wantOver int) {
	t.Helper()
	if ok, over := m.Allow("a", uids, began.Add(after)); ok != wantOK || over != wantOver {
		t.Errorf("allowed %v, %d over; want %v, %d", ok, over, wantOK, wantOver)
	}
}

func counts(t testing.TB, m *watch.Meter, after time.Duration, want int) {
	t.Helper()
	if n := m.Count("a", began.Add(after)); n != want {
		t.Errorf("counts %d, want %d", n, want)
	}
}

func TestARefusedCallCountsNothing(t *testing.T) {
	m := newMeter(t, 10)
	counts(t, m, 0, 0)
	allow(t, m, ids(1, 6), 0, true, 0)
	allow(t, m, ids(4, 12), time.Minute, false, 2)
	allow(t, m, append(ids(7, 8), ids(1, 20)...), time.Minute, false, 10)
	counts(t, m, time.Minute, 6)
	allow(t, m, ids(1, 6), 59*time.Minute, true, 0)
	allow(t, m, ids(7, 10), 59*time.Minute, true, 0)
	allow(t, m, ids(11, 11), 59*time.Minute, false, 1)
	allow(t, m, ids(1, 10), 59*time.Minute, true, 0) // who count already cost nothing
	allow(t, m, nil, 59*time.Minute, true, 0)
	allow(t, m, []uuid.UUID{uuid.Nil, id(1), id(1)}, 59*time.Minute, true, 0)
	counts(t, m, 59*time.Minute, 10)
}

// TestARefusedCallRenewsNothing: the people whom it names leave the window when they
// would have.
func TestARefusedCallRenewsNothing(t *testing.T) {
	m := newMeter(t, 2)
	allow(t, m, ids(1, 2), 0, true, 0)
	allow(t, m, ids(1, 3), 30*time.Minute, false, 1)
	counts(t, m, time.Hour-time.Microsecond, 2)
	counts(t, m, time.Hour, 0)
	allow(t, m, ids(3, 4), time.Hour, true, 0)
}

// TestAWaitEndsWhenThereIsRoom: as many people as are waited for have left the window
// then, and a microsecond before they have not.
func TestAWaitEndsWhenThereIsRoom(t *testing.T) {
	m := newMeter(t, 3)
	if got := m.Wait("a", 1, began); got != 0 {
		t.Errorf("an unknown principal waits %v", got)
	}
	allow(t, m, ids(1, 1), 0, true, 0)
	allow(t, m, ids(2, 3), 10*time.Minute, true, 0)
	for n, want := range map[int]time.Duration{0: 0, 1: 40 * time.Minute, 2: 50 * time.Minute, 3: 50 * time.Minute, 4: time.Hour} {
		if got := m.Wait("a", n, began.Add(20*time.Minute)); got != want {
			t.Errorf("for %d people: %v, want %v", n, got, want)
		}
	}
	allow(t, m, ids(4, 4), time.Hour-time.Microsecond, false, 1)
	allow(t, m, ids(4, 4), time.Hour, true, 0)
	if got := m.Wait("a", 1, began.Add(-3*time.Hour)); got != time.Hour {
		t.Errorf("after the clock went back: %v", got)
	}
}

func TestPrincipalsDoNotShare(t *testing.T) {
	m := newMeter(t, 2)
	allow(t, m, ids(1, 2), 0, true, 0)
	if ok, over := m.Allow("b", ids(3, 4), began); !ok || over != 0 {
		t.Errorf("another principal: %v, %d", ok, over)
	}
	counts(t, m, 0, 2)
}

func TestALiftEnds(t *testing.T) {
	m := newMeter(t, 3)
	allow(t, m, ids(1, 4), 0, false, 1)
	m.Lift("a", began.Add(time.Minute))
	allow(t, m, ids(1, 10), time.Minute-1, true, 7)
	counts(t, m, time.Minute, 3)
	allow(t, m, ids(11, 11), time.Minute, false, 1) // the limit holds at once
	allow(t, m, ids(8, 10), time.Minute, true, 0)   // the latest count, and cost nothing
	allow(t, m, ids(11, 13), 2*time.Hour, true, 0)
	m.Lift("a", began.Add(3*time.Hour))
	m.Lift("a", time.Time{})
	allow(t, m, ids(14, 14), 2*time.Hour, false, 1)
	if ok, _ := m.Allow("b", ids(1, 4), began); ok {
		t.Error("another principal was lifted too")
	}
}

func TestNoLimitAllowsAll(t *testing.T) {
	m, err := watch.NewMeter(watch.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	m.Lift("a", began)
	allow(t, m, ids(1, 1000), 0, true, 0)
	counts(t, m, 0, 0)
}

// TestTheLeastRecentlySeenPrincipalIsDropped: which begins at zero, without its lift.
func TestTheLeastRecentlySeenPrincipalIsDropped(t *testing.T) {
	m := newMeter(t, 1)
	allow(t, m, ids(1, 1), 0, true, 0)
	m.Lift("lifted", began.Add(time.Hour))
	for i := range watch.MaxActors - 2 {
		m.Allow(fmt.Sprint(i), ids(1, 1), began)
	}
	counts(t, m, 0, 1)
	allow(t, m, ids(2, 2), 0, false, 1) // now the latest
	m.Allow("one more", ids(1, 1), began)
	if ok, _ := m.Allow("lifted", ids(1, 2), began); ok {
		t.Error("a lift outlived its principal")
	}
	allow(t, m, ids(2, 2), 0, false, 1)
	if n := m.Count("0", began); n != 0 { // made room for the one that came back
		t.Errorf("counts %d", n)
	}
}

// TestEntriesAreBounded: of all principals together; who asks now is kept.
func TestEntriesAreBounded(t *testing.T) {
	long(t)
	const each = 20_000
	m := newMeter(t, each)
	held := watch.MaxEntries / (each + 1)
	for i := range held + 5 {
		if ok, _ := m.Allow(fmt.Sprint(i), ids(1, each), began); !ok {
			t.Fatalf("principal %d was refused", i)
		}
	}
	for i := range held + 5 {
		want := each
		if i < 5 {
			want = 0
		}
		if n := m.Count(fmt.Sprint(i), began); n != want {
			t.Errorf("principal %d counts %d, want %d", i, n, want)
		}
	}
}

// TestTheMemoryOfAMeterIsBounded: with as many principals as it holds, of equal size.
func TestTheMemoryOfAMeterIsBounded(t *testing.T) {
	long(t)
	const each = watch.MaxEntries/watch.MaxActors - 1
	m := newMeter(t, 100)
	before := heap()
	for i := range watch.MaxActors {
		m.Allow(fmt.Sprintf("https://id.example.org#%0100d", i), ids(1, each), began)
	}
	if mib := (heap() - before) >> 20; mib > 32 {
		t.Errorf("a full meter takes %d MiB", mib)
	} else {
		t.Logf("a full meter takes %d MiB", mib)
	}
	if n := m.Count(fmt.Sprintf("https://id.example.org#%0100d", 0), began); n != each {
		t.Errorf("the first principal counts %d, want %d", n, each)
	}
	runtime.KeepAlive(m)
}

// TestManyAtOnceStayWithinTheLimit: whoever comes first.
func TestManyAtOnceStayWithinTheLimit(t *testing.T) {
	const limit = 50
	m := newMeter(t, limit)
	var all sync.WaitGroup
	var shown atomic.Int64
	for g := range 8 {
		all.Go(func() {
			for i := range 100 {
				uid := id(g*100 + i)
				if ok, _ := m.Allow("a", []uuid.UUID{uid}, began); ok {
					shown.Add(1)
				}
				m.Allow(fmt.Sprint(g, i%7), ids(1, 3), began)
				if n := m.Count("a", began); n > limit {
					t.Errorf("counts %d", n)
				}
				m.Lift("b", began)
			}
		})
	}
	all.Wait()
	if shown.Load() != limit || m.Count("a", began) != limit {
		t.Errorf("%d people were shown, and %d count", shown.Load(), m.Count("a", began))
	}
}

// TestAllowDoesNotAllocate: it stands in every request.
func TestAllowDoesNotAllocate(t *testing.T) {
	m := newMeter(t, 20)
	known, more := ids(1, 10), ids(5, 40)
	m.Allow("a", known, began)
	m.Allow("a", more, began)
	if n := testing.AllocsPerRun(100, func() {
		m.Allow("a", known, began)
		m.Allow("a", more, began)
		m.Count("a", began)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
