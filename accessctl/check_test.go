package accessctl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

func checkSample(t testing.TB, text string) []string {
	t.Helper()
	fields := []accessctl.Field{field("customer.email"), field("customer.phone"), field("customer.illness"), field("invoice.total")}
	purposes := []accessctl.Purpose{"support", "billing", "marketing", "claims"}
	known := roles("app support billing marketing dpo operator subject")
	var out []string
	for _, f := range parse(t, text).Check(fields, purposes, known) {
		problem, cedars, _ := strings.Cut(f.Problem, "denies: ")
		if cedars != "" {
			problem += "denies"
		}
		out = append(out, fmt.Sprintf("%s: %s: %s", f.Policy.ID, f.Severity, problem))
	}
	return out
}

func TestCheckFindsNothingInAGoodPolicy(t *testing.T) {
	if diff := cmp.Diff([]string(nil), checkSample(t, samplePolicy)); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{
			"unknown action",
			`permit (principal in Role::"app", action == Action::"read", resource);`,
			[]string{`policy0: error: there is no Action::"read"`, "policy0: warning: it applies in no situation"},
		},
		{
			"unknown field in a forbid",
			`forbid (principal, action, resource == Field::"customer.emial");`,
			[]string{`policy0: error: there is no Field::"customer.emial"`, "policy0: warning: it applies in no situation"},
		},
		{
			"unknown collection and classification in a condition",
			`permit (principal in Role::"app", action, resource) when { resource in [Collection::"customers", Classification::"contacts"] };`,
			[]string{
				`policy0: error: there is no Collection::"customers"`, `policy0: error: there is no Classification::"contacts"`,
				"policy0: warning: it applies in no situation",
			},
		},
		{
			"unknown entity types",
			`permit (principal is User, action, resource in Table::"customer");`,
			[]string{"policy0: error: there is no entity type User", "policy0: error: there is no entity type Table", "policy0: warning: it applies in no situation"},
		},
		{
			"no such person, service or caller",
			`permit (principal == Caller::"alice", action, resource) when { resource == Person::"c-17" || resource == Service::"keys" };`,
			[]string{
				`policy0: error: there is no Caller::"alice"`, `policy0: error: there is no Person::"c-17"`,
				`policy0: error: there is no Service::"keys"`, "policy0: warning: it applies in no situation",
			},
		},
		{
			"unknown role",
			`permit (principal in Role::"suport", action, resource);`,
			[]string{`policy0: warning: no token is known to carry the role "suport"`},
		},
		{
			"unknown purpose, basis and consent",
			`permit (principal in Role::"app", action, resource) when { context.purpose == "suport" || context.basis == "Contract" || "yes" == context.consent };`,
			[]string{
				`policy0: error: context.purpose is never "suport"`, `policy0: error: context.basis is never "Contract"`,
				`policy0: error: context.consent is never "yes"`, "policy0: warning: it applies in no situation",
			},
		},
		{
			"unknown purpose in a set",
			`permit (principal in Role::"app", action, resource) when { ["support", "suport"].contains(context.purpose) };`,
			[]string{`policy0: error: context.purpose is never "suport"`},
		},
		{
			"a Bool compared with a text",
			`forbid (principal, action, resource) when { context.restricted != "true" };`,
			[]string{`policy0: error: context.restricted is never "true"`},
		},
		{
			"unknown attribute",
			`forbid (principal, action == Action::"reveal", resource) when { context.purposes == "support" };`,
			[]string{
				`policy0: error: the context has no attribute "purposes"`,
				"policy0: error: it cannot be evaluated for reveal, which denies",
			},
		},
		{
			"attribute of an entity",
			`permit (principal in Role::"app", action == Action::"write", resource) unless { resource has owner && principal.id == "x" };`,
			[]string{`policy0: error: resource has no attributes, "owner" neither`, `policy0: error: principal has no attributes, "id" neither`},
		},
		{
			"fails in one state only",
			`forbid (principal, action == Action::"search", resource) when { context.restricted && context.consent == "refused" && context.expired < 3 };`,
			[]string{"policy0: error: it cannot be evaluated for search, which denies"},
		},
		{
			"fails for one purpose, basis and set of roles only",
			`permit (principal in Role::"app", action == Action::"reveal", resource in Collection::"invoice")
			 when { context.purpose != "claims" || context.basis != "vital_interests" || !(principal in Role::"dpo") || -9223372036854775808 - 1 < 0 };`,
			[]string{"policy0: error: it cannot be evaluated for reveal, which denies"},
		},
		{
			"conditions that exclude each other",
			`permit (principal in Role::"app", action == Action::"reveal", resource) when { context.purpose == "support" } unless { context.purpose == "support" };`,
			[]string{"policy0: warning: it applies in no situation"},
		},
		{
			"an action on the wrong resource",
			`permit (principal in Role::"dpo", action == Action::"erase", resource is Field);`,
			[]string{"policy0: warning: it applies in no situation"},
		},
		{
			"own data of staff",
			`permit (principal in Role::"subject", action == Action::"reveal", resource) unless { context.own };`,
			[]string{"policy0: warning: it applies in no situation"},
		},
		{
			"opens only in a worse state",
			`permit (principal in Role::"app", action == Action::"reveal", resource) when { context.consent == "withdrawn" };`,
			[]string{"policy0: warning: it permits only in a worse state than the ideal one, which opens nothing"},
		},
		{
			"permits everybody",
			`permit (principal, action == Action::"reveal", resource); forbid (principal, action == Action::"erase", resource);`,
			[]string{"policy0: warning: it permits callers who hold no role"},
		},
		{
			"twice the same",
			`@id("a") permit (principal in Role::"app", action, resource) when { context.own };
			 @id("b") permit(principal in Role::"app",action,resource) // again
			  when {context.own};
			 @id("c") forbid (principal in Role::"app", action, resource) when { context.own };`,
			[]string{"b: warning: it says the same as a in line 1"},
		},
		{
			"the context as a whole",
			`permit (principal in Role::"app", action == Action::"reveal", resource) when { context == {"own": true} };`,
			[]string{"policy0: warning: it applies in no situation"},
		},
		{
			"the context as a whole, which fails in all states but one",
			`permit (principal in Role::"app", action == Action::"reveal", resource) when {
			 if context.own || context == {"purpose": "support", "basis": "consent", "consent": "granted", "restricted": false, "expired": false, "own": false, "listed": true, "match": ""}
			 then true else -9223372036854775808 - 1 < 0 };`,
			[]string{"policy0: error: it cannot be evaluated for reveal, which denies"},
		},
		{
			"a service of one's own",
			`permit (principal in Role::"subject", action == Action::"keys", resource) when { context.own };
			 permit (principal, action == Action::"keys", resource) when { context.own };`,
			[]string{"policy0: warning: it applies in no situation", "policy1: warning: it applies in no situation"},
		},
		{
			"an action taken from the condition",
			`permit (principal in Role::"app", action, resource) when { action == Action::"write" && resource is Field };`,
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, checkSample(t, c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckWithoutRolesKnowsAll(t *testing.T) {
	p := parse(t, `permit (principal in Role::"anything", action, resource);`)
	if got := p.Check([]accessctl.Field{field("customer.email")}, nil, nil); len(got) > 0 {
		t.Errorf("findings: %v", got)
	}
}

func TestFindingSaysWhere(t *testing.T) {
	p := parse(t, "\n\n  @id(\"x\") permit (principal in Role::\"app\", action == Action::\"reed\", resource);")
	got := p.Check(nil, nil, nil)
	want := accessctl.Finding{
		Severity: accessctl.SeverityError,
		Policy:   accessctl.PolicyRef{ID: "x", Line: 3, Column: 3},
		Problem:  `there is no Action::"reed"`,
	}
	if len(got) == 0 || got[0] != want || got[0].String() != `line 3: error: x: there is no Action::"reed"` {
		t.Errorf("findings: %v", got)
	}
}

// TestCheckIsBounded: a policy with more situations than are walked says so.
func TestCheckIsBounded(t *testing.T) {
	pacetest.NeedTime(t)
	var fields []accessctl.Field
	var purposes []accessctl.Purpose
	var text strings.Builder
	text.WriteString(`permit (principal in Role::"a", action, resource) when { context.purpose == "p1" && context.basis == "consent" && context.restricted && context.consent == "none" && [`)
	for i := range 40 {
		fields = append(fields, field(fmt.Sprintf("customer.f%d", i)))
		purposes = append(purposes, accessctl.Purpose(fmt.Sprintf("p%d", i)))
		fmt.Fprintf(&text, `Field::"customer.f%d",`, i)
	}
	text.WriteString(`].contains(resource) };`)
	got := parse(t, text.String()).Check(fields, purposes, nil)
	if len(got) == 0 || !strings.Contains(got[0].Problem, "of its situations were looked at") {
		t.Errorf("findings: %v", got)
	}
}
