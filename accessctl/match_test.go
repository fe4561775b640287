package accessctl_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// TestSearchByMoreThanEqualityNeedsPlain: whoever sees a mask, or nothing, finds nobody by
// a part of the value, whatever the policies say of the search.
func TestSearchByMoreThanEqualityNeedsPlain(t *testing.T) {
	p := parse(t, `
		permit (principal in Role::"masked", action in [Action::"reveal_masked", Action::"search"], resource);
		permit (principal in Role::"blind", action == Action::"search", resource);
		permit (principal in Role::"plain", action in [Action::"reveal", Action::"search"], resource);
		permit (principal in Role::"reader", action == Action::"reveal", resource);
		permit (principal in Role::"exact", action in [Action::"reveal", Action::"search"], resource);
		forbid (principal in Role::"exact", action == Action::"search", resource) unless { context.match == "equals" };
		permit (principal in Role::"beginnings", action == Action::"reveal", resource);
		permit (principal in Role::"beginnings", action == Action::"search", resource) when { ["equals", "prefix"].contains(context.match) };`)
	state := accessctl.State{}
	for _, c := range []struct {
		role  accessctl.Role
		state accessctl.State
		want  string // of equals, prefix, contains, range
	}{
		{"masked", state, "allowed, denied policy, denied policy, denied policy"},
		{"blind", state, "allowed, denied policy, denied policy, denied policy"},
		{"reader", state, "denied policy, denied policy, denied policy, denied policy"},
		{"plain", state, "allowed, allowed, allowed, allowed"},
		{"exact", state, "allowed, denied policy, denied policy, denied policy"},
		{"beginnings", state, "allowed, allowed, denied policy, denied policy"},
		{"plain", accessctl.State{Restricted: true}, "denied restricted, denied restricted, denied restricted, denied restricted"},
		{"plain", accessctl.State{Expired: true}, "denied expired, denied expired, denied expired, denied expired"},
	} {
		d := p.For(caller("billing", c.role), factsOf("billing"))
		var got []string
		for _, m := range accessctl.Matches() {
			got = append(got, words(d.PermitSearch(m, field("customer.email"), c.state)))
			ideal := d.PermitSearch(m, field("customer.email"), accessctl.State{Consent: accessctl.ConsentGranted}).Allowed
			e := d.ExplainSearch(m, field("customer.email"), c.state)
			if got := words(e.Decision); got != words(d.PermitSearch(m, field("customer.email"), c.state)) || e.Decision.Allowed == (e.Rule != "") && c.role == "masked" {
				t.Errorf("%s, %s: it is explained as %s", c.role, m, e)
			}
			if d.HasSearch(m, field("customer.email")) != ideal {
				t.Errorf("%s: HasSearch of %s is not what is permitted in the ideal state", c.role, m)
			}
		}
		if all := strings.Join(got, ", "); all != c.want {
			t.Errorf("%s, %+v: %s, want %s", c.role, c.state, all, c.want)
		}
		for _, m := range []accessctl.Match{"", "suffix", "Prefix"} {
			if d.PermitSearch(m, field("customer.email"), c.state).Allowed {
				t.Errorf("%s: the match %q is permitted", c.role, m)
			}
		}
	}
}

// TestNoMatchTellsMoreThanIsSeen is that rule for any policy.
func TestNoMatchTellsMoreThanIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := parseDrawn(t, anyPolicy(true).Draw(t, "text")+"\npermit (principal, action == Action::\"search\", resource);")
		c, facts := anyCaller(t)
		f, s := anyField(t), anyState(t)
		m := rapid.SampledFrom(accessctl.Matches()).Draw(t, "match")
		d := p.For(c, facts)
		dec := d.PermitSearch(m, f, s)
		if dec.Allowed != (dec.Reason == accessctl.ReasonNone) {
			t.Errorf("a decision that contradicts itself: %+v", dec)
		}
		if dec.Allowed && m != accessctl.MatchEquals && d.Reveal(f, s).View != accessctl.Plain {
			t.Errorf("%s is permitted on what is seen %s", m, d.Reveal(f, s).View)
		}
	})
}

func TestCheckKnowsMatches(t *testing.T) {
	cat := []accessctl.Field{field("customer.email")}
	for text, want := range map[string]string{
		`permit (principal in Role::"app", action == Action::"search", resource) when { context.match == "prefix" };`: "",
		`permit (principal in Role::"app", action == Action::"search", resource) when { context.match == "suffix" };`: `context.match is never "suffix"`,
		`permit (principal in Role::"app", action == Action::"reveal", resource) when { context.match == "prefix" };`: "it applies in no situation",
		`permit (principal in Role::"app", action == Action::"search", resource) when { context.match == "" };`:       "it applies in no situation",
		`forbid (principal in Role::"app", action, resource) when { context.match == "range" && 1 < context.match };`: "it cannot be evaluated for search",
	} {
		found := ""
		for _, f := range parse(t, text).Check(cat, []accessctl.Purpose{"support"}, nil) {
			found += f.String() + "\n"
		}
		if want == "" && found != "" || !strings.Contains(found, want) {
			t.Errorf("%s\nfound %q, want %q", text, found, want)
		}
	}
}

// An expectation names the match of a search, and nothing else has one.
func TestExpectedMatches(t *testing.T) {
	p := parse(t, `permit (principal in Role::"plain", action in [Action::"reveal", Action::"search"], resource);
		permit (principal in Role::"masked", action in [Action::"reveal_masked", Action::"search"], resource);`)
	expect := func(role accessctl.Role, a accessctl.Action, m accessctl.Match, want string) accessctl.Expectation {
		return accessctl.Expectation{
			Roles: []accessctl.Role{role}, Purpose: "billing", Action: a, Collection: "customer", Field: "email", Match: m, Want: want,
		}
	}
	list := []accessctl.Expectation{
		expect("plain", accessctl.ActionSearch, accessctl.MatchPrefix, "allowed"),
		expect("masked", accessctl.ActionSearch, accessctl.MatchPrefix, "denied"),
		expect("masked", accessctl.ActionSearch, accessctl.MatchEquals, "allowed"),
		expect("masked", accessctl.ActionSearch, accessctl.MatchRange, "allowed"), // from here on they fail
		expect("plain", accessctl.ActionSearch, "suffix", "denied"),
		expect("plain", accessctl.ActionReveal, accessctl.MatchPrefix, "plain"),
	}
	var failed []int
	for _, f := range p.Test(list, allKnown{}) {
		failed = append(failed, f.Index)
	}
	if !slices.Equal(failed, []int{3, 4, 5}) {
		t.Errorf("expectations %v fail", failed)
	}
}

// allKnown describes every field and the purposes of the samples.
type allKnown struct{}

func (allKnown) Field(collection, name string, _ accessctl.Purpose) (accessctl.Field, bool) {
	return field(collection + "." + name), true
}

func (allKnown) Purpose(id accessctl.Purpose) accessctl.PurposeFacts { return factsOf(id) }
