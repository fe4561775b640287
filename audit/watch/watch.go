// Package watch says what is alarming in the stream of audit events, and counts
// the people whom a caller is shown.
//
// A [Watch] reads the events of a log in its order, after the fact, and raises an
// [Alarm] where a limit is passed or a honey person is touched. A [Meter] stands in
// the request and answers at once. Both only count what they are given: they keep
// nothing on disk, have no clock of their own and start from zero with the process.
//
// # What a limit means
//
// A [Limit] is passed when more than Count fall into one Window, which slides: there
// is no edge at which counting begins anew. What a limit counts is exact up to one
// past Count, which is all that an alarm needs; nothing more is kept.
//
//   - One kind of alarm for one actor is raised at most once a window: after an
//     alarm the next is due when a whole window has gone by, and its window overlaps
//     none of the last one's. It is raised with the first event from then on at
//     which the limit is still, or again, passed.
//   - A window ends with the latest event that was counted for that limit and
//     actor, by the time in the event. An event that comes late counts at its own
//     time.
//   - An event that is more than a window behind the latest means that the clock has
//     gone back. Then all that was counted counts as seen at that event: nothing is
//     forgotten, and an alarm may come early. Nodes must agree on the time to within a
//     window, which is at least [MinWindow].
//   - An event that is seen again, as when a log is read twice, does not count again
//     while it is kept.
//
// # What is kept
//
// A limit keeps at most Count + 1 ids, with times, for each actor. There is room for
// [MaxActors] actors who are people ("self:..."), as many others and as many
// tenants, and for [MaxEntries] ids in each of the three; beyond, whoever has not been
// seen for the longest is dropped and counts from zero when seen again. So people
// who read their own data cannot push out staff; someone with thousands of
// identities of staff could. At the very worst a Watch takes about 128 MiB, and a
// Meter, which has one such room, about 32 MiB.
package watch

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// Bounds.
const (
	MaxCount   = 100_000     // of a limit
	MinWindow  = time.Minute // of a limit
	MaxActors  = 1 << 14     // actors, or principals, that one room holds
	MaxEntries = 1 << 18     // ids that one room holds, of all actors together
)

// Limit is how much may fall into a window of time. The zero Limit is off.
type Limit struct {
	Count  int           // the most that is allowed, up to MaxCount; 0: off
	Window time.Duration // at least MinWindow, unless Count is 0
}

func (l Limit) check(name string) error {
	if l.Count < 0 || l.Count > MaxCount || l.Count > 0 && l.Window < MinWindow {
		return fmt.Errorf("%w: %s", ErrLimit, name)
	}
	return nil
}

// Rules are the limits of a [Watch]. Each counts for one actor in one tenant.
type Rules struct {
	// People is how many people an actor may be shown plain or masked values of.
	People Limit
	// Values is how many values an actor may be shown plain.
	Values Limit
	// Failed is how many events may say that a value did not open: for an actor,
	// and for a tenant whoever acts.
	Failed Limit
	// Denied is how many requests of an actor may be denied, however many people
	// each names. All who try another person's data as a person are one actor, "self".
	Denied Limit
}

// A Watch reads events and raises alarms. It is for one goroutine at a time. Make
// one with [New].
type Watch struct {
	rules  Rules
	honey  func(tenant string, uid uuid.UUID) bool
	people room[name, *actor] // who act in their own right
	others room[name, *actor]
	whole  room[name, *actor] // tenants
}

// name is an actor in a tenant, or with an empty actor the tenant.
type name struct{ tenant, actor string }

// An actor is what is counted of one actor or tenant.
type actor struct{ people, values, failed, denied counter }

// entries is for how many ids an actor takes room.
func (a *actor) entries() int {
	return a.people.seen.room() + a.values.seen.room() + a.failed.seen.room() + a.denied.seen.room()
}

// New makes a watch. honey says which people are bait: people who do not exist,
// whom nobody has a reason to read. It must be quick; nil: there are none.
//
// The error is ErrLimit.
func New(rules Rules, honey func(tenant string, uid uuid.UUID) bool) (*Watch, error) {
	for _, l := range []struct {
		name string
		Limit
	}{{"people", rules.People}, {"values", rules.Values}, {"failed", rules.Failed}, {"denied", rules.Denied}} {
		if err := l.check(l.name); err != nil {
			return nil, err
		}
	}
	if honey == nil {
		honey = func(string, uuid.UUID) bool { return false }
	}
	return &Watch{
		rules: rules, honey: honey,
		people: newRoom[name, *actor](), others: newRoom[name, *actor](), whole: newRoom[name, *actor](),
	}, nil
}

// See takes the next event of the log and returns the alarms that it raises, nearly
// always none. The event must be valid; it is only read, and nothing of it is kept
// but copies of names.
//
// A honey person raises an alarm each time: with every allowed event in which a
// field of theirs was plain or masked, and with every allowed search, list, export,
// resolve or decrypt that touched them.
func (w *Watch) See(e *audit.Event) []Alarm {
	var raised []Alarm
	switch e.Outcome {
	case audit.Allowed:
		shown, plain := views(e)
		if e.UID != uuid.Nil && (shown > 0 || touches(e.Action)) && w.honey(e.Tenant, e.UID) {
			raised = append(raised, honeyAlarm(e, shown))
		}
		if shown > 0 {
			raised = w.shown(raised, e, plain)
		}
	case audit.Failed:
		if e.Code == codeIntegrity {
			raised = w.failed(raised, e)
		}
	case audit.Denied:
		raised = w.denied(raised, e)
	}
	return raised
}

// codeIntegrity is the code of an event whose value did not open.
const codeIntegrity = "integrity"

// actionDecrypt opens a ciphertext that an application kept.
const actionDecrypt accessctl.Action = "decrypt"

// touches says whether an allowed action tells of a person even if it shows no value.
func touches(a accessctl.Action) bool {
	switch a {
	case accessctl.ActionSearch, accessctl.ActionList, accessctl.ActionExport, accessctl.ActionResolve, accessctl.ActionDetokenise, actionDecrypt:
		return true
	default:
		return false
	}
}

// views counts the values that an event has shown, and those of them that were
// plain; no more than one past the largest limit.
func views(e *audit.Event) (shown, plain int) {
	for i := range e.Fields {
		f := &e.Fields[i]
		if f.View != accessctl.Plain && f.View != accessctl.Masked {
			continue
		}
		n := int(min(f.Count, MaxCount+1))
		shown = min(shown+n, MaxCount+1)
		if f.View == accessctl.Plain {
			plain = min(plain+n, MaxCount+1)
		}
	}
	return shown, plain
}

func (w *Watch) shown(raised []Alarm, e *audit.Event, plain int) []Alarm {
	r, s := w.of(e)
	if e.UID != uuid.Nil {
		raised = s.value.people.count(raised, w.rules.People, Volume, e, item{key: e.UID, n: 1})
	}
	if plain > 0 {
		raised = s.value.values.count(raised, w.rules.Values, Values, e, item{key: e.ID, n: plain})
	}
	r.settle(s, s.value.entries())
	return raised
}

func (w *Watch) failed(raised []Alarm, e *audit.Event) []Alarm {
	one := item{key: e.ID, n: 1}
	r, s := w.of(e)
	raised = s.value.failed.count(raised, w.rules.Failed, Failed, e, one)
	r.settle(s, s.value.entries())
	s = enter(&w.whole, name{tenant: e.Tenant})
	before := len(raised)
	raised = s.value.failed.count(raised, w.rules.Failed, Failed, e, one)
	if len(raised) > before {
		raised[before].Actor, raised[before].Purpose = "", ""
	}
	w.whole.settle(s, s.value.entries())
	return raised
}

func (w *Watch) denied(raised []Alarm, e *audit.Event) []Alarm {
	request := e.Request
	if request == uuid.Nil {
		request = e.ID
	}
	r, s := w.of(e)
	raised = s.value.denied.count(raised, w.rules.Denied, Denied, e, item{key: request, n: 1})
	r.settle(s, s.value.entries())
	return raised
}

// of finds the place of an event's actor, and the room it is in.
func (w *Watch) of(e *audit.Event) (*room[name, *actor], *slot[name, *actor]) {
	r := &w.others
	if e.Actor == "self" || strings.HasPrefix(e.Actor, "self:") {
		r = &w.people
	}
	return r, enter(r, name{tenant: e.Tenant, actor: e.Actor})
}

// enter finds a name's place in a room, or makes it.
func enter(r *room[name, *actor], n name) *slot[name, *actor] {
	if s := r.find(n); s != nil {
		return s
	}
	return r.add(name{tenant: strings.Clone(n.tenant), actor: strings.Clone(n.actor)}, &actor{})
}
