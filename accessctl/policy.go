package accessctl

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Policy is one version of a tenant's policies. It is immutable and safe for
// concurrent use. The zero Policy permits nothing.
type Policy struct {
	version  int64
	text     []byte
	rules    []*rule           // in the order of the text
	byAction map[Action]subset // the rules whose scope lets the action in
	roles    map[Role]int      // the roles that the text mentions, numbered
	tables   atomic.Pointer[tables]
}

// rule is one policy of the text.
type rule struct {
	id           string
	line, column int
	ast          *ast.Policy
	compiled     *cedar.Policy
}

// ParsePolicy reads Cedar text. Every policy gets the id of its annotation
// @id("..."), else policy<N>, counted from 0; ids are unique. Each error is an
// [ErrPolicy] and a *[SyntaxError], which names line and column. A text without
// any policy is refused: who means to deny everything can say so with
// forbid (principal, action, resource);
//
// That a text parses says nothing of whether it means what was meant: that is
// for [Policy.Check] to find out, and for [Policy.Test].
func ParsePolicy(version int64, text []byte) (*Policy, error) {
	if err := scan(text); err != nil {
		return nil, err
	}
	list, err := cedar.NewPolicyListFromBytes("", text)
	if err != nil {
		return nil, syntaxError(err)
	}
	switch {
	case len(list) == 0:
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: "the text holds no policy"}
	case len(list) > MaxPolicies:
		return nil, &SyntaxError{Line: 1, Column: 1, Problem: fmt.Sprintf("the text holds more than %d policies", MaxPolicies)}
	}
	p := &Policy{version: version, text: bytes.Clone(text), roles: map[Role]int{}}
	for i, c := range list {
		if err := p.add(i, c); err != nil {
			return nil, err
		}
	}
	p.slice()
	return p, nil
}

// Version returns the number that ParsePolicy was given.
func (p *Policy) Version() int64 { return p.version }

// Text returns a copy of the text that ParsePolicy was given.
func (p *Policy) Text() []byte { return bytes.Clone(p.text) }

// Roles returns the roles that the text mentions, sorted.
func (p *Policy) Roles() []Role { return slices.Sorted(maps.Keys(p.roles)) }

// add names the i-th policy of the text and notes the roles it mentions.
func (p *Policy) add(i int, c *cedar.Policy) error {
	pos := c.Position()
	r := &rule{line: pos.Line, column: pos.Column, ast: (*ast.Policy)(c.AST()), compiled: c}
	fail := func(format string, args ...any) error {
		return &SyntaxError{Line: r.line, Column: r.column, Problem: fmt.Sprintf(format, args...)}
	}
	r.id = "policy" + strconv.Itoa(i)
	if id, ok := c.Annotations()["id"]; ok {
		r.id = string(id)
	}
	if !validID(r.id) {
		return fail("an @id is 1 to %d of A-Z a-z 0-9 . _ -", MaxPolicyID)
	}
	for _, s := range p.rules {
		if s.id == r.id {
			return fail("the id %q is already that of the policy in line %d", r.id, s.line)
		}
	}
	for _, e := range r.mentions().entities {
		if e.Type != typeRole {
			continue
		}
		if _, ok := p.roles[Role(e.ID)]; !ok {
			p.roles[Role(e.ID)] = len(p.roles)
		}
	}
	if len(p.roles) > MaxRoles {
		return fail("the text mentions more than %d roles", MaxRoles)
	}
	p.rules = append(p.rules, r)
	return nil
}

func validID(id string) bool {
	if id == "" || len(id) > MaxPolicyID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// slice sorts the rules by the actions that their scopes let in. A rule whose
// scope does not let an action in is false for it, and cannot fail: its
// conditions are not evaluated.
func (p *Policy) slice() {
	p.byAction = make(map[Action]subset, len(Actions()))
	for _, a := range Actions() {
		for _, r := range p.rules {
			if r.lets(a) {
				p.byAction[a] = append(p.byAction[a], r)
			}
		}
	}
}

// lets reports whether the scope of the rule lets the action in.
func (r *rule) lets(a Action) bool {
	uid := types.NewEntityUID(typeAction, types.String(a))
	switch s := r.ast.Action.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == uid
	case ast.ScopeTypeIn:
		return s.Entity == uid
	case ast.ScopeTypeInSet:
		return slices.Contains(s.Entities, uid)
	default:
		return true
	}
}

// syntaxError gives a parser's error the place that its text begins with or
// contains, as "<input>:line:column".
func syntaxError(err error) error {
	e := &SyntaxError{Line: 1, Column: 1, Problem: strings.TrimPrefix(err.Error(), "parser error: ")}
	before, after, ok := strings.Cut(e.Problem, "<input>:")
	if !ok {
		return e
	}
	line, rest, _ := cutNumber(after)
	column, rest, ok := cutNumber(strings.TrimPrefix(rest, ":"))
	if !ok || line < 1 || column < 1 {
		return e
	}
	e.Line, e.Column = line, column
	before = strings.TrimSuffix(before, "parse error at ")
	e.Problem = before + strings.TrimLeft(rest, ": ")
	return e
}

func cutNumber(s string) (n int, rest string, ok bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, s[end:], err == nil
}
