package watch

import (
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// A Meter counts, for each principal, the distinct people who were revealed to it
// within a window, and says before a request is answered whether it goes too far. It
// is safe for concurrent use. Make one with [NewMeter].
//
// The count is exact up to the limit. Within its bounds on memory (see the package)
// a principal that was not seen for the longest is dropped: it begins again at zero,
// and without its lift. So do not meter people who read their own data, who are
// many and count one each: they would push out the others.
//
// The window ends with the latest time given for a principal. A time that is more than
// a window before it means that the clock has gone back: all that was counted counts
// as seen then.
type Meter struct {
	limit Limit

	mu   sync.Mutex
	room room[string, *reader]
}

// A reader is what is counted of one principal.
type reader struct {
	span
	seen   recent
	lifted time.Time // until when the limit does not hold
}

// NewMeter makes a meter with a limit. With the zero Limit it allows all and counts
// nothing.
//
// The error is ErrLimit.
func NewMeter(limit Limit) (*Meter, error) {
	if err := limit.check("meter"); err != nil {
		return nil, err
	}
	return &Meter{limit: limit, room: newRoom[string, *reader]()}, nil
}

// Allow says whether these people may be revealed to the principal now, and if so
// counts them. They may if with them no more than the limit's Count are revealed
// within the window; people who count already cost nothing. A call that is refused
// counts nothing. uuid.Nil, which is nobody, is passed over, and uids may repeat.
//
// over is by how many people the call goes past the limit. With ok it is 0, unless the
// limit is lifted.
func (m *Meter) Allow(principal string, uids []uuid.UUID, now time.Time) (ok bool, over int) {
	if m.limit.Count == 0 {
		return true, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(principal)
	ok, over = s.value.allow(m.limit, uids, now)
	m.room.settle(s, s.value.seen.room())
	return ok, over
}

// Lift takes the limit away from a principal until then, as when a second person
// has agreed. People who are revealed meanwhile count, but no more than the latest
// Count of them: when the lift is over, the limit holds at once. A later call replaces
// an earlier one, and the zero time ends a lift.
func (m *Meter) Lift(principal string, until time.Time) {
	if m.limit.Count == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(principal)
	s.value.lifted = until
	m.room.settle(s, s.value.seen.room())
}

// Count is how many people count for a principal now: 0 to the limit's Count.
func (m *Meter) Count(principal string, now time.Time) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.room.peek(principal)
	if s == nil {
		return 0
	}
	at, window := s.value.span, m.limit.Window.Microseconds()
	at.reach(now.UnixMicro(), window)
	return s.value.seen.since(at.latest - window)
}

// Wait is how long it takes until n of the people who count for a principal now no
// longer do: the whole window if fewer count.
func (m *Meter) Wait(principal string, n int, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.room.peek(principal)
	if s == nil || n <= 0 {
		return 0
	}
	at, window := s.value.span, m.limit.Window.Microseconds()
	at.reach(now.UnixMicro(), window)
	left := s.value.seen.nth(n)
	if left == nil {
		return m.limit.Window
	}
	return time.Duration(max(0, min(left.at, at.latest)+window-at.latest)) * time.Microsecond
}

// of finds a principal's place, or makes it.
func (m *Meter) of(principal string) *slot[string, *reader] {
	if s := m.room.find(principal); s != nil {
		return s
	}
	return m.room.add(strings.Clone(principal), &reader{})
}

// allow puts new people in, at the end, and takes them out again if they are too
// many.
func (r *reader) allow(l Limit, uids []uuid.UUID, now time.Time) (ok bool, over int) {
	r.turn(now.UnixMicro(), l.Window.Microseconds())
	before := r.seen.len()
	for _, uid := range uids {
		if uid != uuid.Nil && !r.seen.has(uid) {
			r.seen.touch(item{key: uid, n: 1}, r.latest)
		}
	}
	over = max(0, r.seen.len()-l.Count)
	if over > 0 && !now.Before(r.lifted) {
		for r.seen.len() > before {
			r.seen.dropNewest()
		}
		return false, over
	}
	for _, uid := range uids {
		if uid != uuid.Nil {
			r.seen.touch(item{key: uid, n: 1}, r.latest)
		}
	}
	for r.seen.len() > l.Count {
		r.seen.dropOldest()
	}
	return true, over
}

// turn moves the window's end to t, and forgets whom it leaves behind.
func (r *reader) turn(t, window int64) {
	if r.reach(t, window) {
		r.seen.clamp(t)
	}
	for r.seen.len() > 0 && r.seen.oldest().at <= r.latest-window {
		r.seen.dropOldest()
	}
}
