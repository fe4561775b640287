package accessctl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

func TestExplain(t *testing.T) {
	failing := samplePolicy + `@id("broken") forbid (principal in Role::"app", action, resource) when { context.nothing };`
	for _, c := range []struct {
		name, text string
		role       accessctl.Role
		purpose    accessctl.Purpose
		field      string
		want       string
	}{
		{
			"plain", samplePolicy, "billing", "billing", "customer.email",
			"The caller sees the field plain.\nreveal: permitted by billing-plain (line 5).\n",
		},
		{
			"masked", samplePolicy, "support", "support", "customer.email",
			"The caller sees the field masked.\nreveal: denied, no policy permits it.\nreveal_masked: permitted by support-masked (line 2).\n",
		},
		{
			"forbidden", samplePolicy, "support", "support", "customer.illness",
			"It is denied: policy.\nreveal: denied by no-health-for-support (line 29).\nreveal_masked: denied by no-health-for-support (line 29).\n" +
				"reveal, with consent, unrestricted, unexpired and the purpose listed: denied by no-health-for-support (line 29).\n" +
				"reveal_masked, with consent, unrestricted, unexpired and the purpose listed: denied by no-health-for-support (line 29).\n",
		},
		{
			"no consent", samplePolicy, "marketing", "marketing", "customer.email",
			"It is denied: consent.\nAn embedded rule, which no policy can override: the purpose rests on consent, and the person's is none.\n" +
				"reveal, with consent, unrestricted, unexpired and the purpose listed: permitted by marketing-plain (line 9).\n",
		},
		{
			"no purpose", samplePolicy, "marketing", "", "customer.email",
			"It is denied: purpose.\nAn embedded rule, which no policy can override: no purpose was named.\n",
		},
		{
			"a policy that fails", failing, "app", "billing", "customer.email",
			"It is denied: policy.\nreveal: denied by broken (line 37).\n" +
				"reveal, with consent, unrestricted, unexpired and the purpose listed: denied by broken (line 37).\n" +
				"Policy broken (line 37) cannot be evaluated, which denies: record does not have the attribute `nothing`.\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, c.text).For(caller(c.purpose, c.role), factsOf(c.purpose))
			e := d.Explain(field(c.field), accessctl.State{})
			if diff := cmp.Diff(c.want, e.String()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(d.Reveal(field(c.field), accessctl.State{}), e.Decision); diff != "" {
				t.Errorf("Explain and Reveal differ: %s", diff)
			}
		})
	}
}

func TestExplainPermit(t *testing.T) {
	p := parse(t, samplePolicy)
	for _, c := range []struct {
		role   accessctl.Role
		action accessctl.Action
		own    bool
		want   string
	}{
		{"dpo", accessctl.ActionErase, false, "The action is permitted.\nerase: permitted by dpo-person (line 16).\n"},
		{"operator", accessctl.ActionKeys, false, "The action is permitted.\nkeys: permitted by operator-service (line 22).\n"},
		{"app", accessctl.ActionWrite, false, "The action is permitted.\nwrite: permitted by app-writes (line 13).\n"},
		{
			"subject", accessctl.ActionErase, false,
			"It is denied: policy.\nAn embedded rule, which no policy can override: a person acts only on their own data.\n",
		},
		{"dpo", "destroy", false, "It is denied: policy.\nAn embedded rule, which no policy can override: there is no such action.\n"},
	} {
		d := p.For(caller("", c.role), accessctl.PurposeFacts{})
		got := d.ExplainPermit(c.action, field("customer.email"), accessctl.State{Own: c.own}).String()
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s: %s", c.role, c.action, diff)
		}
	}
	nameless := caller("self", accessctl.RoleSubject)
	nameless.Person = ""
	if e := p.For(nameless, accessctl.PurposeFacts{}).Explain(field("customer.email"), accessctl.State{Own: true}); e.Rule == "" || e.Decision.Allowed {
		t.Errorf("a contradictory caller: %+v", e)
	}
}
