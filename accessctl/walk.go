package accessctl

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go/types"
)

// MaxWalk is how many situations [Policy.Check] walks at most: about a
// second's work.
const MaxWalk = 1 << 18

// situation is one input of a policy that can arise.
type situation struct {
	principal types.Entity
	roleless  bool
	purpose   Purpose
	basis     Basis
	question  question
}

// walk evaluates the rule in every situation and reports what that shows.
func (c *checker) walk(m mentions) {
	one, walked := subset{c.rule}, 0
	var applies, ideally, roleless bool
	for s := range c.situations(m) {
		if walked == c.share {
			c.warn("only %d of its situations were looked at", walked)
			return
		}
		walked++
		c.budget--
		v := one.authorize(s.principal, s.purpose, s.basis, s.question)
		if len(v.failures) > 0 {
			c.fail("it cannot be evaluated for %s, which denies: %s", s.question.action, v.failures[0].Message)
			return
		}
		if len(v.policies) > 0 {
			applies = true
			ideally = ideally || len(flaws(s.question)) == 0
			roleless = roleless || s.roleless
		}
	}
	switch {
	case !applies:
		c.warn("it applies in no situation")
	case c.rule.permits() && !ideally:
		c.warn("it permits only in a worse state than the ideal one, which opens nothing")
	}
	if applies && c.rule.permits() && roleless {
		c.warn("it permits callers who hold no role")
	}
}

// situations yields every input that the rule can tell from another.
func (c *checker) situations(m mentions) iter.Seq[situation] {
	return func(yield func(situation) bool) {
		for _, roles := range roleSets(m.mentioned()) {
			s := situation{principal: principal(roles), roleless: len(roles) == 0}
			for _, own := range owns(m, roles) {
				for _, a := range c.rule.actions() {
					for q := range c.questions(m, a, own) {
						s.question = q
						if !c.purposed(m, s, yield) {
							return
						}
					}
				}
			}
		}
	}
}

// roleSets returns the subsets of the roles; of many only the smallest and the
// largest.
func roleSets(roles []Role) [][]Role {
	if len(roles) > 6 {
		sets := [][]Role{nil, roles}
		for _, r := range roles {
			sets = append(sets, []Role{r})
		}
		return sets
	}
	sets := make([][]Role, 0, 1<<len(roles))
	for mask := range 1 << len(roles) {
		var set []Role
		for i, r := range roles {
			if mask&(1<<i) != 0 {
				set = append(set, r)
			}
		}
		sets = append(sets, set)
	}
	return sets
}

// owns returns whether the data can be the caller's own: exactly if they are a
// person.
func owns(m mentions, roles []Role) []bool {
	if slices.Contains(m.mentioned(), RoleSubject) {
		return []bool{slices.Contains(roles, RoleSubject)}
	}
	return []bool{false, true}
}

// questions yields every resource and state for the action.
func (c *checker) questions(m mentions, a Action, own bool) iter.Seq[question] {
	return func(yield func(question) bool) {
		if a.kind() != onField {
			if own && a.kind() == onService {
				return // nobody's own
			}
			for s := range personStates(m, a, own) {
				if !yield(question{action: a, state: s}) {
					return
				}
			}
			return
		}
		for _, f := range c.classes(m) {
			for _, st := range states(m) {
				f.Listed = st.listed
				st.Own = own
				for _, match := range matches(m, a) {
					if !yield(question{action: a, match: match, field: f, state: st.State}) {
						return
					}
				}
			}
		}
	}
}

// matches returns the ways to search that the rule can tell apart.
func matches(m mentions, a Action) []Match {
	switch {
	case a != ActionSearch:
		return []Match{""}
	case !m.looksAt("match"):
		return []Match{MatchEquals}
	}
	return Matches()
}

// personStates yields every state of a person that the rule can tell from another for
// the action, which is not one on a field.
func personStates(m mentions, a Action, own bool) iter.Seq[State] {
	return func(yield func(State) bool) {
		if !a.NeedsPurpose() {
			yield(State{Own: own})
			return
		}
		seen := map[State]bool{}
		for _, st := range states(m) {
			st.Own = own
			s := a.personState(st.State)
			if !seen[s] && !yield(s) {
				return
			}
			seen[s] = true
		}
	}
}

// classes returns one field for each set of fields that the rule cannot tell
// apart: they are in the same of the entities that it mentions.
func (c *checker) classes(m mentions) []Field {
	var fields []Field
	seen := map[string]bool{}
	for _, f := range c.cat {
		q := question{action: ActionReveal, field: f}
		e := q.resource()
		signature := make([]byte, len(m.entities))
		for i, uid := range m.entities {
			if e.UID == uid || e.Parents.Contains(uid) {
				signature[i] = 1
			}
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			fields = append(fields, f)
		}
	}
	return fields
}

type listedState struct {
	State
	listed bool
}

// states returns every state that the rule can tell from another; of a fact that
// it does not look at only the ideal.
func states(m mentions) []listedState {
	list := []listedState{{State{Consent: ConsentGranted}, true}}
	vary := func(name string, worsen func(*listedState)) {
		if !m.looksAt(name) {
			return
		}
		for _, s := range slices.Clone(list) {
			worsen(&s)
			list = append(list, s)
		}
	}
	vary("restricted", func(s *listedState) { s.Restricted = true })
	vary("expired", func(s *listedState) { s.Expired = true })
	vary("listed", func(s *listedState) { s.listed = false })
	if m.looksAt("consent") {
		for _, s := range slices.Clone(list) {
			for _, consent := range Consents() {
				if consent != s.Consent {
					list = append(list, listedState{State{consent, s.Restricted, s.Expired, s.Own}, s.listed})
				}
			}
		}
	}
	return list
}

// purposed yields the situation under every purpose and basis.
func (c *checker) purposed(m mentions, s situation, yield func(situation) bool) bool {
	purposes, bases := c.purposes, Bases()
	if !m.looksAt("purpose") && len(purposes) > 1 {
		purposes = purposes[:1]
	}
	if !m.looksAt("basis") {
		bases = bases[:1]
	}
	for _, s.purpose = range purposes {
		for _, s.basis = range bases {
			if !yield(s) {
				return false
			}
		}
	}
	if s.question.state.Own {
		s.purpose, s.basis = PurposeSelf, BasisLegalObligation
		if !yield(s) {
			return false
		}
	}
	if s.question.action.NeedsPurpose() {
		return true
	}
	s.purpose, s.basis = "", ""
	return yield(s)
}

// looksAt reports whether the rule looks at the attribute of the context, or at
// the context as a whole.
func (m mentions) looksAt(name string) bool {
	accesses := 0
	for _, a := range m.attributes {
		if a.of != "context" {
			continue
		}
		if a.name == name {
			return true
		}
		accesses++
	}
	return m.contexts > accesses
}
