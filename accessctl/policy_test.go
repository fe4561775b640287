package accessctl_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
)

func parse(t testing.TB, text string) *accessctl.Policy {
	t.Helper()
	p, err := accessctl.ParsePolicy(1, []byte(text))
	if err != nil {
		t.Fatalf("ParsePolicy: %v", err)
	}
	return p
}

func TestParsePolicyKeepsVersionAndText(t *testing.T) {
	text := []byte("// everything\npermit (principal, action, resource);\n")
	p, err := accessctl.ParsePolicy(7, text)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	text[0] = 'X'     // the caller's bytes are not the policy's
	p.Text()[0] = 'X' // nor are those it hands out
	if p.Version() != 7 || string(p.Text()) != want {
		t.Errorf("version %d, text %q", p.Version(), p.Text())
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	const ok = "permit (principal, action, resource);"
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, text   string
		line, column int
		problem      string
	}{
		{"nothing", "", 1, 1, "holds no policy"},
		{"only a comment", "// permit (principal, action, resource);", 1, 1, "holds no policy"},
		{"no end", "permit (principal, action, resource)", 1, 37, "want ;"},
		{"half a statement", ok + "\npermit (principal, action", 2, 26, "want ,"},
		{"an unknown effect", ok + "\n  allow (principal, action, resource);", 2, 9, "effect"},
		{"text after the end", ok + " x", 1, 40, "effect"},
		{"an unquoted entity", "permit (principal == Caller, action, resource);", 1, 0, "want ::"},
		{"a template", "permit (principal == ?principal, action, resource);", 1, 0, ""},
		{"an unknown variable", "permit (principal, action, resource) when { subject };", 1, 0, ""},
		{"an unknown function", "permit (principal, action, resource) when { now() > 1 };", 1, 0, "not a function"},
		{"an unterminated text", "@id(\"a\npermit (principal, action, resource);", 1, 0, ""},
		{"a number too large", "permit (principal, action, resource) when { 1 == 99999999999999999999 };", 1, 0, ""},
		{"an id twice", "@id(\"a\") " + ok + "\n@id(\"a\") " + ok, 2, 1, `the id "a" is already that of the policy in line 1`},
		{"an id that is another's by default", "@id(\"policy1\") " + ok + "\n" + ok, 2, 1, `"policy1"`},
		{"an empty id", "@id(\"\") " + ok, 1, 1, "@id"},
		{"an id without value", "@id " + ok, 1, 1, "@id"},
		{"an id that breaks a line", "@id(\"a\\nb\") " + ok, 1, 1, "@id"},
		{"a long id", "@id(\"" + long(accessctl.MaxPolicyID+1) + "\") " + ok, 1, 1, "@id"},
		{"an annotation twice", "@id(\"a\") @id(\"b\") " + ok, 1, 0, "duplicate"},
		{"a block comment", ok + "\n/* hidden */", 2, 1, "comment"},
		{"a byte that is not UTF-8", ok + "\n// \xff", 2, 4, "UTF-8"},
		{"a NUL", ok + "\x00", 1, 38, "U+0000"},
		{"an escape character", "// \x1b[2J\n" + ok, 1, 4, "U+001B"},
		{"text that runs backwards", "// \u202e" + ok, 1, 4, "U+202E"},
		{"a zero-width space", "permit\u200b (principal, action, resource);", 1, 7, "U+200B"},
		{"a byte order mark", "\ufeff" + ok, 1, 1, "U+FEFF"},
		{"a line separator in a comment", "// a\u2028" + ok, 1, 5, "U+2028"},
		{"a long text", ok + strings.Repeat("\n// "+long(100), accessctl.MaxPolicyText/100), 1, 1, "longer than"},
		{"a long policy", "permit (principal, action, resource) when { \"" + long(accessctl.MaxStatement) + "\" == \"\" };", 1, 0, "longer than"},
		{"deep brackets", "permit (principal, action, resource) when { " + strings.Repeat("(", 5000) + "true" + strings.Repeat(")", 5000) + " };", 1, 108, "nested"},
		{"deep sets", "permit (principal, action, resource) when { " + strings.Repeat("[", 5000), 1, 108, "nested"},
		{"a long chain of names", "permit (principal, action, resource) when { context has a" + strings.Repeat(".a", accessctl.MaxChain+1) + " };", 1, 90, "chained"},
		{"one hidden by comments", "permit (principal, action, resource) when { context has a" + strings.Repeat(" // ;\n . a", accessctl.MaxChain+1) + " };", 18, 2, "chained"},
		{"many policies", strings.Repeat(ok, accessctl.MaxPolicies+1), 1, 1, "more than"},
		{"many roles", manyRoles(accessctl.MaxRoles + 1), 1, 0, "roles"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := accessctl.ParsePolicy(1, []byte(c.text))
			var syntax *accessctl.SyntaxError
			if !errors.Is(err, accessctl.ErrPolicy) || !errors.As(err, &syntax) {
				t.Fatalf("ParsePolicy = %v, %v; want a SyntaxError that is an ErrPolicy", p, err)
			}
			if syntax.Line != c.line || c.column != 0 && syntax.Column != c.column || syntax.Column < 1 {
				t.Errorf("at line %d, column %d; want %d, %d", syntax.Line, syntax.Column, c.line, c.column)
			}
			if !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), fmt.Sprintf("line %d", c.line)) {
				t.Errorf("error %q does not say %q and its line", err, c.problem)
			}
		})
	}
}

// manyRoles is policies that mention n roles between them.
func manyRoles(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "permit (principal in Role::\"r%d\", action, resource); ", i)
	}
	return b.String()
}

func TestParsePolicyAcceptsTheLimits(t *testing.T) {
	const ok = "permit (principal, action, resource);\n"
	for name, text := range map[string]string{
		"policies": strings.Repeat(ok, accessctl.MaxPolicies),
		"roles":    manyRoles(accessctl.MaxRoles),
		"nesting": "permit (principal, action, resource) when { " +
			strings.Repeat("(", accessctl.MaxNesting-1) + "true" + strings.Repeat(")", accessctl.MaxNesting-1) + " };",
		"chain": "permit (principal, action, resource) when { context has a" + strings.Repeat(".a", accessctl.MaxChain) +
			strings.Repeat(" && context.own", 100) + " };",
		"brackets in texts and comments": "permit (principal, action, resource) when { context.purpose != \"" +
			strings.Repeat("(\\\"", 100) + "\" }; // " + strings.Repeat("{", 100),
		"id":      "@id(\"" + strings.Repeat("x", accessctl.MaxPolicyID) + "\")" + ok,
		"accents": "// Zurückhaltung, 日本\n" + ok,
	} {
		t.Run(name, func(t *testing.T) { parse(t, text) })
	}
}

// TestHostileTextsAreCheap: texts within the limits that are made to cost much.
// None may cost more memory than a text of its length reasonably can.
func TestHostileTextsAreCheap(t *testing.T) {
	body := accessctl.MaxStatement - 100
	for name, condition := range map[string]string{
		"negations":  strings.Repeat("!", body) + "true",
		"minus":      "0 < " + strings.Repeat("-", body) + "1",
		"or":         "true" + strings.Repeat("||true", body/6),
		"if":         strings.Repeat("if true then true else ", body/23) + "true",
		"sets":       "[" + strings.Repeat("1,", body/2) + "1].isEmpty()",
		"chains":     "true" + strings.Repeat(" && context has a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", body/50),
		"like":       `"` + strings.Repeat("a", body/2) + `" like "` + strings.Repeat("*a", body/4-10) + `b"`,
		"brackets":   strings.Repeat("(true)&&", body/8) + "true",
		"nested ifs": strings.Repeat("if ", body/3),
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat("permit (principal, action, resource) when { "+condition+" };\n", 4)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p, err := accessctl.ParsePolicy(1, []byte(text))
			if err == nil {
				p.For(caller("billing", "app"), factsOf("billing")).Reveal(field("customer.email"), accessctl.State{})
			}
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 128<<20 {
				t.Errorf("parsing and one decision took %d MiB", used>>20)
			}
			if unfinished := name == "nested ifs"; errors.Is(err, accessctl.ErrPolicy) != unfinished {
				t.Errorf("ParsePolicy: %v", err)
			}
		})
	}
}

// TestPolicyIDs: the id of an annotation, else policy<N> counted from 0.
func TestPolicyIDs(t *testing.T) {
	p := parse(t, `
		permit (principal, action == Action::"erase", resource);
		@id("keeps-order") permit (principal, action == Action::"erase", resource);
		permit (principal, action == Action::"erase", resource);`)
	got := p.For(caller("", "dpo"), accessctl.PurposeFacts{}).PermitPerson(accessctl.ActionErase, false).Policies
	if diff := cmp.Diff([]string{"policy0", "keeps-order", "policy2"}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzParsePolicy: whatever the text, there is a policy or a SyntaxError with a
// place; a policy decides, explains and checks without a panic, and parses again
// from its own text.
func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{
		"", "permit (principal, action, resource);", samplePolicy,
		`@id("a") forbid (principal in Role::"b", action in [Action::"reveal"], resource is Field) unless { context.nothing };`,
		`permit (principal, action, resource) when { if context has own then [1,2].contains(1) else principal is Caller in Role::"x" };`,
		`permit (principal, action, resource) when { {"a": {b: ip("1.2.3.4").isLoopback()}}.a.b || decimal("1.0").lessThan(decimal("2.0")) };`,
		`permit (principal, action, resource) when { "a\u{41}\n" like "*\*" };`,
		`permit (principal, action, resource) when { -9223372036854775808 - 1 < 3 * 9223372036854775807 };`,
	} {
		f.Add([]byte(s))
	}
	email := accessctl.Field{Collection: "customer", Name: "email", Classification: "contact", Listed: true}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := accessctl.ParsePolicy(1, text)
		if err != nil {
			var syntax *accessctl.SyntaxError
			if !errors.As(err, &syntax) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("ParsePolicy: %v", err)
			}
			return
		}
		d := p.For(caller("support", "support"), accessctl.PurposeFacts{Known: true, Basis: accessctl.BasisContract})
		dec := d.Reveal(email, accessctl.State{})
		if dec.Allowed != (dec.View != accessctl.Hidden) || dec.Allowed != (dec.Reason == accessctl.ReasonNone) {
			t.Errorf("a decision that contradicts itself: %+v", dec)
		}
		if got := d.Explain(email, accessctl.State{}).Decision; !cmp.Equal(got, dec) {
			t.Errorf("Explain says %+v, Reveal %+v", got, dec)
		}
		p.Check([]accessctl.Field{email}, []accessctl.Purpose{"support"}, []accessctl.Role{"support"})
		again, err := accessctl.ParsePolicy(1, p.Text())
		if err != nil || !bytes.Equal(again.Text(), text) {
			t.Errorf("parsing its own text: %v", err)
		}
	})
}

// TestRoles: every role that the text mentions, sorted, once, also in a condition.
func TestRoles(t *testing.T) {
	p := parse(t, `permit (principal in Role::"b", action, resource) when { principal in Role::"a" || principal in Role::"b" };
		forbid (principal, action, resource);`)
	if diff := cmp.Diff(roles("a b"), p.Roles()); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	if got := parse(t, "forbid (principal, action, resource);").Roles(); len(got) != 0 {
		t.Errorf("roles %v", got)
	}
}
