package accessctl

import (
	"fmt"
	"strings"

	"github.com/cedar-policy/cedar-go"
)

// Explanation says how a decision came about. It holds names of the catalog and
// the policy, and nothing of a person but the state that was asked about.
type Explanation struct {
	Decision    Decision
	Rule        string       // the embedded rule that decided, in words; empty if none did
	Actual      []Step       // what the policies say in the state as it is; none if an embedded rule decided before
	Ideal       []Step       // what they say in the ideal state, asked only to find the reason
	Diagnostics []Diagnostic // policies that could not be evaluated
}

// Step is the policies' answer for one action.
type Step struct {
	Action    Action
	Permitted bool
	Policies  []PolicyRef // what determined it: permits, else forbids or policies that failed, else none
}

// PolicyRef names a policy and where it stands in the text.
type PolicyRef struct {
	ID           string
	Line, Column int
}

// Diagnostic is a policy whose evaluation failed, which denies.
type Diagnostic struct {
	Policy  PolicyRef
	Problem string // Cedar's words
}

// Explain says why [Decider.Reveal] answers as it does.
func (d *Decider) Explain(f Field, s State) Explanation {
	return d.explain(question{view: true, action: ActionReveal, field: f, state: s})
}

// ExplainPermit says why [Decider.Permit], [Decider.PermitPerson] or
// [Decider.PermitService], whichever fits the action, answers as it does. For an
// action on a person or the service the field does not matter, and of the state
// only Own does, unless the action needs a purpose: see [Decider.PermitPersonIn].
func (d *Decider) ExplainPermit(a Action, f Field, s State) Explanation {
	switch a.kind() {
	case onField:
		return d.explain(question{action: a, field: f, state: s})
	case onPerson:
		return d.explain(question{action: a, state: a.personState(s)})
	case onService:
		return d.explain(question{action: a})
	default:
		return Explanation{Decision: Decision{Reason: ReasonPolicy}, Rule: "there is no such action"}
	}
}

func (d *Decider) explain(q question) Explanation {
	if d.profile == nil {
		return Explanation{
			Decision: Decision{Reason: ReasonPolicy},
			Rule:     "the role subject and the person's id come together or not at all",
		}
	}
	w := d.work(d.normal(q))
	e := Explanation{Decision: w.decision, Rule: w.rule}
	e.Actual, e.Diagnostics = d.steps(q, w.actual)
	ideal, failures := d.steps(q, w.ideal)
	e.Ideal = ideal
	if len(e.Diagnostics) == 0 {
		e.Diagnostics = failures
	}
	return e
}

// steps words an opinion.
func (d *Decider) steps(q question, o opinion) ([]Step, []Diagnostic) {
	if !o.asked {
		return nil, nil
	}
	steps := []Step{d.step(q.action, o.plain)}
	if q.view && o.view != Plain && len(o.plain.failures) == 0 {
		steps = append(steps, d.step(ActionRevealMasked, o.masked))
	}
	var failures []Diagnostic
	for _, list := range [][]cedar.DiagnosticError{o.plain.failures, o.masked.failures} {
		for _, f := range list {
			failures = append(failures, Diagnostic{Policy: d.policy.ref(string(f.PolicyID)), Problem: f.Message})
		}
	}
	return steps, failures
}

func (d *Decider) step(a Action, v verdict) Step {
	s := Step{Action: a, Permitted: v.permitted}
	for _, id := range v.policies {
		s.Policies = append(s.Policies, d.policy.ref(id))
	}
	return s
}

func (p *Policy) ref(id string) PolicyRef {
	for _, r := range p.rules {
		if r.id == id {
			return PolicyRef{ID: id, Line: r.line, Column: r.column}
		}
	}
	return PolicyRef{ID: id}
}

// String says it in sentences, one a line.
func (e Explanation) String() string {
	var b strings.Builder
	switch {
	case e.Decision.View != Hidden:
		fmt.Fprintf(&b, "The caller sees the field %s.\n", e.Decision.View)
	case e.Decision.Allowed:
		b.WriteString("The action is permitted.\n")
	default:
		fmt.Fprintf(&b, "It is denied: %s.\n", e.Decision.Reason)
	}
	if e.Rule != "" {
		fmt.Fprintf(&b, "An embedded rule, which no policy can override: %s.\n", e.Rule)
	}
	for _, s := range e.Actual {
		fmt.Fprintf(&b, "%s: %s.\n", s.Action, s.words())
	}
	for _, s := range e.Ideal {
		fmt.Fprintf(&b, "%s, with consent, unrestricted, unexpired and the purpose listed: %s.\n", s.Action, s.words())
	}
	for _, f := range e.Diagnostics {
		fmt.Fprintf(&b, "Policy %s (line %d) cannot be evaluated, which denies: %s.\n", f.Policy.ID, f.Policy.Line, f.Problem)
	}
	return b.String()
}

func (s Step) words() string {
	verb := "denied"
	if s.Permitted {
		verb = "permitted"
	}
	if len(s.Policies) == 0 {
		return verb + ", no policy permits it"
	}
	names := make([]string, len(s.Policies))
	for i, p := range s.Policies {
		names[i] = fmt.Sprintf("%s (line %d)", p.ID, p.Line)
	}
	return verb + " by " + strings.Join(names, ", ")
}
