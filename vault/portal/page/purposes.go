package page

import "time"

// Purposes shows what the person's data are used for and lets them decide.
type Purposes struct {
	// Notice is the version of the notice that this page shows; forms send it back.
	Notice string
	// NoticeSince is when that version came into force.
	NoticeSince time.Time
	Cards       []Purpose
}

func (Purposes) about() about {
	return about{name: "purposes", title: "purposes.title", area: areaPerson, place: sectionPurposes}
}

// A Purpose is a use of data and what the person has decided about it.
type Purpose struct {
	// ID goes into forms; it is not shown.
	ID string
	// Title, Text and Benefit are those of the catalog.
	Title, Text, Benefit string
	Basis                Basis
	Recipients           []string
	Retention            int      // in days; 0: no limit
	Fields               []string // titles
	State                PurposeState
	// Since is when the person decided; zero if they have not.
	Since time.Time
	// Until is when a consent ends by itself; zero if it does not.
	Until time.Time
	// Consequence says what happens when it is turned off. Empty: a general sentence.
	Consequence string
	// Changes says in words what has changed since the person agreed, if the state
	// is StateOutdated.
	Changes []ChangeLine
	// MayObject offers an objection, while the state is StateNeeded.
	MayObject bool
	// Marketing says that an objection needs no reason and holds at once.
	Marketing bool
	// Sensitive says that it is about data that the law protects most.
	Sensitive bool
	// GPC says that the browser's signal counts for this purpose: it sells or shares.
	GPC bool
	// Conflict says that the browser's signal came after an earlier yes.
	Conflict bool
	// AskAge asks how old the person is, with their consent (GDPR Art. 8).
	AskAge bool
	// Age says what was wrong with the answer when the form came back.
	Age AgeFault
	// Receipt leads to the proof of the decision. Optional.
	Receipt string
}

// AgeFault says what is wrong with an age.
type AgeFault string

// What may be wrong with an age.
const (
	AgeMissing AgeFault = "missing" // there is none, or it is none
	AgeYoung   AgeFault = "young"   // the person is too young to agree alone
)

func (f AgeFault) key() string {
	if f == AgeYoung {
		return "age.young"
	}
	return "age.missing"
}

// Basis is why a use is allowed.
type Basis string

// The bases, as the catalog names them. An unknown one is shown as consent, which
// promises most.
const (
	BasisConsent             Basis = "consent"
	BasisContract            Basis = "contract"
	BasisLegalObligation     Basis = "legal_obligation"
	BasisVitalInterests      Basis = "vital_interests"
	BasisPublicTask          Basis = "public_task"
	BasisLegitimateInterests Basis = "legitimate_interests"
)

func (b Basis) key() string {
	switch b {
	case BasisContract:
		return "basis.contract"
	case BasisLegalObligation:
		return "basis.legal_obligation"
	case BasisVitalInterests:
		return "basis.vital_interests"
	case BasisPublicTask:
		return "basis.public_task"
	case BasisLegitimateInterests:
		return "basis.legitimate_interests"
	default:
		return "basis.consent"
	}
}

// PurposeState is whether a purpose may use the data now. The zero value is off.
type PurposeState string

// The states of a purpose.
const (
	StateOff      PurposeState = ""         // no consent: never given, refused, withdrawn or run out
	StateOn       PurposeState = "on"       // consent
	StateOutdated PurposeState = "outdated" // consent to an earlier wording: off until decided again
	StateNeeded   PurposeState = "needed"   // used without consent, by another basis
	StateObjected PurposeState = "objected" // off by the person's objection
	StateSignal   PurposeState = "signal"   // off by the browser's signal
)

func (s PurposeState) key() string {
	switch s {
	case StateOn:
		return "state.on"
	case StateOutdated:
		return "state.outdated"
	case StateNeeded:
		return "state.needed"
	case StateObjected:
		return "state.objected"
	case StateSignal:
		return "state.signal"
	default:
		return "state.off"
	}
}

// Tone is the colour of the state: good, warn or quiet.
func (s PurposeState) Tone() string {
	switch s {
	case StateOn:
		return "good"
	case StateOutdated:
		return "warn"
	default:
		return "quiet"
	}
}

// Decision is what the one button of the card does: a value of [FieldDecision], or
// nothing where there is nothing to decide.
func (p Purpose) Decision() string {
	switch p.State {
	case StateOn:
		return DecideWithdraw
	case StateObjected:
		return DecideAllow
	case StateNeeded:
		if p.MayObject {
			return DecideObject
		}
		return ""
	default:
		return DecideGrant
	}
}
