package accessctl

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cedar-policy/cedar-go"
	cedarast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Severity says what a [Finding] means for whoever is about to apply a policy.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the policy does not do what it says: do not apply it
	SeverityWarning Severity = "warning" // look at it again
)

// Finding is something that [Policy.Check] found.
type Finding struct {
	Severity Severity
	Policy   PolicyRef
	Problem  string // a sentence without its full stop
}

// String is "line 3: error: reads-email: ...".
func (f Finding) String() string {
	return fmt.Sprintf("line %d: %s: %s: %s", f.Policy.Line, f.Severity, f.Policy.ID, f.Problem)
}

// Check reads every policy against a catalog: cat holds its fields (Listed is
// not looked at), purposes its purposes, roles the roles that tokens carry, if
// they are known. It finds, in the order of the text,
//
//   - errors: actions, entity types, fields, collections, classifications,
//     attributes and compared purposes, bases and consents that do not exist, for
//     a forbid that misspells protects nothing; and evaluation that fails in any
//     situation that can arise, for that denies all it touches;
//   - warnings: roles that are not known, policies that apply in no situation,
//     permits for callers without any role, permits that only a worse state than
//     the ideal opens, which therefore have no effect, and policies that say the
//     same.
//
// The situations are walked, each policy by itself: all actions, fields,
// purposes and bases, every state, and the sets of the roles that the policy
// mentions (of more than six roles only none, each alone and all together). Of
// what a policy cannot tell apart one representative is taken. At most [MaxWalk]
// situations are walked for a text; a warning says where that was not enough.
func (p *Policy) Check(cat []Field, purposes []Purpose, roles []Role) []Finding {
	c := checker{cat: cat, purposes: purposes, roles: roles, budget: MaxWalk}
	seen := map[string]*rule{}
	for i, r := range p.rules {
		c.rule, c.share = r, c.budget/(len(p.rules)-i)
		m := r.mentions()
		c.names(m)
		c.walk(m)
		meaning := r.meaning()
		if first, ok := seen[meaning]; ok {
			c.warn("it says the same as %s in line %d", first.id, first.line)
			continue
		}
		seen[meaning] = r
	}
	return c.findings
}

// meaning is the rule's text without its annotations, layout and comments.
func (r *rule) meaning() string {
	bare := *r.ast
	bare.Annotations = nil
	return string(cedar.NewPolicyFromAST((*cedarast.Policy)(&bare)).MarshalCedar())
}

type checker struct {
	cat      []Field
	purposes []Purpose
	roles    []Role
	budget   int // situations that may still be walked
	share    int // of them, for this rule
	rule     *rule
	findings []Finding
}

func (c *checker) find(s Severity, format string, args ...any) {
	f := Finding{
		Severity: s,
		Policy:   PolicyRef{ID: c.rule.id, Line: c.rule.line, Column: c.rule.column},
		Problem:  fmt.Sprintf(format, args...),
	}
	if !slices.Contains(c.findings, f) {
		c.findings = append(c.findings, f)
	}
}

func (c *checker) fail(format string, args ...any) { c.find(SeverityError, format, args...) }
func (c *checker) warn(format string, args ...any) { c.find(SeverityWarning, format, args...) }

// names looks up everything the rule names.
func (c *checker) names(m mentions) {
	for _, t := range m.types {
		c.entityType(t)
	}
	for _, e := range m.entities {
		if c.entityType(e.Type) && !c.exists(e) {
			c.missing(e)
		}
	}
	for _, a := range m.attributes {
		switch {
		case a.of == "context" && !slices.Contains(contextNames(), a.name):
			c.fail("the context has no attribute %q", a.name)
		case a.of == "principal", a.of == "action", a.of == "resource":
			c.fail("%s has no attributes, %q neither", a.of, a.name)
		}
	}
	for _, x := range m.compared {
		if !c.comparable(x) {
			c.fail("context.%s is never %q", x.attribute, x.value)
		}
	}
}

func (c *checker) entityType(t types.EntityType) bool {
	switch t {
	case typeCaller, typeRole, typeAction, typeField, typeCollection, typeClassification, typePerson, typeService:
		return true
	default:
		c.fail("there is no entity type %s", t)
		return false
	}
}

// exists reports whether the entity can ever take part in a decision.
func (c *checker) exists(e types.EntityUID) bool {
	id := string(e.ID)
	switch e.Type {
	case typeCaller:
		return id == "caller"
	case typeRole:
		return len(c.roles) == 0 || slices.Contains(c.roles, Role(id))
	case typeAction:
		return Action(id).kind() != onNothing
	case typePerson:
		return id == "person"
	case typeService:
		return id == "service"
	default:
		return slices.ContainsFunc(c.cat, func(f Field) bool {
			switch e.Type {
			case typeField:
				return f.Collection+"."+f.Name == id
			case typeCollection:
				return f.Collection == id
			default:
				return f.Classification == id
			}
		})
	}
}

func (c *checker) missing(e types.EntityUID) {
	if e.Type == typeRole {
		c.warn("no token is known to carry the role %q", e.ID)
		return
	}
	c.fail("there is no %s::%q", e.Type, e.ID)
}

// comparable reports whether the attribute can have the value.
func (c *checker) comparable(x comparison) bool {
	switch x.attribute {
	case "purpose":
		p := Purpose(x.value)
		return p == "" || p == PurposeSelf || slices.Contains(c.purposes, p)
	case "basis":
		return x.value == "" || Basis(x.value).Valid()
	case "match":
		return x.value == "" || Match(x.value).valid()
	case "consent":
		return new(Consent).UnmarshalText([]byte(x.value)) == nil
	default:
		return !slices.Contains(contextNames(), x.attribute) // a Bool is never equal to a text
	}
}

// actions returns the actions that the rule's scope lets in.
func (r *rule) actions() []Action {
	return slices.DeleteFunc(Actions(), func(a Action) bool { return !r.lets(a) })
}

// permits reports whether the rule is a permit.
func (r *rule) permits() bool { return r.ast.Effect == ast.EffectPermit }

// mentioned returns the roles that the rule mentions, sorted.
func (m mentions) mentioned() []Role {
	var roles []Role
	for _, e := range m.entities {
		if e.Type == typeRole {
			roles = append(roles, Role(e.ID))
		}
	}
	slices.SortFunc(roles, cmp.Compare[Role])
	return slices.Compact(roles)
}
