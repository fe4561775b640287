package accessctl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
)

var (
	someRoles    = []accessctl.Role{"support", "billing", "dpo", "subject", "unheard_of"}
	somePurposes = []accessctl.Purpose{"support", "marketing", "claims", "self", "", "no_such_purpose"}
	someFields   = []string{"customer.email", "customer.illness", "invoice.total"}
)

// anyCondition draws conditions that look at everything a policy can see. The
// last ones fail whenever they are reached.
func anyCondition(failing bool) *rapid.Generator[string] {
	list := []string{
		`context.purpose == "support"`, `context.purpose like "m*"`, `context.basis == "consent"`,
		`context.consent == "granted"`, `context.consent != "withdrawn"`, `context.restricted`, `context.expired`,
		`context.own`, `context.listed`, `context.match == "equals"`, `context.match == ""`, `principal in Role::"billing"`, `resource in Classification::"health"`,
		`["support", "claims"].contains(context.purpose)`, `resource in [Collection::"invoice", Person::"person"]`,
		`principal in [Role::"dpo", Role::"support"]`, `principal is Caller in Role::"subject"`, `context has nothing`,
		`{"r": [Role::"support"]}.r.contains(Role::"support") && principal in (if context.own then Role::"subject" else Role::"dpo")`,
		`true`,
	}
	if failing {
		list = append(list, `context.nothing`, `context.restricted < 3`, `resource.owner == principal`)
	}
	return rapid.Custom(func(t *rapid.T) string {
		c := rapid.SampledFrom(list).Draw(t, "condition")
		if rapid.Bool().Draw(t, "negated") {
			c = "!(" + c + ")"
		}
		return c
	})
}

func anyRule(effect string, failing bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if effect == "" {
			effect = rapid.SampledFrom([]string{"permit", "permit", "permit", "forbid"}).Draw(t, "effect")
		}
		who := rapid.SampledFrom([]string{"principal", `principal in Role::"support"`, `principal in Role::"billing"`, `principal is Caller`, `principal in Role::"subject"`, `principal is Caller in Role::"dpo"`}).Draw(t, "who")
		action := rapid.SampledFrom([]string{
			"action", "action", `action == Action::"reveal"`, `action in Action::"reveal_masked"`,
			`action in [Action::"reveal", Action::"reveal_masked", Action::"write"]`, `action == Action::"erase"`,
		}).Draw(t, "action")
		what := rapid.SampledFrom([]string{
			"resource", "resource is Field", `resource in Collection::"customer"`, `resource == Field::"customer.email"`,
			`resource is Field in Classification::"contact"`, "resource is Person",
		}).Draw(t, "what")
		r := fmt.Sprintf("%s (%s, %s, %s)", effect, who, action, what)
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			r += fmt.Sprintf(" %s { %s }", rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "if"), anyCondition(failing).Draw(t, "condition"))
		}
		return r + ";"
	})
}

func anyPolicy(failing bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(anyRule("", failing), 1, 8).Draw(t, "policy"), "\n")
	})
}

func anyCaller(t *rapid.T) (accessctl.Caller, accessctl.PurposeFacts) {
	held := rapid.SliceOfNDistinct(rapid.SampledFrom(someRoles), 0, 3, rapid.ID[accessctl.Role]).Draw(t, "roles")
	c := caller(rapid.SampledFrom(somePurposes).Draw(t, "purpose"), held...)
	if rapid.IntRange(0, 4).Draw(t, "narrowed") == 0 {
		c.Narrowed, c.Purposes = true, []accessctl.Purpose{rapid.SampledFrom(somePurposes).Draw(t, "within")}
	}
	return c, factsOf(c.Purpose)
}

func anyState(t *rapid.T) accessctl.State {
	return accessctl.State{
		Consent:    rapid.SampledFrom(accessctl.Consents()).Draw(t, "consent"),
		Restricted: rapid.Bool().Draw(t, "restricted"),
		Expired:    rapid.Bool().Draw(t, "expired"),
		Own:        rapid.Bool().Draw(t, "own"),
	}
}

func anyField(t *rapid.T) accessctl.Field {
	f := field(rapid.SampledFrom(someFields).Draw(t, "field"))
	f.Listed = rapid.IntRange(0, 3).Draw(t, "listed") > 0
	return f
}

// TestReleaseOnlyOnPermit is I8 as far as a decision goes: whatever the policy,
// what is released meets every embedded rule, and a decision agrees with itself.
func TestReleaseOnlyOnPermit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := parseDrawn(t, anyPolicy(true).Draw(t, "text"))
		c, facts := anyCaller(t)
		f, s := anyField(t), anyState(t)
		dec := p.For(c, facts).Reveal(f, s)
		if dec.Allowed != (dec.View != accessctl.Hidden) || dec.Allowed != (dec.Reason == accessctl.ReasonNone) {
			t.Fatalf("a decision that contradicts itself: %+v", dec)
		}
		if !dec.Allowed {
			return
		}
		self := c.Purpose == accessctl.PurposeSelf
		for rule, broken := range map[string]bool{
			"no purpose":                  c.Purpose == "",
			"unknown purpose":             !self && !facts.Known,
			"outside the token":           c.Narrowed && !slices.Contains(c.Purposes, c.Purpose),
			"not listed":                  !self && !f.Listed,
			"objected":                    s.Consent == accessctl.ConsentObjected && !self,
			"no consent":                  facts.Basis == accessctl.BasisConsent && s.Consent != accessctl.ConsentGranted,
			"restricted":                  s.Restricted && !self && !facts.DespiteRestriction,
			"expired":                     s.Expired,
			"another's data for a person": c.IsPerson() && !s.Own,
			"own data of no person":       !c.IsPerson() && s.Own,
			"self for another":            self && !s.Own,
			"no policy named":             len(dec.Policies) == 0,
		} {
			if broken {
				t.Errorf("%s, and yet %s", rule, dec.View)
			}
		}
	})
}

// TestWithdrawalNeverWidens: nor does any other state that is worse, even where
// the policy means to open it.
func TestWithdrawalNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(1, 3).Draw(t, "rules") {
			fmt.Fprintf(&text, "permit (principal, %s, resource) when { %s };\n",
				rapid.SampledFrom([]string{"action", `action == Action::"reveal"`, `action == Action::"reveal_masked"`}).Draw(t, "action"),
				anyCondition(false).Draw(t, "condition"))
		}
		d := parseDrawn(t, text.String()).For(caller("claims", "support"), factsOf("claims"))
		f, s := anyField(t), anyState(t)
		s.Own = false
		better, betterField := s, f
		switch rapid.IntRange(0, 3).Draw(t, "mended") {
		case 0:
			better.Consent = accessctl.ConsentGranted
		case 1:
			better.Restricted = false
		case 2:
			better.Expired = false
		case 3:
			betterField.Listed = true
		}
		if worse, than := d.Reveal(f, s), d.Reveal(betterField, better); worse.View > than.View {
			t.Errorf("%s in %+v, but %s in %+v", worse.View, s, than.View, better)
		}
		a := rapid.SampledFrom(accessctl.Actions()[:8]).Draw(t, "action")
		if d.Permit(a, f, s).Allowed && !d.Permit(a, betterField, better).Allowed {
			t.Errorf("%s is allowed in %+v, but not in %+v", a, s, better)
		}
	})
}

// TestForbidNeverWidens: adding a forbid, one that fails too, never gives more.
func TestForbidNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyPolicy(true).Draw(t, "text")
		more := text + "\n" + anyRule("forbid", true).Draw(t, "forbid")
		c, facts := anyCaller(t)
		f, s := anyField(t), anyState(t)
		before, after := parseDrawn(t, text).For(c, facts), parseDrawn(t, more).For(c, facts)
		if b, a := before.Reveal(f, s), after.Reveal(f, s); a.View > b.View {
			t.Errorf("%s became %s", b.View, a.View)
		}
		if after.MayKnow([]accessctl.Field{f}, s.Own) && !before.MayKnow([]accessctl.Field{f}, s.Own) {
			t.Error("the caller may know only with the forbid")
		}
		for _, a := range accessctl.Actions() {
			if got, _ := answer(after, a, f, s); got {
				if had, _ := answer(before, a, f, s); !had {
					t.Errorf("%s is allowed only with the forbid", a)
				}
			}
		}
	})
}

func answer(d *accessctl.Decider, a accessctl.Action, f accessctl.Field, s accessctl.State) (bool, accessctl.Decision) {
	var dec accessctl.Decision
	switch {
	case a.OnField():
		dec = d.Permit(a, f, s)
	case a.OnPerson():
		dec = d.PermitPersonIn(a, s)
	default:
		dec = d.PermitService(a)
	}
	return dec.Allowed, dec
}

// TestAgreesWithCedar: in the ideal state, and where no embedded rule speaks, a
// decision is Cedar's own over the whole text and all of the caller's roles: what
// is left out for speed (roles that no policy mentions, policies whose scope does
// not let the action in) changes nothing. And any diagnostic error denies.
func TestAgreesWithCedar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyPolicy(true).Draw(t, "text")
		c, _ := anyCaller(t)
		c.Purpose, c.Narrowed = "claims", false
		d := parseDrawn(t, text).For(c, factsOf("claims"))
		f := field(rapid.SampledFrom(someFields).Draw(t, "field"))
		s := accessctl.State{Consent: accessctl.ConsentGranted, Own: c.IsPerson()}
		for _, a := range accessctl.Actions() {
			allowed, failed := cedarSays(t, text, c.Roles, a, f, s.Own)
			got, dec := answer(d, a, f, s)
			if want := allowed && !failed && (!a.OnService() || !c.IsPerson()); got != want {
				t.Errorf("%s: %+v, Cedar says %v (failed: %v)", a, dec, allowed, failed)
			}
		}
		plain, failed := cedarSays(t, text, c.Roles, accessctl.ActionReveal, f, s.Own)
		masked, failedMasked := cedarSays(t, text, c.Roles, accessctl.ActionRevealMasked, f, s.Own)
		want := accessctl.Hidden
		switch {
		case failed:
		case plain:
			want = accessctl.Plain
		case masked && !failedMasked:
			want = accessctl.Masked
		}
		if got := d.Reveal(f, s); got.View != want {
			t.Errorf("Reveal is %s, Cedar's would be %s", got.View, want)
		}
	})
}

// cedarSays asks Cedar in the plainest way.
func cedarSays(t *rapid.T, text string, held []accessctl.Role, a accessctl.Action, f accessctl.Field, own bool) (allowed, failed bool) {
	set, err := cedar.NewPolicySetFromBytes("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	uid := func(typ, id string) types.EntityUID {
		return types.NewEntityUID(types.EntityType(typ), types.String(id))
	}
	var parents []types.EntityUID
	for _, r := range held {
		parents = append(parents, uid("Role", string(r)))
	}
	who, what := uid("Caller", "caller"), uid("Field", f.Collection+"."+f.Name)
	consent, listed, match := "granted", true, ""
	if a == accessctl.ActionSearch {
		match = "equals"
	}
	entities := types.EntityMap{who: {UID: who, Parents: types.NewEntityUIDSet(parents...)}}
	switch {
	case a.OnPerson():
		what, listed = uid("Person", "person"), false
		if !a.NeedsPurpose() {
			consent = "none"
		}
	case a.OnService():
		what, consent, listed, own = uid("Service", "service"), "none", false, false
	default:
		entities[what] = types.Entity{UID: what, Parents: types.NewEntityUIDSet(uid("Collection", f.Collection), uid("Classification", f.Classification))}
	}
	decision, diagnostic := cedar.Authorize(set, entities, cedar.Request{
		Principal: who, Action: uid("Action", string(a)), Resource: what,
		Context: types.NewRecord(types.RecordMap{
			"purpose": types.String("claims"), "basis": types.String("legal_obligation"), "consent": types.String(consent),
			"restricted": types.False, "expired": types.False, "own": types.Boolean(own), "listed": types.Boolean(listed), "match": types.String(match),
		}),
	})
	return decision == cedar.Allow, len(diagnostic.Errors) > 0
}

// TestMemoryDoesNotChangeAnswers: a Decider that has answered much before says
// the same as one of a policy that was never asked.
func TestMemoryDoesNotChangeAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyPolicy(true).Draw(t, "text")
		old := parseDrawn(t, text)
		for range rapid.IntRange(1, 30).Draw(t, "questions") {
			c, facts := anyCaller(t)
			f, s := anyField(t), anyState(t)
			a := rapid.SampledFrom(accessctl.Actions()).Draw(t, "action")
			d, fresh := old.For(c, facts), parseDrawn(t, text).For(c, facts)
			if diff := cmp.Diff(fresh.Reveal(f, s), d.Reveal(f, s)); diff != "" {
				t.Errorf("Reveal: %s", diff)
			}
			_, want := answer(fresh, a, f, s)
			if _, got := answer(d, a, f, s); !cmp.Equal(got, want) {
				t.Errorf("%s: %s", a, cmp.Diff(want, got))
			}
			if e := d.Explain(f, s); !cmp.Equal(e.Decision, d.Reveal(f, s)) {
				t.Errorf("Explain and Reveal: %s", cmp.Diff(e.Decision, d.Reveal(f, s)))
			}
		}
	})
}

// TestCheckedPolicyNeverFails: a policy in which Check finds no error fails in no
// situation, so that no Explanation holds a diagnostic.
func TestCheckedPolicyNeverFails(t *testing.T) {
	fields := []accessctl.Field{field(someFields[0]), field(someFields[1]), field(someFields[2])}
	known := []accessctl.Purpose{"support", "marketing", "claims"}
	rapid.Check(t, func(t *rapid.T) {
		p := parseDrawn(t, anyPolicy(true).Draw(t, "text"))
		for _, f := range p.Check(fields, known, nil) {
			if f.Severity == accessctl.SeverityError {
				return
			}
		}
		c, facts := anyCaller(t)
		d := p.For(c, facts)
		f, s := anyField(t), anyState(t)
		for _, a := range accessctl.Actions() {
			if e := d.ExplainPermit(a, f, s); len(e.Diagnostics) > 0 {
				t.Errorf("%s fails: %+v", a, e.Diagnostics)
			}
		}
	})
}

func parseDrawn(t *rapid.T, text string) *accessctl.Policy {
	p, err := accessctl.ParsePolicy(1, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}
