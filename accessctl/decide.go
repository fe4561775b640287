package accessctl

import (
	"slices"

	"github.com/cedar-policy/cedar-go/types"
)

// standing is how a caller stands towards the purpose named.
type standing uint8

const (
	purposeMissing standing = iota // none was named
	purposeUnknown                 // not in the catalog, or of no legal basis
	purposeOutside                 // the token was narrowed away from it
	purposeGood
	purposeSelf // PurposeSelf, within the token
)

// roleSet is the roles that a caller holds of those that a policy mentions.
type roleSet [MaxRoles / 64]uint64

// who is all of a caller that a decision may depend on: no tenant, no name.
type who struct {
	roles    roleSet
	person   bool
	standing standing
	purpose  Purpose // empty if missing or unknown
	basis    Basis
	despite  bool
}

// profile is what the callers who are alike for a policy have in common.
type profile struct {
	who
	principal types.Entity
	decisions memo[question, Decision]
}

// question is one thing to decide. It is comparable: it is the key of the memo.
type question struct {
	view   bool // what may be seen of the field, not whether the action is permitted
	action Action
	match  Match // of ActionSearch; else empty
	field  Field // zero unless the action is on a field
	state  State
}

// Decider answers for one caller, in one request. Its answers depend only on the
// arguments, and are remembered. It is safe for concurrent use, though a request
// hardly needs that. The zero Decider denies everything.
type Decider struct {
	policy  *Policy
	table   *tables
	profile *profile // nil: the caller contradicts itself, everything is denied
}

// For returns a Decider for the caller. The facts are the catalog's, for
// c.Purpose. A caller who holds [RoleSubject] without a Person, or a Person
// without the role, is denied everything.
func (p *Policy) For(c Caller, facts PurposeFacts) *Decider {
	if c.IsPerson() != (c.Person != "") {
		return &Decider{}
	}
	w := who{person: c.IsPerson()}
	for _, r := range c.Roles {
		if i, ok := p.roles[r]; ok {
			w.roles[i/64] |= 1 << (i % 64)
		}
	}
	w.stand(c, facts)
	t := p.table()
	pr, ok := t.profiles.get(w)
	if !ok {
		var added bool
		pr, added = t.profiles.add(w, &profile{who: w, principal: principal(p.held(w.roles))})
		if added {
			p.count(t)
		}
	}
	return &Decider{policy: p, table: t, profile: pr}
}

// stand fills in what follows from the purpose.
func (w *who) stand(c Caller, facts PurposeFacts) {
	outside := c.Narrowed && !slices.Contains(c.Purposes, c.Purpose)
	switch {
	case c.Purpose == "":
		w.standing = purposeMissing
		return
	case c.Purpose == PurposeSelf:
		w.standing = purposeSelf
		facts = PurposeFacts{Known: true, Basis: BasisLegalObligation, DespiteRestriction: true}
	case !facts.Known || !facts.Basis.Valid():
		w.standing = purposeUnknown
		return
	default:
		w.standing = purposeGood
	}
	if outside {
		w.standing = purposeOutside
	}
	w.purpose, w.basis, w.despite = c.Purpose, facts.Basis, facts.DespiteRestriction
}

// held returns the roles of a set.
func (p *Policy) held(set roleSet) []Role {
	var roles []Role
	for r, i := range p.roles {
		if set[i/64]&(1<<(i%64)) != 0 {
			roles = append(roles, r)
		}
	}
	slices.Sort(roles)
	return roles
}

// Reveal says what the caller gets to see of the field: Plain if the policy
// permits [ActionReveal], else Masked if it permits [ActionRevealMasked], else
// nothing; and nothing if an embedded rule says so, or if any policy fails.
func (d *Decider) Reveal(f Field, s State) Decision {
	return d.decide(question{view: true, action: ActionReveal, field: f, state: s})
}

// Permit says whether the caller may do a, an action on a field, where the
// person is in state s. An action of another kind is denied. ActionExport permits
// to ask for everything: whoever hands out a value under it needs Reveal as well.
// ActionSearch is by equality; see [Decider.PermitSearch].
func (d *Decider) Permit(a Action, f Field, s State) Decision {
	if a.kind() != onField {
		return Decision{Reason: ReasonPolicy}
	}
	return d.decide(question{action: a, field: f, state: s})
}

// PermitPerson says whether the caller may do a, an action on a person as a
// whole; own says that the caller is that person. An action of another kind is
// denied. One that needs a purpose depends on the person's state: it is answered
// for a person who never consented; see [Decider.PermitPersonIn].
func (d *Decider) PermitPerson(a Action, own bool) Decision {
	return d.PermitPersonIn(a, State{Own: own})
}

// PermitPersonIn is PermitPerson for a person in state s. Of the state only Own
// counts unless the action needs a purpose, and Expired never does.
func (d *Decider) PermitPersonIn(a Action, s State) Decision {
	if a.kind() != onPerson {
		return Decision{Reason: ReasonPolicy}
	}
	return d.decide(question{action: a, state: a.personState(s)})
}

// personState is what of a state counts for an action on a person.
func (a Action) personState(s State) State {
	if a.NeedsPurpose() {
		return State{Consent: s.Consent, Restricted: s.Restricted, Own: s.Own}
	}
	return State{Own: s.Own}
}

// PermitService says whether the caller may do a, an action on the service. An
// action of another kind is denied, and so is a caller who holds [RoleSubject]:
// the service is nobody's own data.
func (d *Decider) PermitService(a Action) Decision {
	if a.kind() != onService {
		return Decision{Reason: ReasonPolicy}
	}
	return d.decide(question{action: a})
}

// MayKnow reports whether the caller may learn whether the person exists: if
// they would get at least a masked value of one of the fields under their
// purpose from a person who is live, consents and is not restricted. If not, all
// that is true of the person must answer alike.
func (d *Decider) MayKnow(fields []Field, own bool) bool {
	ideal := State{Consent: ConsentGranted, Own: own}
	return slices.ContainsFunc(fields, func(f Field) bool { return d.Reveal(f, ideal).Allowed })
}

// Has reports whether the caller's roles hold the action at all, under their
// purpose: on any of the fields if they listed the purpose, of a person in the
// ideal state, who is the caller if the caller is a person. If not, the request
// can be refused before anybody is looked up. For ActionReveal the masked view
// suffices. For actions on a person or on the service the fields do not matter.
func (d *Decider) Has(a Action, fields []Field) bool {
	ideal := State{Consent: ConsentGranted, Own: d.profile != nil && d.profile.person}
	switch a.kind() {
	case onPerson:
		return d.PermitPersonIn(a, ideal).Allowed
	case onService:
		return d.PermitService(a).Allowed
	case onField:
	default:
		return false
	}
	return slices.ContainsFunc(fields, func(f Field) bool {
		f.Listed = true
		if a == ActionReveal {
			return d.Reveal(f, ideal).Allowed
		}
		return d.Permit(a, f, ideal).Allowed
	})
}

// decide answers from memory, or works the answer out.
func (d *Decider) decide(q question) Decision {
	if d.profile == nil {
		return Decision{Reason: ReasonPolicy}
	}
	q = d.normal(q)
	if dec, ok := d.profile.decisions.get(q); ok {
		return dec
	}
	dec, added := d.profile.decisions.add(q, d.work(q).decision)
	if added {
		d.policy.count(d.table)
	}
	return dec
}

// normal is the question as the rules see it: under PurposeSelf every field
// counts as listed, and a search is by equality unless it says otherwise.
func (d *Decider) normal(q question) question {
	if q.action == ActionSearch && q.match == "" {
		q.match = MatchEquals
	}
	if d.profile.standing == purposeSelf {
		q.field.Listed = q.action.kind() == onField
	}
	return q
}
