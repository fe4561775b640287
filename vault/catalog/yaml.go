package catalog

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a source. They keep its parser, which is recursive and slow with
// very long mappings, from using up stack and time.
const (
	maxSource = 1 << 20 // bytes
	maxKeys   = 10_000
	maxFlow   = 32  // nested [ and {
	maxDashes = 8   // nested - on one line
	maxIndent = 200 // columns before a key
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
	switch {
	case len(r.problems) > 0:
		return nil
	case body == nil:
		r.add(position{1, 1}, "", "is empty")
	case body.Type() != ast.MappingType && body.Type() != ast.MappingValueType:
		r.add(place(body), "", "must be a mapping, key: value")
		return nil
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
	r.add(tokenPlace(e.Token), "", "is not YAML: "+clip(e.Message, 300))
}

// screen refuses what a catalog has no need of, before anything recurses.
func (r *reader) screen(tokens token.Tokens) bool {
	var s screener
	for _, t := range tokens {
		if text := s.next(t); text != "" {
			r.add(tokenPlace(t), "", text)
			return false
		}
	}
	return true
}

// A screener looks at one token after the other.
type screener struct {
	line, dashes, flow, keys int
}

// next says what is wrong with a token, or nothing.
func (s *screener) next(t *token.Token) string {
	at := tokenPlace(t)
	if at.line != s.line {
		s.line, s.dashes = at.line, 0
	}
	switch t.Type {
	case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType, token.MappingKeyType:
		return "has " + strconv.Quote(clip(t.Value, maxKey)) + ": anchors, aliases, tags, merge keys, directives and ? keys are not allowed; quote it if it is text"
	case token.SequenceStartType, token.MappingStartType:
		s.flow++
	case token.SequenceEndType, token.MappingEndType:
		s.flow--
	case token.SequenceEntryType:
		s.dashes++
	case token.MappingValueType:
		s.keys++
		if s.flow == 0 && t.Prev != nil && tokenPlace(t.Prev).column > maxIndent {
			return "is indented too far"
		}
	default:
	}
	switch {
	case s.flow > maxFlow, s.dashes > maxDashes:
		return "is nested too deeply"
	case s.keys > maxKeys:
		return "has more than 10,000 keys"
	}
	return ""
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
		e := entry{key: key, path: join(path, clip(key, maxKey)), at: place(p.Key), value: notNull(p.Value)}
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
			r.add(e.at, e.path, "is not a known key"+suggest(e.key, keys))
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
	d, valid := parseDays(s)
	if !ok || !valid {
		o.r.add(place(e.value), e.path, ruleDays)
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
		o.r.add(m.at, m.path, nameRule)
		return true
	})
}

// maxKey is how many bytes of a key messages repeat.
const maxKey = 64

// clip puts what a message repeats from the source on one line of printable
// text, of at most so many bytes and an ellipsis.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
