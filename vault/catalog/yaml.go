package catalog

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a source. They keep its parser, which is recursive, from using up
// the stack.
const (
	maxSource = 1 << 20 // bytes
	maxFlow   = 32      // nested [ and {
	maxDashes = 8       // nested - on one line
	maxIndent = 200     // columns before a key
)

type position struct{ line, column int }

// A reader walks a YAML document and collects what is wrong with it.
type reader struct {
	problems  []Problem
	positions map[string]position
}

// add records a problem at a place of the source.
func (r *reader) add(at position, path, text string) {
	r.problems = append(r.problems, Problem{Line: at.line, Column: at.column, Path: path, Text: text})
}

// root parses the source and gives the document's one mapping, or nil when
// there is none.
func (r *reader) root(src []byte) ast.Node {
	switch {
	case len(src) > maxSource:
		r.add(position{}, "", "is larger than 1 MiB")
		return nil
	case !utf8.Valid(src):
		r.add(position{}, "", "is not UTF-8")
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if !r.screen(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	return r.document(file)
}

func (r *reader) document(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case body != nil:
			r.add(place(doc.Body), "", "is a second document: a catalog is one")
		default:
			body = doc.Body
		}
	}
	if body == nil && len(r.problems) == 0 {
		r.add(position{1, 1}, "", "is empty")
	}
	return body
}

// syntax records an error of the YAML parser without its excerpt of the source.
func (r *reader) syntax(err error) {
	var e *yaml.SyntaxError
	if !errors.As(err, &e) {
		r.add(position{}, "", "is not YAML")
		return
	}
	r.add(tokenPlace(e.Token), "", "is not YAML: "+e.Message)
}

// screen refuses what a catalog has no need of, before anything recurses.
func (r *reader) screen(tokens token.Tokens) bool {
	flow, dashes, line := 0, 0, 0
	for _, t := range tokens {
		text := ""
		if t.Position != nil && t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType, token.MappingKeyType:
			text = "has " + strconv.Quote(t.Value) + ": anchors, aliases, tags, merge keys, directives and ? keys are not allowed; quote the text if it is text"
		case token.SequenceStartType, token.MappingStartType:
			if flow++; flow > maxFlow {
				text = "is nested too deeply"
			}
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType:
			if dashes++; dashes > maxDashes {
				text = "is nested too deeply"
			}
		case token.MappingValueType:
			if p := t.Prev; p != nil && flow == 0 && p.Position != nil && p.Position.Column > maxIndent {
				text = "is indented too far"
			}
		default:
		}
		if text != "" {
			r.add(tokenPlace(t), "", text)
			return false
		}
	}
	return true
}

func tokenPlace(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{}
	}
	return position{t.Position.Line, t.Position.Column}
}

func place(n ast.Node) position {
	if n == nil {
		return position{}
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return place(m.Values[0].Key)
	}
	return tokenPlace(n.GetToken())
}

// An entry is one key of a mapping.
type entry struct {
	key   string
	path  string
	at    position
	value ast.Node // nil for null
}

// entries reads a mapping whose keys are plain text. A duplicate is a problem,
// and the first one counts.
func (r *reader) entries(n ast.Node, path string) []entry {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case nil:
		return nil
	default:
		r.add(place(n), path, "must be a mapping, key: value")
		return nil
	}
	var list []entry
	seen := map[string]bool{}
	for _, p := range pairs {
		key, ok := plain(p.Key)
		if !ok {
			r.add(place(p.Key), path, "has a key that is not text")
			continue
		}
		e := entry{key: key, path: join(path, key), at: place(p.Key), value: notNull(p.Value)}
		if seen[key] {
			r.add(e.at, e.path, "stands twice")
			continue
		}
		seen[key] = true
		r.positions[e.path] = e.at
		list = append(list, e)
	}
	return list
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func notNull(n ast.Node) ast.Node {
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	return n
}

// plain gives the text of a string node.
func plain(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	default:
		return "", false
	}
}

// An object is a mapping with a fixed set of keys.
type object struct {
	r      *reader
	path   string
	values map[string]entry
}

// object reads a mapping with these keys only.
func (r *reader) object(n ast.Node, path string, keys ...string) object {
	o := object{r: r, path: path, values: map[string]entry{}}
	for _, e := range r.entries(n, path) {
		if !slices.Contains(keys, e.key) {
			r.add(e.at, join(path, clip(e.key)), "is not a known key"+suggest(e.key, keys))
			continue
		}
		o.values[e.key] = e
	}
	return o
}

// text reads text; absent is empty.
func (o object) text(key string) string {
	e := o.values[key]
	if e.value == nil {
		return ""
	}
	s, ok := plain(e.value)
	if !ok {
		o.r.add(place(e.value), e.path, "must be text: put it in quotes")
		return ""
	}
	return strings.TrimSpace(s)
}

// integer reads a whole number; absent is def.
func (o object) integer(key string, def int) int {
	e := o.values[key]
	if e.value == nil {
		return def
	}
	if i, ok := e.value.(*ast.IntegerNode); ok {
		if n, err := strconv.Atoi(i.Token.Value); err == nil {
			return n
		}
	}
	o.r.add(place(e.value), e.path, "must be a whole number")
	return def
}

// boolean reads true or false; absent is false.
func (o object) boolean(key string) bool {
	e := o.values[key]
	if e.value == nil {
		return false
	}
	b, ok := e.value.(*ast.BoolNode)
	if !ok {
		o.r.add(place(e.value), e.path, "must be true or false")
		return false
	}
	return b.Value
}

// list reads a sequence of texts.
func (o object) list(key string) []string {
	e := o.values[key]
	if e.value == nil {
		return nil
	}
	seq, ok := e.value.(*ast.SequenceNode)
	if !ok {
		o.r.add(place(e.value), e.path, "must be a list, such as [a, b]")
		return nil
	}
	var list []string
	for i, n := range seq.Values {
		path := e.path + "[" + strconv.Itoa(i) + "]"
		s, ok := plain(n)
		if !ok || strings.TrimSpace(s) == "" {
			o.r.add(place(n), path, "must be text")
			continue
		}
		o.r.positions[path] = place(n)
		list = append(list, strings.TrimSpace(s))
	}
	return list
}

// days reads a retention.
func (o object) days(key string) Days {
	e := o.values[key]
	if e.value == nil {
		return 0
	}
	s, ok := plain(e.value)
	if i, isInt := e.value.(*ast.IntegerNode); isInt {
		s, ok = i.Token.Value, true
	}
	d, err := parseDays(s)
	if !ok || err != nil {
		o.r.add(place(e.value), e.path, errDays.Error())
	}
	return d
}

// members reads a mapping of names to bodies, in order.
func (o object) members(key string) []entry {
	e := o.values[key]
	list := o.r.entries(e.value, e.path)
	return slices.DeleteFunc(list, func(m entry) bool {
		if validName(m.key) {
			return false
		}
		o.r.add(m.at, join(e.path, clip(m.key)), nameRule)
		return true
	})
}

// clip shortens what a message repeats from the source.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
