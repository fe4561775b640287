package catalog

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// maxSought is the most bytes of a prefix or part that is searched for.
const maxSought = 1024

// A Sought is what a search looks for in a field: whole values that are equal, a prefix, a
// part, or a range. It says which index entries the candidates have, and by Holds whether
// a candidate is a match: entries alone never say so.
type Sought struct {
	field    *Field
	match    string
	text     secret.Bytes // normalised; of a range the lower bound
	to       secret.Bytes // the upper bound of a range
	from, up bool         // the range has a lower, an upper bound
}

// SeekEqual looks for values that are the same as v once both are normalised. An error of
// this and of the other ways to seek is a *ValueError.
func (f *Field) SeekEqual(v json.RawMessage) (*Sought, error) {
	n, err := f.bound(v)
	return &Sought{field: f, match: MatchEquals, text: n}, err
}

// bound is a whole value, normalised.
func (f *Field) bound(v json.RawMessage) (secret.Bytes, error) {
	b, err := f.Encode(v)
	if err != nil {
		return secret.Bytes{}, err
	}
	return f.Normalise(b)
}

// SeekPrefix looks for values that begin with v, a string, once both are normalised. The
// field's index serves MatchPrefix.
func (f *Field) SeekPrefix(v json.RawMessage) (*Sought, error) {
	s, rule := f.part(v, f.Index.Prefix.Min)
	if rule == "" && f.Type == TypePhone && !strings.HasPrefix(s, "+") {
		rule = rulePhoneCountry
	}
	if rule != "" {
		return nil, f.refuse(rule)
	}
	return &Sought{field: f, match: MatchPrefix, text: secret.FromString(s)}, nil
}

// SeekPart looks for values in which v, a string, stands somewhere once both are
// normalised. The field's index serves MatchContains.
func (f *Field) SeekPart(v json.RawMessage) (*Sought, error) {
	s, rule := f.part(v, f.Index.NGrams.N)
	if rule != "" {
		return nil, f.refuse(rule)
	}
	return &Sought{field: f, match: MatchContains, text: secret.FromString(s)}, nil
}

// SeekRange looks for values from one to the other, both included; nil: there is no bound
// on this side. The field's index serves MatchRange.
func (f *Field) SeekRange(from, to json.RawMessage) (*Sought, error) {
	s := &Sought{field: f, match: MatchRange, from: from != nil, up: to != nil}
	var err error
	if s.from {
		if s.text, err = f.bound(from); err != nil {
			return nil, err
		}
	}
	if s.up {
		if s.to, err = f.bound(to); err != nil {
			return nil, err
		}
	}
	first, last := s.buckets(f.Index.Range)
	switch n := last - first + 1; {
	case s.from && s.up && f.compare(s.text, s.to) > 0:
		return nil, f.refuse("must not have a lower bound above the upper one")
	case n > maxSoughtRange:
		return nil, f.refuse("must not be searched for more than " + strconv.Itoa(maxSoughtRange) + " intervals of its index at once: name both bounds, nearer to each other")
	}
	return s, nil
}

// buckets are the first and the last interval of the range.
func (s *Sought) buckets(r *RangeIndex) (first, last int64) {
	first, last = r.first(), r.last()
	if s.from {
		first, _ = r.bucket(string(s.text.Expose()))
	}
	if s.up {
		last, _ = r.bucket(string(s.to.Expose()))
	}
	return first, last
}

// part normalises a part of a value as the value is, as far as a part can be.
func (f *Field) part(v json.RawMessage, least int) (s, rule string) {
	if len(v) > 6*maxSought+2 {
		return "", "must have at most 1024 bytes to be searched for"
	}
	s, rule = unquote(bytes.Trim(v, " \t\r\n"))
	switch {
	case rule != "":
		return "", rule
	case len(s) > maxSought:
		return "", "must have at most 1024 bytes to be searched for"
	}
	switch f.Type {
	case TypePhone:
		if s, rule = phonePart(s); rule != "" {
			return "", rule
		}
	case TypeName, TypeAddress:
		s = foldName(s)
	default:
		s = foldText(s)
	}
	if utf8.RuneCountInString(s) < least {
		return "", "must have at least " + strconv.Itoa(least) + " characters to be searched for: write more of it"
	}
	return s, ""
}

// phonePart is the digits of a part of a telephone number, with the + of its country.
func phonePart(s string) (out, rule string) {
	for i, r := range trim(s) {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			out += string(r)
		case strings.ContainsRune(" ()-./\u00a0", r):
		default:
			return "", "must be digits of a telephone number, after + and the country if it is its beginning"
		}
	}
	return out, ""
}

// Match is MatchEquals, MatchPrefix, MatchContains or MatchRange.
func (s *Sought) Match() string { return s.match }

// Whole is the value that MatchEquals looks for. It is the Sought's.
func (s *Sought) Whole() secret.Bytes { return s.text }

// Terms are what the entries of a candidate are made of: any of the first, or every one
// of the second. Both are empty for MatchEquals. m is what the version of the index has.
func (s *Sought) Terms(m *Matching) (some, every []Term) {
	b := s.text.Expose()
	switch s.match {
	case MatchPrefix:
		if at := ends(b, m.Prefix.Min, m.Prefix.Max); len(at) > 0 {
			some = append(some, Term{TermPrefix, secret.New(b[:at[len(at)-1]]), m.Prefix.Bits})
		}
	case MatchContains:
		some = append(some, Term{TermNGram, secret.Bytes{}, m.NGrams.Bits})
		list, _ := grams(b, m.NGrams.N, maxSoughtGrams)
		for _, g := range list {
			every = append(every, Term{TermNGram, secret.New(g), m.NGrams.Bits})
		}
	case MatchRange:
		first, last := s.buckets(m.Range)
		for n := first; n <= last; n++ {
			some = append(some, m.Range.term(n))
		}
	}
	return some, every
}

// Holds says whether a normalised value is one that is looked for.
func (s *Sought) Holds(normalised secret.Bytes) bool {
	switch s.match {
	case MatchEquals:
		return normalised.Equal(s.text)
	case MatchPrefix:
		return bytes.HasPrefix(normalised.Expose(), s.text.Expose())
	case MatchContains:
		return bytes.Contains(normalised.Expose(), s.text.Expose())
	case MatchRange:
		return (!s.from || s.field.compare(normalised, s.text) >= 0) && (!s.up || s.field.compare(normalised, s.to) <= 0)
	}
	return false
}

// compare orders two normalised numbers or dates.
func (f *Field) compare(a, b secret.Bytes) int {
	if f.Type == TypeNumber {
		x, okX := new(big.Rat).SetString(string(a.Expose()))
		y, okY := new(big.Rat).SetString(string(b.Expose()))
		if okX && okY {
			return x.Cmp(y)
		}
	}
	return bytes.Compare(a.Expose(), b.Expose())
}

// Parts identify what is looked for among all searches of the field.
func (s *Sought) Parts() [][]byte {
	bounds := strconv.AppendBool(strconv.AppendBool(nil, s.from), s.up)
	return [][]byte{[]byte(s.match), bounds, s.text.Expose(), s.to.Expose()}
}

// Wipe overwrites what is looked for.
func (s *Sought) Wipe() {
	s.text.Wipe()
	s.to.Wipe()
}
