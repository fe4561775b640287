package accessctl

// Match says in what way a search compares values. What is more than equality can be
// asked again and again until the value is known, character by character.
type Match string

// The ways.
const (
	MatchEquals   Match = "equals"   // the value is known to the caller
	MatchPrefix   Match = "prefix"   // the value begins so
	MatchContains Match = "contains" // the value has this in it
	MatchRange    Match = "range"    // the value is between two
)

// Matches returns all.
func Matches() []Match { return []Match{MatchEquals, MatchPrefix, MatchContains, MatchRange} }

func (m Match) valid() bool {
	switch m {
	case MatchEquals, MatchPrefix, MatchContains, MatchRange:
		return true
	default:
		return false
	}
}

// PermitSearch says whether the caller may find a person in state s by the field, in this
// way. Whatever the policies say of [ActionSearch], more than equality needs that
// [Decider.Reveal] gives the value in plain, in the same state: who sees a mask, or
// nothing, could else find out what is behind it. An unknown way is denied.
func (d *Decider) PermitSearch(m Match, f Field, s State) Decision {
	if !m.valid() {
		return Decision{Reason: ReasonPolicy}
	}
	dec := d.decide(question{action: ActionSearch, match: m, field: f, state: s})
	if !dec.Allowed || m == MatchEquals {
		return dec
	}
	switch seen := d.Reveal(f, s); {
	case seen.View == Plain:
		return dec
	case seen.Allowed:
		return Decision{Reason: ReasonPolicy, Policies: seen.Policies}
	default:
		return Decision{Reason: seen.Reason, Policies: seen.Policies}
	}
}

// ExplainSearch says why PermitSearch answers as it does.
func (d *Decider) ExplainSearch(m Match, f Field, s State) Explanation {
	e := d.explain(question{action: ActionSearch, match: m, field: f, state: s})
	if dec := d.PermitSearch(m, f, s); e.Decision.Allowed && !dec.Allowed {
		e.Decision, e.Rule = dec, "a search by more than equality needs that the caller sees the field in plain"
	}
	return e
}

// HasSearch is Has for a search in this way.
func (d *Decider) HasSearch(m Match, f Field) bool {
	f.Listed = true
	own := d.profile != nil && d.profile.person
	return d.PermitSearch(m, f, State{Consent: ConsentGranted, Own: own}).Allowed
}
