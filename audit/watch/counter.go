package watch

import (
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
)

// A span is the time that a counter has reached: microseconds since 1970.
type span struct {
	latest int64
	begun  bool
}

// reach takes the time t of what is to be counted. back says that the clock has
// gone back by more than a window: what was counted is to count as of t.
func (s *span) reach(t, window int64) (back bool) {
	switch {
	case !s.begun:
		s.latest, s.begun = t, true
	case t < s.latest-window:
		s.latest = t
		return true
	default:
		s.latest = max(s.latest, t)
	}
	return false
}

// A counter counts for one limit and one actor.
type counter struct {
	span
	seen    recent
	alarmed int64 // when the last alarm was raised
	raised  bool
}

// item is what an event adds: n under a key, which counts once.
type item struct {
	key uuid.UUID
	n   int
}

// count adds what an event says, and an alarm if one is due.
//
// It keeps the latest items that together pass the limit, or all if they do not.
// What is older cannot matter: each later window that reaches back to it is passed
// without it.
func (c *counter) count(raised []Alarm, l Limit, k Kind, e *audit.Event, x item) []Alarm {
	if l.Count == 0 {
		return raised
	}
	t, window := e.Time.UnixMicro(), l.Window.Microseconds()
	if c.reach(t, window) {
		c.seen.clamp(t)
		c.alarmed = min(c.alarmed, t)
	}
	c.seen.touch(x, t)
	for c.seen.sum-c.seen.oldest().n > l.Count {
		c.seen.dropOldest()
	}
	since := c.seen.oldest().at
	if c.seen.sum <= l.Count || since <= c.latest-window || c.raised && c.latest < c.alarmed+window {
		return raised
	}
	c.alarmed, c.raised = c.latest, true
	return append(raised, Alarm{
		Kind: k, Tenant: e.Tenant, Actor: e.Actor, Purpose: e.Purpose,
		Count: c.seen.sum, Since: time.UnixMicro(since).UTC(), At: e.Time, Event: e.ID,
	})
}
