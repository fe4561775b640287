package accessctl_test

import (
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
)

// TestPermit: what each action asks of purpose and person, under a policy that
// permits everything.
func TestPermit(t *testing.T) {
	p := parse(t, "permit (principal, action, resource);")
	releases := []accessctl.Action{
		accessctl.ActionReveal, accessctl.ActionRevealMasked, accessctl.ActionSearch, accessctl.ActionList, accessctl.ActionAggregate,
		accessctl.ActionRelease,
		accessctl.ActionPseudonymise, accessctl.ActionResolve, accessctl.ActionTokenise, accessctl.ActionDetokenise,
	}
	for _, a := range accessctl.Actions() {
		if got, want := a.NeedsPurpose(), slices.Contains(releases, a); got != want {
			t.Errorf("%s.NeedsPurpose() = %v", a, got)
		}
		if a.OnService() || a.OnPerson() && !a.NeedsPurpose() {
			continue
		}
		permit := func(c accessctl.Caller, s accessctl.State) accessctl.Decision {
			d := p.For(c, factsOf(c.Purpose))
			if a.OnPerson() {
				return d.PermitPersonIn(a, s)
			}
			return d.Permit(a, field("customer.email"), s)
		}
		for _, c := range []struct {
			name    string
			purpose accessctl.Purpose
			state   accessctl.State
			reason  string // of actions that release
		}{
			{"no purpose", "", accessctl.State{}, "denied purpose"},
			{"known purpose", "billing", accessctl.State{}, "allowed"},
			{"no consent", "marketing", accessctl.State{}, "denied consent"},
			{"restricted", "billing", accessctl.State{Restricted: true}, "denied restricted"},
			{"despite restriction", "claims", accessctl.State{Restricted: true}, "allowed"},
			{"expired", "billing", accessctl.State{Expired: true}, "denied expired"},
		} {
			want := "allowed"
			if a.NeedsPurpose() {
				want = c.reason
			}
			if a.OnPerson() && c.state.Expired {
				want = "allowed" // a person as such does not expire
			}
			if got := words(permit(caller(c.purpose, "app"), c.state)); got != want {
				t.Errorf("%s with %s: %s, want %s", a, c.name, got, want)
			}
		}
		// A purpose that is named must be known, and within the token, for every action.
		if got := words(permit(caller("nope", "app"), accessctl.State{})); got != "denied purpose" {
			t.Errorf("%s for an unknown purpose: %s", a, got)
		}
		narrowed := caller("billing", "app")
		narrowed.Narrowed = true
		if got := words(permit(narrowed, accessctl.State{})); got != "denied purpose" {
			t.Errorf("%s outside the token's purposes: %s", a, got)
		}
	}
}

// TestKindsOfActionsAreKeptApart: no question is answered for an action that is
// not its own, even where policy permits everything.
func TestKindsOfActionsAreKeptApart(t *testing.T) {
	d := parse(t, "permit (principal, action, resource);").For(caller("billing", "app"), factsOf("billing"))
	for _, a := range append(accessctl.Actions(), "", "Reveal", "root", "*") {
		for what, got := range map[string]struct{ allowed, want bool }{
			"Permit":        {d.Permit(a, field("customer.email"), accessctl.State{}).Allowed, a.OnField()},
			"PermitPerson":  {d.PermitPerson(a, false).Allowed, a.OnPerson()},
			"PermitService": {d.PermitService(a).Allowed, a.OnService()},
			"Has":           {d.Has(a, []accessctl.Field{field("customer.email")}), a.OnField() || a.OnPerson() || a.OnService()},
		} {
			if got.allowed != got.want {
				t.Errorf("%s(%q) = %v", what, a, got.allowed)
			}
		}
	}
}

func TestMayKnow(t *testing.T) {
	p := parse(t, samplePolicy)
	unlisted := field("customer.email")
	unlisted.Listed = false
	for _, c := range []struct {
		name    string
		roles   string
		purpose accessctl.Purpose
		fields  []accessctl.Field
		own     bool
		want    bool
	}{
		{"masked suffices", "support", "support", []accessctl.Field{field("customer.email")}, false, true},
		{"one of several suffices", "support", "support", []accessctl.Field{field("customer.illness"), field("customer.email")}, false, true},
		{"consent is assumed", "marketing", "marketing", []accessctl.Field{field("customer.email")}, false, true},
		{"policy refuses", "support", "support", []accessctl.Field{field("customer.illness")}, false, false},
		{"no field", "support", "support", nil, false, false},
		{"not listed", "support", "support", []accessctl.Field{unlisted}, false, false},
		{"no purpose", "support", "", []accessctl.Field{field("customer.email")}, false, false},
		{"no role", "", "support", []accessctl.Field{field("customer.email")}, false, false},
		{"only writes", "dpo", "support", []accessctl.Field{field("customer.email")}, false, false},
		{"the person themself", "subject", "self", []accessctl.Field{unlisted}, true, true},
		{"another person", "subject", "self", []accessctl.Field{field("customer.email")}, false, false},
	} {
		d := p.For(caller(c.purpose, roles(c.roles)...), factsOf(c.purpose))
		if got := d.MayKnow(c.fields, c.own); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestHas(t *testing.T) {
	p := parse(t, samplePolicy)
	unlisted := field("customer.email")
	unlisted.Listed = false
	customer := []accessctl.Field{unlisted, field("customer.illness")}
	for _, c := range []struct {
		name    string
		roles   string
		purpose accessctl.Purpose
		action  accessctl.Action
		fields  []accessctl.Field
		want    bool
	}{
		{"masked counts as reveal", "support", "support", accessctl.ActionReveal, customer, true},
		{"but masked is not plain", "billing", "billing", accessctl.ActionRevealMasked, customer, false},
		{"no field that it holds", "support", "support", accessctl.ActionReveal, []accessctl.Field{field("customer.illness")}, false},
		{"no field", "support", "support", accessctl.ActionReveal, nil, false},
		{"another purpose's role", "marketing", "support", accessctl.ActionReveal, customer, false},
		{"consent is assumed", "marketing", "marketing", accessctl.ActionReveal, customer, true},
		{"a write without purpose", "app", "", accessctl.ActionWrite, customer, true},
		{"a write by who may not", "support", "support", accessctl.ActionWrite, customer, false},
		{"a search", "billing", "billing", accessctl.ActionSearch, customer, true},
		{"a search without purpose", "billing", "", accessctl.ActionSearch, customer, false},
		{"own data is assumed", "subject", "self", accessctl.ActionReveal, customer, true},
		{"own person is assumed", "subject", "", accessctl.ActionErase, nil, true},
		{"a person has no service", "subject operator", "", accessctl.ActionKeys, nil, false},
		{"an action on a person", "dpo", "", accessctl.ActionErase, nil, true},
		{"an action on the service", "operator", "", accessctl.ActionKeys, nil, true},
		{"an unknown action", "operator", "", "root", customer, false},
	} {
		d := p.For(caller(c.purpose, roles(c.roles)...), factsOf(c.purpose))
		if got := d.Has(c.action, c.fields); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
