package rights

import (
	"time"

	"github.com/google/uuid"
)

// Request is one request of a person. All instants are UTC in microseconds; the zero
// instant means that it has not happened. [Apply] makes and changes it; a store keeps its
// fields as they are.
type Request struct {
	ID     uuid.UUID `json:"id"`
	Kind   Kind      `json:"kind"`
	Regime Regime    `json:"regime"`
	State  State     `json:"state"`

	// Marketing: what is objected to is direct marketing (GDPR Art. 21(2)).
	Marketing bool `json:"marketing,omitempty"`

	// Filed is when it reached the controller: what the clocks run from. Entered is
	// when it was put on record, which is later for a letter.
	Filed   time.Time `json:"filed"`
	Entered time.Time `json:"entered"`

	Acknowledged      time.Time `json:"acknowledged,omitzero"`       // the person heard that it is there
	IdentityAsked     time.Time `json:"identity_asked,omitzero"`     // proof of identity was asked for
	IdentityConfirmed time.Time `json:"identity_confirmed,omitzero"` // and seen

	// Due is when the answer is late, extensions apart. It moves when the identity is
	// confirmed, if the clock stood still for that.
	Due time.Time `json:"due"`

	ExtendedAt      time.Time `json:"extended_at,omitzero"` // the person was told of the extension
	ExtendedTo      time.Time `json:"extended_to,omitzero"` // takes the place of Due; never earlier
	ExtensionReason Reason    `json:"extension_reason,omitempty"`

	Ended time.Time `json:"ended,omitzero"`

	// Reason is why it was refused or, of one that is done, why a part of it was not.
	Reason Reason `json:"reason,omitempty"`

	// Assignee is the actor who works on it, as the audit log names actors; "" is nobody.
	Assignee string `json:"assignee,omitempty"`
}

// Deadline returns when the answer is late: ExtendedTo if there is one, else Due. It is
// zero if no answer is owed now: the request has ended, or the clock stands still.
func (r Request) Deadline(rules Rules) time.Time {
	switch {
	case r.State.Over() || r.stands(rules):
		return time.Time{}
	case !r.ExtendedTo.IsZero():
		return r.ExtendedTo
	}
	return r.Due
}

// stands reports whether the clock of the answer stands still.
func (r Request) stands(rules Rules) bool {
	return r.State == Identity && rules.WaitForProof != Runs
}

// acknowledgeBy returns when the acknowledgement is late; zero if none is owed now.
func (r Request) acknowledgeBy(rules Rules, cal Calendar) time.Time {
	if r.State != Received || rules.Acknowledge.IsZero() || rules.plain(r.Kind) {
		return time.Time{}
	}
	return cal.End(rules.last(cal, cal.Day(r.Filed), rules.Acknowledge, 0))
}

// due returns when a request as it stands is late, in a period that is longer by more.
func (r Request) due(rules Rules, cal Calendar, more int) time.Time {
	from, stood := cal.Day(r.Filed), 0
	if waited := !r.IdentityAsked.IsZero() && !r.IdentityConfirmed.IsZero(); waited {
		switch rules.WaitForProof {
		case Runs:
		case Stops:
			stood = cal.Day(r.IdentityAsked).DaysUntil(cal.Day(r.IdentityConfirmed))
		case Restarts:
			from = cal.Day(r.IdentityConfirmed)
		}
	}
	p := rules.answer(r.Kind)
	p.Count += more
	return cal.End(rules.last(cal, from, p, stood))
}

// Forget returns from when on the log row of a request may be deleted: KeepMonths after
// the day of its end. It is zero for a request that has not ended.
func Forget(r Request, rules Rules, cal Calendar) time.Time {
	if r.Ended.IsZero() {
		return time.Time{}
	}
	return cal.End(cal.Day(r.Ended).AddMonths(rules.KeepMonths))
}

// AskAgain returns from when on a person who opted out may be asked for consent to the
// same: AskAgainMonths after the day on which they did.
func AskAgain(optOut time.Time, rules Rules, cal Calendar) time.Time {
	return cal.End(cal.Day(optOut).AddMonths(rules.AskAgainMonths))
}
