package accessctl_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

// smallCatalog knows the purposes of factsOf, and one collection whose fields
// list support and billing.
type smallCatalog struct{}

func (smallCatalog) Field(collection, name string, p accessctl.Purpose) (accessctl.Field, bool) {
	f := field(collection + "." + name)
	f.Listed = p == "support" || p == "billing" || p == "marketing"
	return f, collection == "customer" && (name == "email" || name == "phone" || name == "illness")
}

func (smallCatalog) Purpose(p accessctl.Purpose) accessctl.PurposeFacts { return factsOf(p) }

func TestPolicyTest(t *testing.T) {
	p := parse(t, samplePolicy)
	sees := func(role accessctl.Role, purpose accessctl.Purpose, field, want string) accessctl.Expectation {
		return accessctl.Expectation{Roles: []accessctl.Role{role}, Purpose: purpose, Collection: "customer", Field: field, Want: want}
	}
	may := func(role accessctl.Role, a accessctl.Action, want string) accessctl.Expectation {
		return accessctl.Expectation{Roles: []accessctl.Role{role}, Action: a, Want: want}
	}
	with := func(e accessctl.Expectation, change func(*accessctl.Expectation)) accessctl.Expectation {
		change(&e)
		return e
	}
	for _, c := range []struct {
		name     string
		expect   accessctl.Expectation
		problem  string // empty: met
		policies []string
	}{
		{"a view", sees("support", "support", "email", "masked"), "", nil},
		{"another view", sees("support", "support", "email", "plain"), "wanted plain, got masked", []string{"support-masked"}},
		{"a view that is hidden", sees("support", "support", "illness", "masked"), "wanted masked, got hidden (policy)", []string{"no-health-for-support"}},
		{"hidden, for any reason", sees("support", "claims", "email", "hidden"), "", nil},
		{"hidden, for this reason", with(sees("support", "claims", "email", "hidden"), func(e *accessctl.Expectation) { e.Reason = "purpose" }), "", nil},
		{"hidden, for another reason", with(sees("support", "claims", "email", "hidden"), func(e *accessctl.Expectation) { e.Reason = "policy" }), "wanted hidden (policy), got it (purpose)", nil},
		{"consent", with(sees("marketing", "marketing", "email", "plain"), func(e *accessctl.Expectation) { e.Consent = accessctl.ConsentGranted }), "", nil},
		{"no consent", sees("marketing", "marketing", "email", "plain"), "wanted plain, got hidden (consent)", nil},
		{"restricted", with(sees("support", "support", "email", "hidden"), func(e *accessctl.Expectation) { e.Restricted, e.Reason = true, "restricted" }), "", nil},
		{"expired", with(sees("support", "support", "email", "hidden"), func(e *accessctl.Expectation) { e.Expired, e.Reason = true, "expired" }), "", nil},
		{"own", with(sees("subject", "self", "email", "plain"), func(e *accessctl.Expectation) { e.Own = true }), "", nil},
		{"an action", may("dpo", accessctl.ActionErase, "allowed"), "", nil},
		{"an action denied", may("support", accessctl.ActionErase, "denied"), "", nil},
		{"an action that is denied", may("support", accessctl.ActionErase, "allowed"), "wanted allowed, got denied (policy)", nil},
		{"a service action", may("operator", accessctl.ActionKeys, "allowed"), "", nil},
		{"own erasure", with(may("subject", accessctl.ActionErase, "allowed"), func(e *accessctl.Expectation) { e.Own = true }), "", nil},

		{"an unknown action", may("dpo", "destroy", "denied"), `there is no action "destroy"`, nil},
		{"an unknown field", sees("support", "support", "emial", "hidden"), "there is no field customer.emial", nil},
		{"no field", may("app", accessctl.ActionWrite, "denied"), "there is no field .", nil},
		{"a field of a person", with(sees("dpo", "", "email", "allowed"), func(e *accessctl.Expectation) { e.Action = accessctl.ActionErase }), "erase is not about a field", nil},
		{"a view of an action", may("dpo", accessctl.ActionErase, "hidden"), `erase is allowed or denied, not "hidden"`, nil},
		{"an answer to a view", sees("support", "support", "email", "allowed"), `reveal is plain, masked or hidden, not "allowed"`, nil},
		{"no answer", sees("support", "support", "email", ""), `not ""`, nil},
		{"reveal_masked", with(sees("support", "support", "email", "allowed"), func(e *accessctl.Expectation) { e.Action = accessctl.ActionRevealMasked }), "expect a view of reveal", nil},
		{"a reason for a permit", with(sees("support", "support", "email", "masked"), func(e *accessctl.Expectation) { e.Reason = "policy" }), "masked needs no reason", nil},
		{"an unknown reason", with(sees("support", "support", "illness", "hidden"), func(e *accessctl.Expectation) { e.Reason = "law" }), `there is no reason "law"`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			met := sees("support", "support", "email", "masked")
			got := p.Test([]accessctl.Expectation{met, c.expect}, smallCatalog{})
			if c.problem == "" {
				if len(got) > 0 {
					t.Errorf("failures: %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Index != 1 || !strings.Contains(got[0].Problem, c.problem) {
				t.Fatalf("failures: %+v, want %q of the second", got, c.problem)
			}
			if diff := cmp.Diff(c.policies, got[0].Policies); diff != "" {
				t.Error(diff)
			}
		})
	}
}
