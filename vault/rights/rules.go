package rights

import (
	"fmt"
	"slices"
)

// Unit is what a period is counted in.
type Unit string

// The units.
const (
	Months       Unit = "months"
	Days         Unit = "days"
	BusinessDays Unit = "business_days"
)

// Units returns all of them, in the order above.
func Units() []Unit { return []Unit{Months, Days, BusinessDays} }

// MarshalText gives the name; ErrName if u is no unit.
func (u Unit) MarshalText() ([]byte, error) { return marshal(Units(), u) }

// UnmarshalText accepts the name of a unit and nothing else; ErrName otherwise.
func (u *Unit) UnmarshalText(b []byte) error { return unmarshal(Units(), u, b) }

// Period is a number of units. The zero value is none.
type Period struct {
	Count int
	Unit  Unit
}

// IsZero reports whether the period is none.
func (p Period) IsZero() bool { return p == Period{} }

// Wait says what the clock does while proof of identity is awaited.
type Wait string

// What the clock does.
const (
	Runs     Wait = "runs"     // it takes no notice
	Stops    Wait = "stops"    // it stands still, and the days that were waited are added
	Restarts Wait = "restarts" // it stands still, and begins anew when the identity is confirmed
)

// Waits returns all of them, in the order above.
func Waits() []Wait { return []Wait{Runs, Stops, Restarts} }

// MarshalText gives the name; ErrName if w is none of the three.
func (w Wait) MarshalText() ([]byte, error) { return marshal(Waits(), w) }

// UnmarshalText accepts the name of one of the three and nothing else; ErrName otherwise.
func (w *Wait) UnmarshalText(b []byte) error { return unmarshal(Waits(), w, b) }

// Rules are the numbers of a regime. Every field is required but where it says that it
// may be zero; [Default] has those of the law. Rules are not changed once in use.
type Rules struct {
	// Regime is the law that the numbers are of.
	Regime Regime

	// Acknowledge is within when the person must hear that the request has come in.
	// Zero: the law does not say.
	Acknowledge Period

	// Answer is within when a request must be answered.
	Answer Period

	// Extension is by how much the answer may be put off, once. Its unit is that of
	// Answer. Zero: it may not.
	Extension Period

	// Plain are the kinds that are obeyed rather than examined: within PlainAnswer,
	// never acknowledged by a deadline, never extended. It may be empty.
	Plain []Kind

	// PlainAnswer is within when those must be obeyed. It may be zero if there are none.
	PlainAnswer Period

	// NoProof are the kinds for which no proof of identity is asked. It may be empty.
	NoProof []Kind

	// WaitForProof says what the clock does while proof of identity is awaited.
	WaitForProof Wait

	// Roll: a period that ends on a weekend or holiday ends with the next business day.
	Roll bool

	// AcknowledgeSoon is how many days before that deadline's last day one is reminded
	// of it: 0, on the last day itself, to 365.
	AcknowledgeSoon int

	// DueSoon is how many days before the answer's last day one is reminded of it: each
	// from 0 to 365, no two alike, at most 10. It may be empty.
	DueSoon []int

	// KeepMonths is for how many months the log row of a request is kept after its end:
	// 1 to 240.
	KeepMonths int

	// AskAgainMonths is for how many months a person who opted out is not asked for
	// consent to the same: 1 to 240.
	AskAgainMonths int
}

// Default returns the rules of the law, as far as it gives numbers: the package comment
// names the sources. Where it gives none they are ours: reminders, 36 months of log and
// 12 months until a person is asked again under the GDPR, the answer to a question. An
// unknown regime gives rules that fail their Check.
func Default(regime Regime) Rules {
	r := Rules{
		Regime: regime, NoProof: []Kind{OptOut, Question},
		AcknowledgeSoon: 2, DueSoon: []int{7, 2}, AskAgainMonths: 12,
	}
	switch regime {
	case GDPR:
		r.Answer, r.Extension = Period{1, Months}, Period{2, Months}
		r.Plain, r.PlainAnswer = []Kind{OptOut}, Period{1, Months}
		r.WaitForProof, r.Roll, r.KeepMonths = Stops, true, 36
	case CCPA:
		r.Acknowledge = Period{10, BusinessDays}
		r.Answer, r.Extension = Period{45, Days}, Period{45, Days}
		r.Plain, r.PlainAnswer = []Kind{Restriction, Objection, OptOut}, Period{15, BusinessDays}
		r.NoProof = append(r.NoProof, Restriction, Objection)
		r.WaitForProof, r.KeepMonths = Runs, 24
	}
	return r
}

// Check reports the first thing that is wrong with the rules, as a [ConfigError].
func (r Rules) Check() error {
	switch {
	case !slices.Contains(Regimes(), r.Regime):
		return wrong("regime", "it is one of %s", list(Regimes()))
	case !r.Acknowledge.IsZero() && !r.Acknowledge.valid():
		return wrongPeriod("acknowledge")
	case !r.Answer.valid():
		return wrongPeriod("answer")
	case !r.Extension.IsZero() && (!r.Extension.valid() || r.Extension.Unit != r.Answer.Unit):
		return wrong("extension", "it is a period in the unit of the answer's")
	case !kinds(r.Plain):
		return wrong("plain", "it lists kinds, each once, out of %s", list(Kinds()))
	case len(r.Plain) > 0 && !r.PlainAnswer.valid():
		return wrongPeriod("plain_answer")
	case !kinds(r.NoProof):
		return wrong("no_proof", "it lists kinds, each once, out of %s", list(Kinds()))
	case !slices.Contains(Waits(), r.WaitForProof):
		return wrong("wait_for_proof", "it is one of %s", list(Waits()))
	case r.AcknowledgeSoon < 0 || r.AcknowledgeSoon > maxSoon:
		return wrong("acknowledge_soon", "it is 0 to %d days", maxSoon)
	case !validSoon(r.DueSoon):
		return wrong("due_soon", "it lists at most 10 numbers of days from 0 to %d, no two alike", maxSoon)
	case r.KeepMonths < 1 || r.KeepMonths > maxMonths:
		return wrong("keep_months", "it is 1 to %d", maxMonths)
	case r.AskAgainMonths < 1 || r.AskAgainMonths > maxMonths:
		return wrong("ask_again_months", "it is 1 to %d", maxMonths)
	}
	return nil
}

const (
	maxSoon   = 365 // days before a deadline
	maxMonths = 240
	maxDays   = 1000 // calendar or business days of a period
)

func (p Period) valid() bool {
	return p.Count >= 1 && (p.Unit == Months && p.Count <= maxMonths || (p.Unit == Days || p.Unit == BusinessDays) && p.Count <= maxDays)
}

func kinds(list []Kind) bool {
	for i, k := range list {
		if !slices.Contains(Kinds(), k) || slices.Contains(list[:i], k) {
			return false
		}
	}
	return true
}

func validSoon(days []int) bool {
	for i, n := range days {
		if n < 0 || n > maxSoon || slices.Contains(days[:i], n) {
			return false
		}
	}
	return len(days) <= 10
}

func wrongPeriod(field string) error {
	return wrong(field, "it is 1 to %d months, or 1 to %d days or business_days", maxMonths, maxDays)
}

func wrong(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Sprintf(format, args...)}
}

// plain reports whether requests of the kind are obeyed rather than examined.
func (r Rules) plain(k Kind) bool { return slices.Contains(r.Plain, k) }

// proofLacks reports whether proof of identity is needed and is not there.
func (r Rules) proofLacks(q Request) bool {
	return q.IdentityConfirmed.IsZero() && !slices.Contains(r.NoProof, q.Kind)
}

// Proven reports whether no proof of identity lacks: it was seen, or none is needed.
func (r Rules) Proven(q Request) bool { return !r.proofLacks(q) }

// answer is the period that requests of the kind are answered within.
func (r Rules) answer(k Kind) Period {
	if r.plain(k) {
		return r.PlainAnswer
	}
	return r.Answer
}

// last returns the last day of a period that runs from a day, with days added that it
// stood still. The result is rolled where the rules say so.
func (r Rules) last(c Calendar, from Date, p Period, stood int) Date {
	var d Date
	switch p.Unit {
	case Months:
		d = from.AddMonths(p.Count)
	case Days:
		d = from.AddDays(p.Count)
	case BusinessDays:
		d = c.AddBusinessDays(from, p.Count)
	}
	d = d.AddDays(stood)
	if r.Roll || p.Unit == BusinessDays {
		d = c.Roll(d)
	}
	return d
}
