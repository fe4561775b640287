package report

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
)

// maxLag is how long after the end of the window a follow-up is still looked at.
// One comes from the same request as its announcement; one that is missed takes
// nothing back.
const maxLag = time.Hour

// Breach gathers what events of a log show of people. Its methods are not safe for
// concurrent use: to scan in parallel, give each goroutine one of its own, and
// merge them.
//
// It keeps no event. It keeps what becomes the report, and 64 bytes of each event
// that counts until [Breach.Settle] says that no follow-up can come any more.
type Breach struct {
	q       Query
	scanned scanned
	open    []announcement
	follows map[followed]bool // by announcement; true: all of it was taken back
	shapes  map[string]*shape
	words   words

	released tally
	withheld tally

	list []shown // room that is used again
	key  []byte
}

// An announcement is an event that counts, until it is certain how.
type announcement struct {
	id, uid        uuid.UUID
	index, at      int64 // at: microseconds since 1970
	actor, purpose word
	shape          *shape
}

// A followed names what a follow-up is about.
type followed struct {
	id, uid        uuid.UUID
	actor, purpose word
}

// NewBreach returns a Breach that has seen nothing. A query that [Query.Check]
// refuses matches no event.
func NewBreach(q Query) *Breach {
	return &Breach{
		q:        q,
		follows:  map[followed]bool{},
		shapes:   map[string]*shape{},
		words:    newWords(),
		released: newTally(),
		withheld: newTally(),
	}
}

// See takes in one event and its index in the log. Events come in any order, each
// index once, whether or not the query is about them; those of other tenants are
// passed over. Follow-ups matter: scan a little beyond the end of the window (a
// minute is plenty), or releases that did not happen are counted as if they had.
//
// The event must be valid; it is only read, and nothing of it is kept.
func (b *Breach) See(index int64, e *audit.Event) {
	if e.Tenant != b.q.Tenant {
		return
	}
	b.scanned.add(index)
	if !b.q.asksFor(e) {
		return
	}
	if e.Outcome == audit.Failed && e.Refers != uuid.Nil {
		b.follow(e)
		return
	}
	if e.Outcome != audit.Allowed || !b.q.within(e.Time) {
		return
	}
	s := b.shapeOf(e)
	if len(s.shown) == 0 {
		return
	}
	b.open = append(b.open, announcement{
		id: e.ID, uid: e.UID, index: index, at: e.Time.UnixMicro(),
		actor: b.words.of(e.Actor), purpose: b.words.of(string(e.Purpose)), shape: s,
	})
}

// follow notes a follow-up, which may come before its announcement.
func (b *Breach) follow(e *audit.Event) {
	if e.Time.Before(b.q.From) || !e.Time.Before(b.q.To.Add(maxLag)) {
		return
	}
	f := followed{e.Refers, e.UID, b.words.of(e.Actor), b.words.of(string(e.Purpose))}
	b.follows[f] = b.follows[f] || e.Code == codeUnavailable
}

// codeUnavailable is the code of a follow-up that says that no key could be had, so
// that nothing was opened.
const codeUnavailable = "unavailable"

// shapeOf returns what the event shows, shared with events that show the same.
func (b *Breach) shapeOf(e *audit.Event) *shape {
	list, opened := showing(b.list[:0], e, b.q.MaskedToo, b.q.Redacted)
	key := b.key[:0]
	for _, s := range list {
		key = s.appendKey(key)
	}
	if opened == 1 { // all that matters of the number
		key = append(key, 1)
	}
	b.list, b.key = list, key
	if s, ok := b.shapes[string(key)]; ok {
		return s
	}
	s := &shape{shown: slices.Clone(list), opened: opened}
	b.shapes[string(key)] = s
	return s
}

// Settle says that every follow-up to an event decided before t has been seen, here
// or in what will be merged into this Breach before the report: what was kept of
// those events is dropped. It never needs to be called; called now and then while
// a log is scanned in order, with the time of the last event less an hour, it
// bounds the memory by the size of the report. A follow-up that comes too late
// takes nothing back.
func (b *Breach) Settle(t time.Time) {
	b.settle(func(a *announcement) bool { return a.at < t.UnixMicro() })
	clear(b.shapes)
}

// settle counts the announcements that are ready.
func (b *Breach) settle(ready func(*announcement) bool) {
	kept := b.open[:0]
	for i := range b.open {
		if a := &b.open[i]; ready(a) {
			b.count(a)
		} else {
			kept = append(kept, *a)
		}
	}
	clear(b.open[len(kept):])
	b.open = kept
}

// count puts an announcement where it belongs.
func (b *Breach) count(a *announcement) {
	f := followed{a.id, a.uid, a.actor, a.purpose}
	all, ok := b.follows[f]
	delete(b.follows, f)
	if ok && (all || a.shape.opened == 1) {
		b.withheld.add(a, false)
		return
	}
	b.released.add(a, ok)
}

// Merge takes in all that o has seen. o must be of the same query and have seen
// other indexes; it must not be used any more. In which order parts are merged does
// not matter.
func (b *Breach) Merge(o *Breach) {
	ours := b.words.ofAll(&o.words)
	b.scanned.merge(o.scanned)
	for _, a := range o.open {
		a.actor, a.purpose = ours[a.actor], ours[a.purpose]
		b.open = append(b.open, a)
	}
	for f, all := range o.follows {
		f.actor, f.purpose = ours[f.actor], ours[f.purpose]
		b.follows[f] = b.follows[f] || all
	}
	b.released.merge(&o.released, ours)
	b.withheld.merge(&o.withheld, ours)
}
