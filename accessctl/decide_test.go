package accessctl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

// samplePolicy is small, and uses every part of the vocabulary.
const samplePolicy = `
@id("support-masked")
permit (principal in Role::"support", action == Action::"reveal_masked", resource in Classification::"contact");

@id("billing-plain")
permit (principal in Role::"billing", action in [Action::"reveal", Action::"search", Action::"list"], resource in Collection::"customer")
when { context.purpose == "billing" };

@id("marketing-plain")
permit (principal in Role::"marketing", action == Action::"reveal", resource in Collection::"customer")
when { context.purpose == "marketing" };

@id("app-writes")
permit (principal in Role::"app", action in [Action::"write", Action::"delete", Action::"reveal"], resource is Field);

@id("dpo-person")
permit (principal in Role::"dpo", action in [Action::"erase", Action::"hold", Action::"consent"], resource is Person);

@id("dpo-export")
permit (principal in Role::"dpo", action == Action::"export", resource);

@id("operator-service")
permit (principal in Role::"operator", action, resource is Service);

@id("person-self")
permit (principal in Role::"subject", action in [Action::"reveal", Action::"export", Action::"consent", Action::"erase", Action::"write"], resource)
when { context.own };

@id("no-health-for-support")
forbid (principal in Role::"support", action, resource in Classification::"health");

@id("phone-not-for-billing")
forbid (principal in Role::"billing", action == Action::"reveal", resource == Field::"customer.phone");

@id("phone-masked-for-billing")
permit (principal in Role::"billing", action == Action::"reveal_masked", resource == Field::"customer.phone");
`

// caller is a member of staff, or an application, or a person if a role says so.
func caller(purpose accessctl.Purpose, roles ...accessctl.Role) accessctl.Caller {
	c := accessctl.Caller{
		Principal: accessctl.Principal{Tenant: "default", Issuer: "https://issuer.example.org", Subject: "s", Roles: roles},
		Purpose:   purpose,
	}
	if slices.Contains(roles, accessctl.RoleSubject) {
		c.Person = "c-17"
	}
	return c
}

// factsOf are those of the sample's purposes.
func factsOf(p accessctl.Purpose) accessctl.PurposeFacts {
	switch p {
	case "support", "billing":
		return accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisContract}
	case "marketing":
		return accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisConsent}
	case "claims":
		return accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisLegalObligation, DespiteRestriction: true}
	default:
		return accessctl.PurposeFacts{}
	}
}

func field(name string) accessctl.Field {
	collection, name, _ := strings.Cut(name, ".")
	classification := "contact"
	if name == "illness" {
		classification = "health"
	}
	return accessctl.Field{Collection: collection, Name: name, Classification: classification, Listed: true}
}

// words is a decision as a specification writes it.
func words(d accessctl.Decision) string {
	switch {
	case d.Allowed && d.View != accessctl.Hidden:
		return d.View.String()
	case d.Allowed:
		return "allowed"
	default:
		return strings.TrimSpace("denied " + string(d.Reason))
	}
}

func roles(list string) []accessctl.Role {
	var out []accessctl.Role
	for _, r := range strings.Fields(list) {
		out = append(out, accessctl.Role(r))
	}
	return out
}

func TestReveal(t *testing.T) {
	granted := accessctl.State{Consent: accessctl.ConsentGranted}
	own := accessctl.State{Own: true}
	p := parse(t, samplePolicy)
	for _, c := range []struct {
		roles   string
		purpose accessctl.Purpose
		field   string
		state   accessctl.State
		want    string
	}{
		// Policy.
		{"support", "support", "customer.email", accessctl.State{}, "masked"},
		{"billing", "billing", "customer.email", accessctl.State{}, "plain"},
		{"billing", "support", "customer.email", accessctl.State{}, "denied policy"},
		{"billing", "billing", "customer.phone", accessctl.State{}, "masked"},
		{"billing support", "billing", "customer.email", accessctl.State{}, "plain"},
		{"billing support", "billing", "customer.illness", accessctl.State{}, "denied policy"}, // forbid wins
		{"", "billing", "customer.email", accessctl.State{}, "denied policy"},
		{"Billing", "billing", "customer.email", accessctl.State{}, "denied policy"}, // roles are compared byte by byte
		{"nobody", "billing", "customer.email", accessctl.State{}, "denied policy"},
		{"operator", "support", "customer.email", accessctl.State{}, "denied policy"},
		{"dpo", "support", "customer.email", accessctl.State{}, "denied policy"},
		// Purpose.
		{"billing", "", "customer.email", accessctl.State{}, "denied purpose"},
		{"billing", "Billing", "customer.email", accessctl.State{}, "denied purpose"},
		{"billing", "no_such_purpose", "customer.email", accessctl.State{}, "denied purpose"},
		// Consent: neither plain nor masked without it.
		{"marketing", "marketing", "customer.email", granted, "plain"},
		{"marketing", "marketing", "customer.email", accessctl.State{}, "denied consent"},
		{"marketing", "marketing", "customer.email", accessctl.State{Consent: accessctl.ConsentRefused}, "denied consent"},
		{"marketing", "marketing", "customer.email", accessctl.State{Consent: accessctl.ConsentWithdrawn}, "denied consent"},
		{"marketing", "marketing", "customer.email", accessctl.State{Consent: accessctl.ConsentExpired}, "denied consent"},
		{"marketing", "marketing", "customer.email", accessctl.State{Consent: 99}, "denied consent"},
		{"support", "marketing", "customer.email", accessctl.State{}, "denied consent"},
		{"support", "marketing", "customer.illness", accessctl.State{}, "denied policy"}, // consent would not help
		// Restriction.
		{"support", "support", "customer.email", accessctl.State{Restricted: true}, "denied restricted"},
		{"support", "claims", "customer.email", accessctl.State{Restricted: true}, "masked"},
		{"marketing", "marketing", "customer.email", accessctl.State{Consent: accessctl.ConsentGranted, Restricted: true}, "denied restricted"},
		// Retention.
		{"support", "support", "customer.email", accessctl.State{Expired: true}, "denied expired"},
		{"support", "claims", "customer.email", accessctl.State{Restricted: true, Expired: true}, "denied expired"},
		// Several: the first of purpose, consent, restricted, expired.
		{"marketing", "marketing", "customer.email", accessctl.State{Restricted: true, Expired: true}, "denied consent"},
		{"support", "support", "customer.email", accessctl.State{Restricted: true, Expired: true}, "denied restricted"},
		// The person.
		{"subject", "self", "customer.email", own, "plain"},
		{"subject", "self", "customer.illness", own, "plain"},
		{"subject", "self", "customer.email", accessctl.State{Own: true, Restricted: true}, "plain"},
		{"subject", "self", "customer.email", accessctl.State{Own: true, Expired: true}, "denied expired"},
		{"subject", "marketing", "customer.email", own, "denied consent"},
		{"subject", "self", "customer.email", accessctl.State{}, "denied policy"},
		{"subject billing", "billing", "customer.email", accessctl.State{}, "denied policy"}, // another's data, whatever the role
		{"subject billing", "billing", "customer.email", own, "plain"},
		{"billing", "self", "customer.email", accessctl.State{}, "denied purpose"},
		{"billing", "billing", "customer.email", own, "denied policy"}, // only a person has own data
	} {
		t.Run(fmt.Sprintf("%s for %s sees %s %+v", c.roles, c.purpose, c.field, c.state), func(t *testing.T) {
			d := p.For(caller(c.purpose, roles(c.roles)...), factsOf(c.purpose))
			if got := words(d.Reveal(field(c.field), c.state)); got != c.want {
				t.Errorf("%s, want %s\n%s", got, c.want, d.Explain(field(c.field), c.state))
			}
		})
	}
}

// TestUnlistedFieldIsHidden: a field opens only for the purposes it lists, but to
// the person themself.
func TestUnlistedFieldIsHidden(t *testing.T) {
	p := parse(t, samplePolicy)
	f := field("customer.email")
	f.Listed = false
	for _, c := range []struct {
		role    accessctl.Role
		purpose accessctl.Purpose
		state   accessctl.State
		want    string
	}{
		{"support", "support", accessctl.State{}, "denied purpose"},
		{"support", "support", accessctl.State{Restricted: true, Expired: true}, "denied purpose"},
		{"marketing", "marketing", accessctl.State{}, "denied purpose"},
		{"dpo", "support", accessctl.State{}, "denied policy"},
		{"subject", "self", accessctl.State{Own: true}, "plain"},
	} {
		d := p.For(caller(c.purpose, c.role), factsOf(c.purpose))
		if got := words(d.Reveal(f, c.state)); got != c.want {
			t.Errorf("%s for %s: %s, want %s", c.role, c.purpose, got, c.want)
		}
	}
}

// TestNarrowedToken: a token with a purposes claim serves no other purpose, and
// an empty claim none.
func TestNarrowedToken(t *testing.T) {
	p := parse(t, samplePolicy)
	for _, c := range []struct {
		role     accessctl.Role
		purpose  accessctl.Purpose
		narrowed []accessctl.Purpose
		want     string
	}{
		{"billing", "billing", []accessctl.Purpose{"support", "billing"}, "plain"},
		{"billing", "billing", []accessctl.Purpose{"support"}, "denied purpose"},
		{"billing", "billing", nil, "denied purpose"},
		{"billing", "support", []accessctl.Purpose{"billing"}, "denied policy"},
		{"billing", "", []accessctl.Purpose{""}, "denied purpose"},
		{"billing", "no_such_purpose", []accessctl.Purpose{"no_such_purpose"}, "denied purpose"},
		{"subject", "self", []accessctl.Purpose{"self"}, "plain"},
		{"subject", "self", []accessctl.Purpose{"billing"}, "denied purpose"},
	} {
		call := caller(c.purpose, c.role)
		call.Narrowed, call.Purposes = true, c.narrowed
		d := p.For(call, factsOf(c.purpose))
		state := accessctl.State{Own: c.role == accessctl.RoleSubject}
		if got := words(d.Reveal(field("customer.email"), state)); got != c.want {
			t.Errorf("%s for %s within %v: %s, want %s", c.role, c.purpose, c.narrowed, got, c.want)
		}
	}
}

// TestUnknownBasisOpensNothing: a basis outside the law's six is no way round
// consent.
func TestUnknownBasisOpensNothing(t *testing.T) {
	p := parse(t, samplePolicy)
	for _, b := range []accessctl.Basis{"", "Consent", "consent ", "legitimate_interest"} {
		d := p.For(caller("billing", "billing"), accessctl.PurposeFacts{Known: true, Basis: b})
		if got := words(d.Reveal(field("customer.email"), accessctl.State{})); got != "denied purpose" {
			t.Errorf("basis %q: %s", b, got)
		}
	}
	for _, b := range accessctl.Bases() {
		d := p.For(caller("billing", "billing"), accessctl.PurposeFacts{Known: true, Basis: b})
		if got := words(d.Reveal(field("customer.email"), accessctl.State{Consent: accessctl.ConsentGranted})); got != "plain" {
			t.Errorf("basis %q: %s", b, got)
		}
	}
}

// TestContradictoryCallerIsDenied: the role subject and the person's id come
// together or not at all.
func TestContradictoryCallerIsDenied(t *testing.T) {
	p := parse(t, "permit (principal, action, resource);")
	nameless := caller("self", accessctl.RoleSubject)
	nameless.Person = ""
	roleless := caller("billing", "billing")
	roleless.Person = "c-17"
	for name, d := range map[string]*accessctl.Decider{
		"role without person": p.For(nameless, accessctl.PurposeFacts{}),
		"person without role": p.For(roleless, factsOf("billing")),
		"zero decider":        {},
	} {
		for _, own := range []bool{false, true} {
			s := accessctl.State{Consent: accessctl.ConsentGranted, Own: own}
			for what, got := range map[string]accessctl.Decision{
				"reveal": d.Reveal(field("customer.email"), s),
				"write":  d.Permit(accessctl.ActionWrite, field("customer.email"), s),
				"erase":  d.PermitPerson(accessctl.ActionErase, own),
				"keys":   d.PermitService(accessctl.ActionKeys),
			} {
				if words(got) != "denied policy" {
					t.Errorf("%s, %s, own %v: %s", name, what, own, words(got))
				}
			}
			if d.MayKnow([]accessctl.Field{field("customer.email")}, own) || d.Has(accessctl.ActionKeys, nil) {
				t.Errorf("%s may know or has an action", name)
			}
		}
	}
}

// TestBadFieldNamesAreDenied: joined by a dot, names must stay apart.
func TestBadFieldNamesAreDenied(t *testing.T) {
	d := parse(t, "permit (principal, action, resource);").For(caller("billing", "app"), factsOf("billing"))
	for _, f := range []accessctl.Field{
		{},
		{Collection: "customer"},
		{Name: "email"},
		{Collection: "customer.email", Name: "x"},
		{Collection: "customer", Name: "email.x"},
		{Collection: "Customer", Name: "email"},
		{Collection: "customer", Name: "e-mail"},
		{Collection: "customer", Name: "émail"},
		{Collection: "1customer", Name: "email"},
		{Collection: strings.Repeat("c", 64), Name: "email"},
	} {
		f.Listed = true
		if got := words(d.Reveal(f, accessctl.State{})); got != "denied policy" {
			t.Errorf("%+v: %s", f, got)
		}
	}
}

func TestPersonAndServiceActions(t *testing.T) {
	p := parse(t, samplePolicy)
	for _, c := range []struct {
		roles  string
		action accessctl.Action
		own    bool
		want   string
	}{
		{"dpo", accessctl.ActionErase, false, "allowed"},
		{"dpo", accessctl.ActionReenrol, false, "denied policy"},
		{"dpo", accessctl.ActionErase, true, "denied policy"}, // only a person has own data
		{"support", accessctl.ActionErase, false, "denied policy"},
		{"operator", accessctl.ActionErase, false, "denied policy"},
		{"operator", accessctl.ActionKeys, false, "allowed"},
		{"dpo", accessctl.ActionKeys, false, "denied policy"},
		{"subject", accessctl.ActionErase, true, "allowed"},
		{"subject", accessctl.ActionErase, false, "denied policy"},
		{"subject dpo", accessctl.ActionErase, false, "denied policy"},
		{"subject dpo", accessctl.ActionHold, true, "allowed"},
		{"subject operator", accessctl.ActionKeys, false, "denied policy"},
	} {
		d := p.For(caller("", roles(c.roles)...), accessctl.PurposeFacts{})
		got := d.PermitPerson(c.action, c.own)
		if c.action.OnService() {
			got = d.PermitService(c.action)
		}
		if words(got) != c.want {
			t.Errorf("%s, %s, own %v: %s, want %s", c.roles, c.action, c.own, words(got), c.want)
		}
	}
}

// TestDecisionNamesItsPolicies: permits if allowed, forbids if denied by one.
func TestDecisionNamesItsPolicies(t *testing.T) {
	p := parse(t, samplePolicy)
	for _, c := range []struct {
		role    accessctl.Role
		purpose accessctl.Purpose
		field   string
		want    []string
	}{
		{"support", "support", "customer.email", []string{"support-masked"}},
		{"billing", "billing", "customer.email", []string{"billing-plain"}},
		{"billing", "billing", "customer.phone", []string{"phone-masked-for-billing"}},
		{"support", "support", "customer.illness", []string{"no-health-for-support"}},
		{"dpo", "support", "customer.email", nil},
		{"marketing", "marketing", "customer.email", nil}, // hidden by the embedded rule
	} {
		d := p.For(caller(c.purpose, c.role), factsOf(c.purpose))
		if diff := cmp.Diff(c.want, d.Reveal(field(c.field), accessctl.State{}).Policies); diff != "" {
			t.Errorf("%s, %s: %s", c.role, c.field, diff)
		}
	}
}

// TestReasonWhereThePolicyLooksAtTheState: no embedded rule forbids, but the
// policy itself narrows with the state.
func TestReasonWhereThePolicyLooksAtTheState(t *testing.T) {
	p := parse(t, `permit (principal, action == Action::"reveal", resource);
		permit (principal, action == Action::"write", resource);
		permit (principal, action == Action::"reveal_masked", resource == Field::"customer.phone");
		forbid (principal, action == Action::"reveal", resource) unless { context.consent == "granted" };
		forbid (principal, action == Action::"write", resource) when { context.restricted };
		forbid (principal, action == Action::"delete", resource) when { context.expired };
		permit (principal, action == Action::"delete", resource);
		permit (principal, action == Action::"export", resource);
		forbid (principal, action == Action::"export", resource) unless { context.listed };
		forbid (principal, action == Action::"export", resource) when { context.restricted && context.expired };`)
	d := p.For(caller("billing", "app"), factsOf("billing"))
	granted := accessctl.State{Consent: accessctl.ConsentGranted}
	unlisted := field("customer.email")
	unlisted.Listed = false
	for _, c := range []struct {
		name string
		got  accessctl.Decision
		want string
	}{
		{"consent asked for by policy", d.Reveal(field("customer.email"), accessctl.State{}), "denied consent"},
		{"and given", d.Reveal(field("customer.email"), granted), "plain"},
		{"masked needs none", d.Reveal(field("customer.phone"), accessctl.State{}), "masked"},
		{"write while restricted", d.Permit(accessctl.ActionWrite, field("customer.email"), accessctl.State{Restricted: true}), "denied restricted"},
		{"delete when expired", d.Permit(accessctl.ActionDelete, field("customer.email"), accessctl.State{Restricted: true, Expired: true}), "denied expired"},
		{"export of what is not listed", d.Permit(accessctl.ActionExport, unlisted, granted), "denied purpose"},
		{"several together", d.Permit(accessctl.ActionExport, field("customer.email"), accessctl.State{Restricted: true, Expired: true}), "denied policy"},
	} {
		if words(c.got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, words(c.got), c.want)
		}
	}
}

// TestWorseStateNeverGivesMore: a policy that opens in a worse state opens nothing.
func TestWorseStateNeverGivesMore(t *testing.T) {
	for _, condition := range []string{
		`context.consent == "withdrawn"`, `context.consent != "granted"`, `context.restricted`,
		`context.restricted && context.consent == "withdrawn"`, `!(context has nothing) && context.restricted`,
	} {
		p := parse(t, `permit (principal, action, resource) when { `+condition+` };`)
		d := p.For(caller("claims", "app"), factsOf("claims"))
		s := accessctl.State{Consent: accessctl.ConsentWithdrawn, Restricted: true}
		if got := words(d.Reveal(field("customer.email"), s)); got != "denied policy" {
			t.Errorf("%s: %s", condition, got)
		}
	}
	// It may give less: masked while restricted, plain otherwise.
	d := parse(t, `permit (principal, action, resource);
		forbid (principal, action == Action::"reveal", resource) when { context.restricted };`).
		For(caller("claims", "app"), factsOf("claims"))
	if got := words(d.Reveal(field("customer.email"), accessctl.State{Restricted: true})); got != "masked" {
		t.Errorf("masked while restricted: %s", got)
	}
}

func TestZeroValuesDeny(t *testing.T) {
	if d := (accessctl.Decision{}); d.Allowed || d.View != accessctl.Hidden || d.View.String() != "hidden" {
		t.Errorf("the zero decision: %+v", d)
	}
	d := new(accessctl.Policy).For(caller("billing", "billing"), factsOf("billing"))
	if got := words(d.Reveal(field("customer.email"), accessctl.State{})); got != "denied policy" {
		t.Errorf("the zero policy: %s", got)
	}
	if accessctl.View(7).String() != "hidden" || accessctl.Consent(7).String() != "none" {
		t.Error("a value outside the set is not the least of it")
	}
}
