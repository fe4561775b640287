package accessctl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

// TestPolicyFailureDenies: Cedar skips a policy that cannot be evaluated, a
// forbid too. Here it denies: all that it touches, and nothing else.
func TestPolicyFailureDenies(t *testing.T) {
	const all = `@id("all") permit (principal, action, resource); `
	for _, c := range []struct{ name, policy string }{
		{"forbid, attribute missing", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { context.nothing };`},
		{"forbid, attribute of an entity", `@id("bad") forbid (principal, action, resource == Field::"customer.email") unless { principal.clearance > 3 };`},
		{"forbid, attribute of a role", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { Role::"support".trusted };`},
		{"forbid, not a Bool", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { context.purpose };`},
		{"forbid, wrong type", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { context.consent < 3 };`},
		{"forbid, overflow", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { 9223372036854775807 + 1 == 0 };`},
		{"forbid, extension", `@id("bad") forbid (principal, action, resource == Field::"customer.email") when { ip(context.purpose).isLoopback() };`},
		{"permit, attribute missing", `@id("bad") permit (principal, action, resource == Field::"customer.email") when { context.nothing };`},
		{"forbid of the plain view only", `@id("bad") forbid (principal, action == Action::"reveal", resource == Field::"customer.email") when { context.nothing };`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := parse(t, all+c.policy).For(caller("billing", "billing"), factsOf("billing"))
			got := d.Reveal(field("customer.email"), accessctl.State{})
			want := accessctl.Decision{Reason: accessctl.ReasonPolicy, Policies: []string{"bad"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the failing policy does not deny: %s", diff)
			}
			e := d.Explain(field("customer.email"), accessctl.State{})
			if len(e.Diagnostics) == 0 || e.Diagnostics[0].Policy.ID != "bad" || e.Diagnostics[0].Problem == "" {
				t.Errorf("Explain does not name the failing policy: %+v", e)
			}
			if got := words(d.Reveal(field("customer.phone"), accessctl.State{})); got != "plain" {
				t.Errorf("a field that the failing policy does not touch: %s", got)
			}
			if d.MayKnow([]accessctl.Field{field("customer.email")}, false) {
				t.Error("a failing policy lets the caller know")
			}
		})
	}
}

// TestFailureInActualStateOnly: a policy that fails only for restricted people
// denies exactly there.
func TestFailureInActualStateOnly(t *testing.T) {
	p := parse(t, `permit (principal, action, resource);
		forbid (principal, action, resource) when { context.restricted && context.nothing };`)
	d := p.For(caller("claims", "app"), factsOf("claims"))
	if got := words(d.Reveal(field("customer.email"), accessctl.State{})); got != "plain" {
		t.Errorf("unrestricted: %s", got)
	}
	if got := words(d.Reveal(field("customer.email"), accessctl.State{Restricted: true})); got != "denied restricted" {
		t.Errorf("restricted: %s", got)
	}
}

// TestForbidIsFoundWhereverItNamesARole: however a policy writes a role, the
// callers who hold it are held to it.
func TestForbidIsFoundWhereverItNamesARole(t *testing.T) {
	for _, forbid := range []string{
		`forbid (principal in Role::"barred", action, resource);`,
		`forbid (principal is Caller in Role::"barred", action, resource);`,
		`forbid (principal, action, resource) when { principal in Role::"barred" };`,
		`forbid (principal, action, resource) when { principal in [Role::"other", Role::"barred"] };`,
		`forbid (principal, action, resource) when { principal is Caller in Role::"barred" };`,
		`forbid (principal, action, resource) unless { !(principal in Role::"barred") };`,
		`forbid (principal, action, resource) when { principal in {"a": {"b": Role::"barred"}}.a.b };`,
		`forbid (principal, action, resource) when { principal in (if context.own then Role::"other" else Role::"barred") };`,
		`forbid (principal, action, resource) when { principal in Role::"\u{62}arred" };`,
		`forbid (principal, action, resource) when { context.purpose == "" || principal in Role::"barred" && resource is Field };`,
	} {
		p := parse(t, `permit (principal, action, resource); `+forbid)
		for role, want := range map[accessctl.Role]string{"barred": "denied policy", "bystander": "plain"} {
			d := p.For(caller("billing", "one", role, "two"), factsOf("billing"))
			if got := words(d.Reveal(field("customer.email"), accessctl.State{})); got != want {
				t.Errorf("%s\n%s: %s, want %s", forbid, role, got, want)
			}
		}
	}
}

// TestForbidIsFoundWhereverItNamesAnAction: however a policy writes an action.
func TestForbidIsFoundWhereverItNamesAnAction(t *testing.T) {
	for _, forbid := range []string{
		`forbid (principal, action == Action::"write", resource);`,
		`forbid (principal, action in Action::"write", resource);`,
		`forbid (principal, action in [Action::"erase", Action::"write"], resource);`,
		`forbid (principal, action, resource) when { action == Action::"write" };`,
		`forbid (principal, action, resource) when { action in [Action::"erase", Action::"write"] };`,
		`forbid (principal, action, resource) when { ["a", Action::"write"].contains(action) };`,
	} {
		d := parse(t, `permit (principal, action, resource); `+forbid).For(caller("billing", "app"), factsOf("billing"))
		for a, want := range map[accessctl.Action]string{accessctl.ActionWrite: "denied policy", accessctl.ActionDelete: "allowed"} {
			if got := words(d.Permit(a, field("customer.email"), accessctl.State{})); got != want {
				t.Errorf("%s\n%s: %s, want %s", forbid, a, got, want)
			}
		}
	}
}
