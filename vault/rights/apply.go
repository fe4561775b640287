package rights

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Step is what is to happen to a request.
type Step struct {
	Do StepKind

	// To file. ID and Kind are required. Received is when the request reached the
	// controller, if not now: a letter. SignedIn: the person files it while signed in,
	// and so has proven who they are.
	ID        uuid.UUID
	Kind      Kind
	Marketing bool
	Received  time.Time
	SignedIn  bool

	// Reason is required to extend and to refuse. With complete it says why a part was
	// not done, and may be empty.
	Reason Reason

	// Told is required to extend and to refuse: the caller tells the person, with the
	// reason, and of a refusal how to complain, with the step (GDPR Art. 12(3) and (4)).
	Told bool
}

// Next returns the steps that a state has, in the order of [Steps]: file for the zero
// State, none for one in which a request has ended. Which of them a request allows as
// it stands, [Possible] says.
func Next(s State) []StepKind {
	switch s {
	case "":
		return []StepKind{File}
	case Received:
		return []StepKind{Acknowledge, AskIdentity, ConfirmIdentity, Extend, Complete, Refuse, Cancel}
	case Identity:
		return []StepKind{ConfirmIdentity, Extend, Refuse, Cancel}
	case Open:
		return []StepKind{AskIdentity, ConfirmIdentity, Extend, Complete, Refuse, Cancel}
	case Extended:
		return []StepKind{ConfirmIdentity, Complete, Refuse, Cancel}
	default: // done, refused, cancelled, and what is no state
		return nil
	}
}

// Possible returns the steps that the request allows at the instant now, in the order of
// [Steps].
func Possible(r Request, rules Rules, now time.Time) []StepKind {
	return slices.DeleteFunc(Next(r.State), func(s StepKind) bool { return obstacle(r, s, rules, now) != "" })
}

// Apply returns the request after a step at the instant now, by the rules of its regime.
// rules must pass their Check. To file a request, r is the zero Request.
//
// The time of a step is now, in whole microseconds, but never earlier than the request's
// last: a clock that is a little behind makes no step impossible.
//
// If the step is not possible, r is returned as it was, with a [StepError], which says
// what is possible, or with ErrRequest, a [ReasonError] or ErrRegime.
func Apply(r Request, s Step, rules Rules, cal Calendar, now time.Time) (Request, error) {
	now = now.UTC().Truncate(time.Microsecond)
	if r.State != "" && r.Regime != rules.Regime {
		return r, fmt.Errorf("%w: request %s, rules %s", ErrRegime, r.Regime, rules.Regime)
	}
	for _, t := range []time.Time{r.Entered, r.Acknowledged, r.IdentityAsked, r.IdentityConfirmed, r.ExtendedAt} {
		if t.After(now) {
			now = t
		}
	}
	cause := obstacle(r, s.Do, rules, now)
	if cause == "" && !s.Told && (s.Do == Extend || s.Do == Refuse) {
		cause = PersonNotTold
	}
	if cause != "" {
		return r, &StepError{s.Do, r.State, cause, Possible(r, rules, now)}
	}
	if s.Do == File {
		return file(r, s, rules, cal, now)
	}
	if !fits(r, s, rules) {
		return r, &ReasonError{s.Do, r.Kind, Reasons(r, s.Do, rules)}
	}
	return applied(r, s, rules, cal, now), nil
}

// Erased returns a request after its person was erased at the instant now, whatever its
// state: it is done, and there is nobody left to answer. Of what asked for anything but
// the erasure the reason is NoData. One that has ended is returned as it was.
func Erased(r Request, now time.Time) Request {
	if r.State.Over() {
		return r
	}
	r.State, r.Ended = Done, later(r.Entered, now.UTC().Truncate(time.Microsecond))
	if r.Kind != Erasure {
		r.Reason = NoData
	}
	return r
}

// obstacle says why a step is not possible, or "".
func obstacle(r Request, s StepKind, rules Rules, now time.Time) Cause {
	if !slices.Contains(Next(r.State), s) {
		return NotInState
	}
	switch s {
	case AskIdentity:
		if rules.proofLacks(r) && rules.WaitForProof != Runs && !now.Before(r.Due) {
			return FirstPassed // asking late stops no clock
		}
		return needless(r, rules)
	case ConfirmIdentity:
		return needless(r, rules)
	case Complete:
		if rules.proofLacks(r) {
			return ProofMissing
		}
	case Extend:
		return noExtension(r, rules, now)
	case File, Acknowledge, Refuse, Cancel:
	}
	return ""
}

func needless(r Request, rules Rules) Cause {
	if rules.proofLacks(r) {
		return ""
	}
	return ProofNeedless
}

func noExtension(r Request, rules Rules, now time.Time) Cause {
	switch {
	case rules.Extension.IsZero() || rules.plain(r.Kind):
		return NoExtension
	case !r.ExtendedTo.IsZero():
		return ExtendedOnce
	case r.stands(rules):
		return ClockStopped
	case !now.Before(r.Due):
		return FirstPassed
	}
	return ""
}

// file makes a request; none is returned as it was.
func file(none Request, s Step, rules Rules, cal Calendar, now time.Time) (Request, error) {
	r := Request{
		ID: s.ID, Kind: s.Kind, Regime: rules.Regime, State: Received, Marketing: s.Marketing,
		Filed: s.Received.UTC().Truncate(time.Microsecond), Entered: now,
	}
	if s.Received.IsZero() {
		r.Filed = now
	}
	switch {
	case s.ID == uuid.Nil:
		return none, fmt.Errorf("%w: no id", ErrRequest)
	case !slices.Contains(Kinds(), s.Kind):
		return none, fmt.Errorf("%w: kind", ErrRequest)
	case s.Marketing && s.Kind != Objection:
		return none, fmt.Errorf("%w: marketing is said of an objection", ErrRequest)
	case r.Filed.After(now):
		return none, fmt.Errorf("%w: received later than now", ErrRequest)
	case s.SignedIn && !r.Filed.Equal(now):
		return none, fmt.Errorf("%w: who is signed in files now", ErrRequest)
	case s.Reason != "":
		return none, &ReasonError{File, s.Kind, nil}
	}
	if s.SignedIn {
		r.IdentityConfirmed = now
	}
	r.Due = r.due(rules, cal, 0)
	return r, nil
}

// applied carries out a step that is possible.
func applied(r Request, s Step, rules Rules, cal Calendar, now time.Time) Request {
	switch s.Do {
	case File: // see file
	case Acknowledge:
		r.State, r.Acknowledged = Open, now
	case AskIdentity:
		r.State, r.IdentityAsked = Identity, now
		r.heard(now)
	case ConfirmIdentity:
		r.confirm(rules, cal, now)
	case Extend:
		r.ExtendedAt, r.ExtensionReason = now, s.Reason
		r.ExtendedTo = later(r.Due, r.due(rules, cal, rules.Extension.Count))
		if r.State != Identity {
			r.State = Extended
		}
		r.heard(now)
	case Complete:
		r.State, r.Ended, r.Reason = Done, now, s.Reason
	case Refuse:
		r.State, r.Ended, r.Reason = Refused, now, s.Reason
	case Cancel:
		r.State, r.Ended = Cancelled, now
	}
	return r
}

// confirm notes that the identity is confirmed and moves the deadline by what was waited.
func (r *Request) confirm(rules Rules, cal Calendar, now time.Time) {
	r.IdentityConfirmed = now
	if r.State != Identity {
		return
	}
	r.State = Open
	if !r.ExtendedTo.IsZero() {
		r.State = Extended
	}
	if rules.WaitForProof != Runs {
		r.Due = later(r.Due, r.due(rules, cal, 0))
	}
}

// heard notes that the person has heard that the request is there.
func (r *Request) heard(now time.Time) {
	if r.Acknowledged.IsZero() {
		r.Acknowledged = now
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
