package accessctl

import "fmt"

// View is what a caller gets of a field. The zero View is Hidden.
type View uint8

// The views, from less to more.
const (
	Hidden View = iota
	Masked
	Plain
)

// String is "hidden", "masked" or "plain"; any other View is hidden.
func (v View) String() string {
	switch v {
	case Masked:
		return "masked"
	case Plain:
		return "plain"
	default:
		return "hidden"
	}
}

// MarshalText gives the name.
func (v View) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a name as [View.String] gives it; anything else is ErrName.
func (v *View) UnmarshalText(text []byte) error {
	for _, w := range []View{Hidden, Masked, Plain} {
		if w.String() == string(text) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("reading a view: %w", ErrName)
}

// Reason says why a field is hidden or an action denied.
type Reason string

// The reasons. The package comment says which is given when several apply.
const (
	ReasonNone       Reason = ""           // it is not hidden or denied
	ReasonPolicy     Reason = "policy"     // policy gives the caller nothing here, whatever the state
	ReasonPurpose    Reason = "purpose"    // no purpose, an unknown one, outside the token, or not listed by the field
	ReasonObjection  Reason = "objection"  // the person objected to the purpose (GDPR Art. 21)
	ReasonConsent    Reason = "consent"    // the purpose rests on consent, and there is none
	ReasonRestricted Reason = "restricted" // processing is restricted (GDPR Art. 18)
	ReasonExpired    Reason = "expired"    // the value has outlived its retention
)

// Consent is what a person has said about a purpose, as it stands now.
type Consent uint8

// The states of consent. Where a purpose rests on consent only ConsentGranted opens
// anything; ConsentObjected closes a purpose whatever it rests on.
const (
	ConsentNone Consent = iota // never asked, never answered
	ConsentGranted
	ConsentRefused
	ConsentWithdrawn
	ConsentExpired
	ConsentOutdated // given to other terms than those that stand now
	ConsentObjected // the person objected to the purpose (GDPR Art. 21)
)

// Consents returns all states.
func Consents() []Consent {
	return []Consent{ConsentNone, ConsentGranted, ConsentRefused, ConsentWithdrawn, ConsentExpired, ConsentOutdated, ConsentObjected}
}

// String is "none", "granted", "refused", "withdrawn", "expired", "outdated" or
// "objected"; any other Consent is none.
func (c Consent) String() string {
	switch c {
	case ConsentGranted:
		return "granted"
	case ConsentRefused:
		return "refused"
	case ConsentWithdrawn:
		return "withdrawn"
	case ConsentExpired:
		return "expired"
	case ConsentOutdated:
		return "outdated"
	case ConsentObjected:
		return "objected"
	default:
		return "none"
	}
}

// MarshalText gives the name.
func (c Consent) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads a name as [Consent.String] gives it; anything else is ErrName.
func (c *Consent) UnmarshalText(text []byte) error {
	for _, d := range Consents() {
		if d.String() == string(text) {
			*c = d
			return nil
		}
	}
	return fmt.Errorf("reading a consent: %w", ErrName)
}

// Field is a field of the catalog, seen under one purpose. It names no person.
type Field struct {
	Collection, Name string // both [a-z][a-z0-9_]{0,62}; anything else is denied
	Classification   string // or empty
	Listed           bool   // the field lists the caller's purpose
}

// PurposeFacts is what the catalog says of the caller's purpose. The zero value
// is an unknown purpose. For [PurposeSelf] it is not looked at.
type PurposeFacts struct {
	Known              bool
	Basis              Basis // not one of the six: the purpose counts as unknown
	DespiteRestriction bool  // GDPR Art. 18(2): it may be served while restricted
}

// State is what is known of the person at the instant of the decision, under the
// caller's purpose. It names no person.
type State struct {
	Consent    Consent // to the caller's purpose
	Restricted bool    // processing of the person is restricted
	Expired    bool    // the value has outlived its retention
	Own        bool    // the caller is this person
}

// Decision is an answer. The zero value denies and hides.
type Decision struct {
	Allowed bool
	View    View   // of Reveal: Plain, Masked or Hidden, and Allowed unless Hidden; of Permit and the rest always Hidden
	Reason  Reason // ReasonNone if and only if Allowed

	// Policies names what determined the decision: the permits if allowed; if
	// denied by policy, the forbids and the policies that failed, if any. Sorted
	// in the order of the text, shared: not to be changed.
	Policies []string
}
