package rights

import "slices"

// Reason is why a request is refused, wholly or in part, or takes longer. It is a code;
// the words to the person are built from it.
type Reason string

// The reasons to extend: GDPR Art. 12(3), Cal. Civ. Code 1798.145(h)(1).
const (
	Complexity       Reason = "complexity"
	NumberOfRequests Reason = "number_of_requests"
)

// The reasons to refuse. Which fit which kind, [Reasons] says.
const (
	ManifestlyUnfounded Reason = "manifestly_unfounded"  // GDPR Art. 12(5); Cal. Civ. Code 1798.145(h)(3)
	Excessive           Reason = "excessive"             // the same
	IdentityNotProven   Reason = "identity_not_proven"   // GDPR Arts 11(2), 12(2), 12(6); 11 CCR 7021(b)
	NoData              Reason = "no_data"               // nothing is held on the person
	LegalClaims         Reason = "legal_claims"          // GDPR Arts 17(3)(e), 21(1)
	LegalObligation     Reason = "legal_obligation"      // GDPR Arts 17(3)(b), 23; Cal. Civ. Code 1798.105(d)(8)
	RightsOfOthers      Reason = "rights_of_others"      // GDPR Arts 15(4), 20(4); Cal. Civ. Code 1798.145(k)
	CompellingGrounds   Reason = "compelling_grounds"    // GDPR Art. 21(1); never for direct marketing
	FreedomOfExpression Reason = "freedom_of_expression" // GDPR Art. 17(3)(a); Cal. Civ. Code 1798.105(d)(4)
	PublicHealth        Reason = "public_health"         // GDPR Art. 17(3)(c)
	ArchivingResearch   Reason = "archiving_research"    // GDPR Arts 17(3)(d), 21(6), 89(2); Cal. Civ. Code 1798.105(d)(6)
	StillNeeded         Reason = "still_needed"          // no ground of GDPR Art. 17(1); Cal. Civ. Code 1798.105(d)(1)
	ConditionsNotMet    Reason = "conditions_not_met"    // the right does not reach the case: GDPR Arts 18(1), 20(1), 21(1)
	Accurate            Reason = "accurate"              // what is held is right: GDPR Art. 16; 11 CCR 7023(b)
	Fraudulent          Reason = "fraudulent"            // 11 CCR 7026(e)
)

// AllReasons returns every reason, in the order above.
func AllReasons() []Reason {
	return []Reason{
		Complexity, NumberOfRequests, ManifestlyUnfounded, Excessive, IdentityNotProven, NoData, LegalClaims,
		LegalObligation, RightsOfOthers, CompellingGrounds, FreedomOfExpression, PublicHealth, ArchivingResearch,
		StillNeeded, ConditionsNotMet, Accurate, Fraudulent,
	}
}

// MarshalText gives the name; ErrName if r is none of the reasons. A request without a
// reason leaves it out.
func (r Reason) MarshalText() ([]byte, error) { return marshal(AllReasons(), r) }

// UnmarshalText accepts the name of a reason and nothing else; ErrName otherwise.
func (r *Reason) UnmarshalText(b []byte) error { return unmarshal(AllReasons(), r, b) }

// Reasons returns the reasons that fit a step of the request as it stands, in the order
// of [AllReasons]; nil for steps that take none.
//
// To refuse: those of the request's kind. As long as proof of identity is needed and
// lacks, only those that do not tell a stranger whether there is data; that it was not
// proven is among them once it was asked for. To complete: why a part was not done.
func Reasons(r Request, step StepKind, rules Rules) []Reason {
	switch step {
	case Extend:
		return []Reason{Complexity, NumberOfRequests}
	case Refuse:
		return refusals(r, rules)
	case Complete:
		return ofKind(r)
	default:
		return nil
	}
}

func refusals(r Request, rules Rules) []Reason {
	fit := []Reason{ManifestlyUnfounded, Excessive}
	if !rules.proofLacks(r) {
		return append(fit, ofKind(r)...)
	}
	if !r.IdentityAsked.IsZero() {
		fit = append(fit, IdentityNotProven)
	}
	return fit
}

// ofKind returns the reasons that lie in the right itself.
func ofKind(r Request) []Reason {
	switch r.Kind {
	case Access:
		return []Reason{NoData, LegalObligation, RightsOfOthers}
	case Portability:
		return []Reason{NoData, RightsOfOthers, ConditionsNotMet}
	case Rectification:
		return []Reason{NoData, LegalObligation, ArchivingResearch, Accurate}
	case Erasure:
		return []Reason{NoData, LegalClaims, LegalObligation, FreedomOfExpression, PublicHealth, ArchivingResearch, StillNeeded}
	case Restriction:
		return []Reason{NoData, ArchivingResearch, ConditionsNotMet}
	case Objection:
		if r.Marketing {
			return nil // GDPR Art. 21(3): absolute
		}
		return []Reason{NoData, LegalClaims, CompellingGrounds, ArchivingResearch, ConditionsNotMet}
	case OptOut:
		return []Reason{Fraudulent}
	case Question:
		return []Reason{NoData, RightsOfOthers}
	}
	return nil
}

// fits reports whether the reason may go with the step; none at all may go with a
// completion, and must with a step that takes no reason.
func fits(r Request, s Step, rules Rules) bool {
	possible := Reasons(r, s.Do, rules)
	if s.Reason == "" {
		return s.Do == Complete || possible == nil
	}
	return slices.Contains(possible, s.Reason)
}
