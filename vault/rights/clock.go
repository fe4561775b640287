package rights

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Task is what is owed to the person next.
type Task string

// The tasks.
const (
	OweNothing         Task = "nothing"     // the request has ended
	AwaitProof         Task = "await_proof" // the clock stands still until the person proves who they are
	OweAcknowledgement Task = "acknowledge" // the person must hear that the request is there
	OweAnswer          Task = "answer"
)

// Standing is how a request stands against its clocks.
type Standing struct {
	Task     Task
	By       time.Time // the instant at which it is late; zero: no deadline
	Last     Date      // the last day on which it is not; zero: no deadline
	DaysLeft int       // from today to Last, in the calendar's zone: 0 on the day itself, less when late
	Overdue  bool
}

// Clock says what is owed next, and by when: of what is owed, the one that is late
// first.
func Clock(r Request, rules Rules, cal Calendar, now time.Time) Standing {
	by, task := r.Deadline(rules), OweAnswer
	switch {
	case r.State.Over():
		return Standing{Task: OweNothing}
	case by.IsZero():
		return Standing{Task: AwaitProof}
	}
	if ack := r.acknowledgeBy(rules, cal); !ack.IsZero() && !ack.After(by) {
		by, task = ack, OweAcknowledgement
	}
	last := cal.LastDay(by)
	return Standing{Task: task, By: by, Last: last, DaysLeft: cal.Day(now).DaysUntil(last), Overdue: !now.Before(by)}
}

// ReminderKind is what somebody is reminded of.
type ReminderKind string

// The kinds of reminders.
const (
	AcknowledgeSoon ReminderKind = "acknowledge_soon" // the person has not heard from us yet
	DueSoon         ReminderKind = "due_soon"         // the answer is owed soon
	Overdue         ReminderKind = "overdue"          // the answer is late
)

// ReminderKinds returns all of them, in the order above.
func ReminderKinds() []ReminderKind { return []ReminderKind{AcknowledgeSoon, DueSoon, Overdue} }

// MarshalText gives the name; ErrName if k is none of the kinds.
func (k ReminderKind) MarshalText() ([]byte, error) { return marshal(ReminderKinds(), k) }

// UnmarshalText accepts the name of a kind and nothing else; ErrName otherwise.
func (k *ReminderKind) UnmarshalText(b []byte) error { return unmarshal(ReminderKinds(), k, b) }

// Reminder says that a deadline of a request is near, or over.
type Reminder struct {
	Request uuid.UUID
	Kind    ReminderKind
	Task    Task      // OweAcknowledgement or OweAnswer
	At      time.Time // when it became due
	By      time.Time // the deadline
	Days    int       // from the day of At to the deadline's last day; less than 0 when overdue
}

// Reminders returns the reminders of a request that became due after the instant after
// and no later than now, in order of time. Over intervals that follow one upon another, a
// request that is not changed in between gets each of its reminders exactly once. One
// whose deadline moves gets those of the new deadline.
//
// One reminds at the start of the day that lies the configured number of days before
// the last. What should have been said before the request was on record, or the
// deadline was what it is, is said then, once: the most urgent of it. Requests that have ended, or wait for proof with the clock
// standing still, get none.
func Reminders(r Request, rules Rules, cal Calendar, after, now time.Time) []Reminder {
	due := r.remind(OweAcknowledgement, r.acknowledgeBy(rules, cal), r.Entered, cal, []int{rules.AcknowledgeSoon})
	due = append(due, r.remind(OweAnswer, r.Deadline(rules), r.set(rules), cal, rules.DueSoon)...)
	due = slices.DeleteFunc(due, func(m Reminder) bool { return !m.At.After(after) || m.At.After(now) })
	slices.SortStableFunc(due, func(a, b Reminder) int { return a.At.Compare(b.At) })
	return due
}

// remind gives the reminders of a deadline that stands since an instant, days before its
// last day and when it is over. There are none if it is zero.
func (r Request) remind(task Task, by, since time.Time, cal Calendar, days []int) []Reminder {
	if by.IsZero() {
		return nil
	}
	kind := DueSoon
	if task == OweAcknowledgement {
		kind = AcknowledgeSoon
	}
	last := cal.LastDay(by)
	var all []Reminder
	for _, n := range slices.Backward(slices.Sorted(slices.Values(days))) {
		all = append(all, Reminder{Kind: kind, At: cal.Start(last.AddDays(-n))})
	}
	all = append(all, Reminder{Kind: Overdue, At: by})
	var kept []Reminder
	for i, m := range all {
		if i+1 < len(all) && !all[i+1].At.After(since) {
			continue // the next one is due as well by then, and more urgent
		}
		m.Request, m.Task, m.By, m.At = r.ID, task, by, later(m.At, since)
		m.Days = cal.Day(m.At).DaysUntil(last)
		kept = append(kept, m)
	}
	return kept
}

// set returns since when the deadline of the answer is what it is.
func (r Request) set(rules Rules) time.Time {
	since := later(r.Entered, r.ExtendedAt)
	if !r.IdentityAsked.IsZero() && rules.WaitForProof != Runs {
		since = later(since, r.IdentityConfirmed)
	}
	return since
}
