package accessctl

import (
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// mentions is what a rule names.
type mentions struct {
	entities   []types.EntityUID
	types      []types.EntityType
	attributes []attribute
	compared   []comparison
	contexts   int // how often the variable context stands in it
}

// attribute is an access to an attribute, or a question whether there is one.
type attribute struct {
	of   string // principal, action, resource, context, or "" for another expression
	name string
}

// comparison is a context attribute beside a text it is compared with.
type comparison struct {
	attribute, value string
}

// mentions reads the whole rule: its scopes and its conditions.
func (r *rule) mentions() mentions {
	var m mentions
	m.scope(r.ast.Principal)
	m.scope(r.ast.Action)
	m.scope(r.ast.Resource)
	for _, c := range r.ast.Conditions {
		ast.Inspect(ast.NewNode(c.Body), m.node)
	}
	return m
}

func (m *mentions) scope(s ast.IsScopeNode) {
	switch s := s.(type) {
	case ast.ScopeTypeEq:
		m.entities = append(m.entities, s.Entity)
	case ast.ScopeTypeIn:
		m.entities = append(m.entities, s.Entity)
	case ast.ScopeTypeInSet:
		m.entities = append(m.entities, s.Entities...)
	case ast.ScopeTypeIs:
		m.types = append(m.types, s.Type)
	case ast.ScopeTypeIsIn:
		m.types = append(m.types, s.Type)
		m.entities = append(m.entities, s.Entity)
	}
}

// node notes one node of an expression; it always asks to go on below it.
func (m *mentions) node(n ast.IsNode) bool {
	switch n := n.(type) {
	case ast.NodeValue:
		m.value(n.Value)
	case ast.NodeTypeVariable:
		if n.Name == "context" {
			m.contexts++
		}
	case ast.NodeTypeIs:
		m.types = append(m.types, n.EntityType)
	case ast.NodeTypeIsIn:
		m.types = append(m.types, n.EntityType)
	case ast.NodeTypeAccess:
		m.attributes = append(m.attributes, attribute{variable(n.Arg), string(n.Value)})
	case ast.NodeTypeHas:
		m.attributes = append(m.attributes, attribute{variable(n.Arg), string(n.Value)})
	case ast.NodeTypeEquals:
		m.compare(n.Left, n.Right)
		m.compare(n.Right, n.Left)
	case ast.NodeTypeNotEquals:
		m.compare(n.Left, n.Right)
		m.compare(n.Right, n.Left)
	case ast.NodeTypeContains:
		m.compare(n.Right, n.Left)
	}
	return true
}

// value notes the entities inside a literal, however deep.
func (m *mentions) value(v types.Value) {
	switch v := v.(type) {
	case types.EntityUID:
		m.entities = append(m.entities, v)
	case types.Set:
		for e := range v.All() {
			m.value(e)
		}
	case types.Record:
		for e := range v.Values() {
			m.value(e)
		}
	}
}

// compare notes x == "text" and ["text", ...].contains(x), where x is an
// attribute of the context.
func (m *mentions) compare(x, text ast.IsNode) {
	access, ok := x.(ast.NodeTypeAccess)
	if !ok || variable(access.Arg) != "context" {
		return
	}
	elements := []ast.IsNode{text}
	if set, ok := text.(ast.NodeTypeSet); ok {
		elements = set.Elements
	}
	for _, e := range elements {
		v, ok := e.(ast.NodeValue)
		if !ok {
			continue
		}
		if s, ok := v.Value.(types.String); ok {
			m.compared = append(m.compared, comparison{string(access.Value), string(s)})
		}
	}
}

func variable(n ast.IsNode) string {
	if v, ok := n.(ast.NodeTypeVariable); ok {
		return string(v.Name)
	}
	return ""
}
