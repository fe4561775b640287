package accessctl

import (
	"cmp"
	"fmt"
)

// Describer says what a catalog knows, for [Policy.Test].
type Describer interface {
	// Field describes a field as it is seen under the purpose.
	Field(collection, field string, purpose Purpose) (Field, bool)
	// Purpose describes a purpose; the zero PurposeFacts is an unknown one.
	Purpose(id Purpose) PurposeFacts
}

// Expectation is one line of a policy's test: in this situation, this is the
// answer.
type Expectation struct {
	Roles      []Role
	Purpose    Purpose
	Action     Action // empty: ActionReveal, whose answer is a view
	Collection string // with Field, for an action on a field
	Field      string
	Match      Match // of ActionSearch; empty: equality

	Consent    Consent // with the rest, the state of the person
	Restricted bool
	Expired    bool
	Own        bool // the caller is the person; the caller's roles must contain RoleSubject

	Want   string // "plain", "masked" or "hidden" of ActionReveal; "allowed" or "denied" of another action
	Reason Reason // why it is hidden or denied; empty: not looked at
}

// Failure is an expectation that the policy does not meet, or that makes no
// sense.
type Failure struct {
	Index    int    // of the expectation, from 0
	Problem  string // in words: what was wanted and what came, or what makes no sense
	Policies []string
}

// Test compares the policy with what is expected of it and returns what differs,
// in order. An expectation that names an unknown action or field, or wants what
// the action cannot answer, is a failure: a test that cannot fail tests nothing.
func (p *Policy) Test(list []Expectation, cat Describer) []Failure {
	var out []Failure
	for i, e := range list {
		if problem, policies := p.test(e, cat); problem != "" {
			out = append(out, Failure{Index: i, Problem: problem, Policies: policies})
		}
	}
	return out
}

func (p *Policy) test(e Expectation, cat Describer) (string, []string) {
	e.Action = cmp.Or(e.Action, ActionReveal)
	if problem := e.nonsense(); problem != "" {
		return problem, nil
	}
	var f Field
	if e.Action.OnField() {
		var ok bool
		if f, ok = cat.Field(e.Collection, e.Field, e.Purpose); !ok {
			return fmt.Sprintf("there is no field %s.%s in the catalog", e.Collection, e.Field), nil
		}
	}
	c := Caller{Principal: Principal{Roles: e.Roles}, Purpose: e.Purpose}
	if c.IsPerson() {
		c.Person = "person"
	}
	d := p.For(c, cat.Purpose(e.Purpose))
	got, dec := d.answer(e.Action, f, e.state())
	if e.Match != "" {
		got, dec = worded(d.PermitSearch(e.Match, f, e.state()))
	}
	switch {
	case got != e.Want:
		return fmt.Sprintf("wanted %s, got %s%s", e.Want, got, because(dec.Reason)), dec.Policies
	case e.Reason != ReasonNone && e.Reason != dec.Reason:
		return fmt.Sprintf("wanted %s%s, got it%s", e.Want, because(e.Reason), because(dec.Reason)), dec.Policies
	default:
		return "", nil
	}
}

func (e Expectation) state() State {
	return State{Consent: e.Consent, Restricted: e.Restricted, Expired: e.Expired, Own: e.Own}
}

// nonsense says why the expectation could never be met.
func (e Expectation) nonsense() string {
	negative := false
	switch {
	case e.Action.kind() == onNothing:
		return fmt.Sprintf("there is no action %q", e.Action)
	case e.Match != "" && (e.Action != ActionSearch || !e.Match.valid()):
		return fmt.Sprintf("only search has a match, of equals, prefix, contains and range, not %q of %s", e.Match, e.Action)
	case e.Action == ActionRevealMasked:
		return "expect a view of reveal instead of reveal_masked"
	case e.Action == ActionReveal && e.Want != "plain" && e.Want != "masked" && e.Want != "hidden":
		return fmt.Sprintf("reveal is plain, masked or hidden, not %q", e.Want)
	case e.Action != ActionReveal && e.Want != "allowed" && e.Want != "denied":
		return fmt.Sprintf("%s is allowed or denied, not %q", e.Action, e.Want)
	case !e.Action.OnField() && (e.Collection != "" || e.Field != ""):
		return fmt.Sprintf("%s is not about a field", e.Action)
	case e.Want == "hidden" || e.Want == "denied":
		negative = true
	}
	switch e.Reason {
	case ReasonNone:
		return ""
	case ReasonPolicy, ReasonPurpose, ReasonObjection, ReasonConsent, ReasonRestricted, ReasonExpired:
		if negative {
			return ""
		}
		return fmt.Sprintf("%s needs no reason", e.Want)
	default:
		return fmt.Sprintf("there is no reason %q", e.Reason)
	}
}

// answer words a decision as an Expectation does.
func (d *Decider) answer(a Action, f Field, s State) (string, Decision) {
	var dec Decision
	switch a.kind() {
	case onPerson:
		dec = d.PermitPersonIn(a, s)
	case onService:
		dec = d.PermitService(a)
	default:
		if a == ActionReveal {
			dec = d.Reveal(f, s)
			return dec.View.String(), dec
		}
		dec = d.Permit(a, f, s)
	}
	return worded(dec)
}

func worded(dec Decision) (string, Decision) {
	if dec.Allowed {
		return "allowed", dec
	}
	return "denied", dec
}

func because(r Reason) string {
	if r == ReasonNone {
		return ""
	}
	return fmt.Sprintf(" (%s)", r)
}
