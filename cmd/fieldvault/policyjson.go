package main

import "github.com/fieldvault/fieldvault/accessctl"

// What the policy verbs print with --json. The names of the members are promised
// to scripts, those of accessctl's types are not.
type (
	policyRef struct {
		ID     string `json:"id"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	}
	policyFinding struct {
		Severity accessctl.Severity `json:"severity"`
		Policy   policyRef          `json:"policy"`
		Problem  string             `json:"problem"`
	}
	testFailure struct {
		Expectation int      `json:"expectation"` // from 1
		Problem     string   `json:"problem"`
		Policies    []string `json:"policies"`
	}
	explanation struct {
		Allowed     bool             `json:"allowed"`
		View        accessctl.View   `json:"view"`
		Reason      accessctl.Reason `json:"reason,omitempty"`
		Rule        string           `json:"rule,omitempty"` // the embedded rule that decided
		Policies    []string         `json:"policies"`
		Actual      []explainStep    `json:"actual"`
		Ideal       []explainStep    `json:"ideal"`
		Diagnostics []diagnostic     `json:"diagnostics"`
	}
	explainStep struct {
		Action    accessctl.Action `json:"action"`
		Permitted bool             `json:"permitted"`
		Policies  []policyRef      `json:"policies"`
	}
	diagnostic struct {
		Policy  policyRef `json:"policy"`
		Problem string    `json:"problem"`
	}
)

func explanationOf(e accessctl.Explanation) explanation {
	out := explanation{
		Allowed: e.Decision.Allowed, View: e.Decision.View, Reason: e.Decision.Reason, Rule: e.Rule,
		Policies: append([]string{}, e.Decision.Policies...),
		Actual:   stepsOf(e.Actual), Ideal: stepsOf(e.Ideal), Diagnostics: []diagnostic{},
	}
	for _, d := range e.Diagnostics {
		out.Diagnostics = append(out.Diagnostics, diagnostic{Policy: policyRef(d.Policy), Problem: d.Problem})
	}
	return out
}

func stepsOf(steps []accessctl.Step) []explainStep {
	out := make([]explainStep, len(steps))
	for i, s := range steps {
		out[i] = explainStep{Action: s.Action, Permitted: s.Permitted, Policies: []policyRef{}}
		for _, p := range s.Policies {
			out[i].Policies = append(out[i].Policies, policyRef(p))
		}
	}
	return out
}
