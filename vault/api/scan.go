package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A scanner walks one JSON document (RFC 8259) without building anything but the
// sets of keys, and compares keys with the type they will be decoded into.
type scanner struct {
	data     []byte
	at       int
	depth    int
	elements int
	path     []step
	names    map[reflect.Type]map[string]reflect.Type
}

// A step is one part of the path to where the scanner is: a key, or an index.
type step struct {
	key   []byte // nil: an index
	index int
}

// fail says what is wrong at the present place.
func (s *scanner) fail(rule string) error {
	var b strings.Builder
	for _, p := range s.path {
		switch {
		case p.key == nil:
			b.WriteString("[" + strconv.Itoa(p.index) + "]")
			continue
		case b.Len() > 0:
			b.WriteByte('.')
		}
		b.WriteString(speakable(p.key))
	}
	return &DecodeError{Path: orBody(b.String()), Rule: rule}
}

// document scans the whole input, one value of type t.
func (s *scanner) document(t reflect.Type) error {
	if !utf8.Valid(s.data) {
		return s.fail("must be UTF-8")
	}
	if err := s.value(t); err != nil {
		return err
	}
	if s.space(); s.at != len(s.data) {
		return s.fail("must end after one JSON value")
	}
	return nil
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.at == len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// value scans one value that will be decoded into t; nil is any type.
func (s *scanner) value(t reflect.Type) error {
	t = plain(t)
	switch c := s.peek(); {
	case c == '{':
		return s.nested(t, s.object)
	case c == '[':
		return s.nested(t, s.array)
	case c == '"':
		_, err := s.text(false)
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	case c == 'n':
		if t != nil && t.Kind() != reflect.Pointer {
			return s.fail("must not be null")
		}
		return s.word("null")
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 0 && s.at == len(s.data):
		return s.fail("must be JSON: it ends too early")
	}
	return s.fail("must be JSON")
}

// plain is t if its shape says which keys it takes, else nil: a type that decodes
// itself, or an interface, takes any.
func plain(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() == reflect.Interface {
		return nil
	}
	if t.Kind() == reflect.String && t.PkgPath() == "" {
		return t // string itself, which has no methods
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	return t
}

func (s *scanner) word(w string) error {
	if !strings.HasPrefix(string(s.data[s.at:min(len(s.data), s.at+len(w))]), w) {
		return s.fail("must be JSON")
	}
	s.at += len(w)
	return nil
}

// nested scans an object or array, one level deeper.
func (s *scanner) nested(t reflect.Type, scan func(reflect.Type) error) error {
	if s.depth++; s.depth > MaxDepth {
		return s.fail("must not be nested deeper than " + strconv.Itoa(MaxDepth))
	}
	s.at++
	err := scan(t)
	s.depth--
	return err
}

// count counts one key or element.
func (s *scanner) count() error {
	if s.elements++; s.elements > MaxElements {
		return s.fail("must not hold more than " + strconv.Itoa(MaxElements) + " keys and elements")
	}
	return nil
}

func (s *scanner) array(t reflect.Type) error {
	elem := elemOf(t, reflect.Slice, reflect.Array)
	if s.peek() == ']' {
		s.at++
		return nil
	}
	s.path = append(s.path, step{})
	last := len(s.path) - 1
	for i := 0; ; i++ {
		s.path[last].index = i
		if err := s.count(); err != nil {
			return err
		}
		if err := s.value(elem); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case ']':
			s.at++
			s.path = s.path[:last]
			return nil
		default:
			return s.fail("must be JSON")
		}
	}
}

// elemOf is the element type of a slice, array or map, or nil.
func elemOf(t reflect.Type, kinds ...reflect.Kind) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return nil
	}
	for _, k := range kinds {
		if t.Kind() == k {
			return t.Elem()
		}
	}
	return nil
}

func (s *scanner) object(t reflect.Type) error {
	if s.peek() == '}' {
		s.at++
		return nil
	}
	var seen keys
	for {
		if s.peek() != '"' {
			return s.fail("must be JSON")
		}
		key, err := s.text(true)
		if err != nil {
			return err
		}
		if err := s.member(t, key, &seen); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case '}':
			s.at++
			return nil
		default:
			return s.fail("must be JSON")
		}
	}
}

// member scans what follows a key: the colon and the value.
func (s *scanner) member(t reflect.Type, key []byte, seen *keys) error {
	if err := s.count(); err != nil {
		return err
	}
	elem, known := s.memberType(t, key)
	if !known {
		return s.fail("must not have unknown keys; keys are spelt in lower case")
	}
	s.path = append(s.path, step{key: key})
	switch {
	case !seen.add(key):
		return s.fail("must stand once; keys that differ only in case count as one")
	case seen.n > MaxKeys:
		return s.fail("must be one of at most " + strconv.Itoa(MaxKeys) + " keys")
	case s.peek() != ':':
		return s.fail("must be JSON")
	}
	s.at++
	if err := s.value(elem); err != nil {
		return err
	}
	s.path = s.path[:len(s.path)-1]
	return nil
}

// memberType is the type of a member, and whether t may have it at all.
func (s *scanner) memberType(t reflect.Type, key []byte) (reflect.Type, bool) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return elemOf(t, reflect.Map), true
	}
	members, ok := s.names[t]
	if !ok {
		if s.names == nil {
			s.names = map[reflect.Type]map[string]reflect.Type{}
		}
		members = map[string]reflect.Type{}
		addMembers(members, t)
		s.names[t] = members
	}
	m, known := members[string(key)]
	return m, known
}

// addMembers lists the JSON members of a struct, those of embedded structs too.
func addMembers(m map[string]reflect.Type, t reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			addMembers(m, f.Type)
		case f.IsExported() && name != "" && name != "-":
			m[name] = f.Type
		}
	}
}

// speakable is a key as it may stand in an error: only what looks like a name of
// a catalog, for a key may hold personal data by mistake.
func speakable(key []byte) string {
	if len(key) == 0 || len(key) > 63 || key[0] < 'a' || key[0] > 'z' {
		return "?"
	}
	for i := range len(key) {
		if c := key[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return "?"
		}
	}
	return string(key)
}

// number scans a number.
func (s *scanner) number() error {
	if s.data[s.at] == '-' {
		s.at++
	}
	switch {
	case s.next('0'):
	case !s.digits():
		return s.fail("must be JSON")
	}
	if s.next('.') && !s.digits() {
		return s.fail("must be JSON")
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return s.fail("must be JSON")
		}
	}
	return nil
}

// next takes the byte if it is c.
func (s *scanner) next(c byte) bool {
	if s.at < len(s.data) && s.data[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

// text scans a string. Only if decode is set it is returned, as a part of the input
// if nothing in it is escaped; it is never nil then.
func (s *scanner) text(decode bool) ([]byte, error) {
	s.at++
	var b []byte
	from := s.at
	for s.at < len(s.data) {
		switch c := s.data[s.at]; {
		case c == '"':
			s.at++
			switch rest := s.data[from : s.at-1]; {
			case !decode:
				return nil, nil
			case b == nil:
				return rest, nil
			default:
				return append(b, rest...), nil
			}
		case c < 0x20:
			return nil, s.fail("must have no raw control characters in strings")
		case c == '\\':
			if decode {
				b = append(b, s.data[from:s.at]...)
			}
			r, err := s.escape()
			if err != nil {
				return nil, err
			}
			if decode {
				b = utf8.AppendRune(b, r)
			}
			from = s.at
		default:
			s.at++
		}
	}
	return nil, s.fail("must be JSON: it ends too early")
}

// escape scans one escape sequence, a pair of surrogates as one.
func (s *scanner) escape() (rune, error) {
	if s.at+1 >= len(s.data) {
		return 0, s.fail("must be JSON: it ends too early")
	}
	c := s.data[s.at+1]
	s.at += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		return s.unicode()
	}
	return 0, s.fail("must be JSON")
}

func (s *scanner) unicode() (rune, error) {
	r, ok := s.hex4()
	if !ok {
		return 0, s.fail("must be JSON")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if s.next('\\') && s.next('u') {
		if low, ok := s.hex4(); ok {
			if both := utf16.DecodeRune(r, low); both != unicode.ReplacementChar {
				return both, nil
			}
		}
	}
	return 0, s.fail("must have no lone surrogates in strings")
}

func (s *scanner) hex4() (rune, bool) {
	if s.at+4 > len(s.data) {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.at : s.at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.at += 4
	return r, true
}

// keys is the set of an object's keys, without regard to case.
type keys struct {
	few  [8][]byte
	many map[string]struct{}
	n    int
}

// add adds a key, and reports whether it is new.
func (k *keys) add(key []byte) bool {
	if k.many == nil {
		for _, have := range k.few[:k.n] {
			if bytes.EqualFold(have, key) {
				return false
			}
		}
		if k.n < len(k.few) {
			k.few[k.n] = key
			k.n++
			return true
		}
		k.many = map[string]struct{}{}
		for _, have := range k.few {
			k.many[fold(have)] = struct{}{}
		}
	}
	folded := fold(key)
	if _, ok := k.many[folded]; ok {
		return false
	}
	k.many[folded] = struct{}{}
	k.n++
	return true
}

// fold maps keys that differ only in case to the same string, as encoding/json
// does: each rune becomes the least of those it folds with.
func fold(key []byte) string {
	return string(bytes.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, key))
}
