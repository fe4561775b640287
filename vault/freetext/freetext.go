package freetext

import (
	"errors"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// A Kind is a sort of personal data.
type Kind string

// The kinds, in the order in which one of two findings of the same length goes before the other.
const (
	Email      Kind = "e-mail"
	IBAN       Kind = "IBAN"
	Card       Kind = "card"
	NationalID Kind = "national id"
	Phone      Kind = "phone"
	IPAddress  Kind = "IP address"
	BirthDate  Kind = "date of birth"
	Name       Kind = "name"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Email, IBAN, Card, NationalID, Phone, IPAddress, BirthDate, Name}
}

// A Confidence says how often a finding of a rule is right, by judgement, of 100.
type Confidence int

// The confidences.
const (
	Likely  Confidence = 60 // a form or a list alone
	Strong  Confidence = 80 // two signs
	Checked Confidence = 95 // check digits, a numbering plan, a name that New was given
)

// What a name that New is given may have.
const (
	leastNameBytes = 3
	mostNameWords  = 8
)

// A Finding is where personal data stands: text[Start:End], at the borders of characters.
type Finding struct {
	Kind       Kind
	Start, End int
	Confidence Confidence
	Why        string // the rule, in words, without any of the text
}

// Options say what the texts are like.
type Options struct {
	// Region is whose telephone numbers are written without their country, an ISO 3166
	// code such as DE. Without one only numbers with + are found.
	Region string
	// Names are found wherever they stand as whole words, in upper or lower case: of
	// colleagues, say. Each has at least 3 bytes; white space between words is one space.
	Names []string
}

// ErrOptions means that a Detector cannot be made: the region is unknown or a name too short.
var ErrOptions = errors.New("freetext: unknown region or unusable name")

// A Detector finds personal data. It does not change and is safe for concurrent use.
type Detector struct {
	region string
	given  map[string]struct{} // in lower case, as the three below
	common map[string]struct{}
	family map[string]struct{}
	extra  map[string]struct{}
	words  int // most words of an extra name
}

// New returns a Detector. The error is ErrOptions.
func New(o Options) (*Detector, error) {
	if o.Region != "" && (len(o.Region) != 2 || phonenumbers.GetCountryCodeForRegion(o.Region) == 0) {
		return nil, ErrOptions
	}
	d := &Detector{
		region: o.Region, given: lines(givenNames), common: lines(commonNames), family: lines(familyNames), extra: map[string]struct{}{},
	}
	for _, name := range o.Names {
		parts := wordsOf(name)
		if len(name) < leastNameBytes || len(parts) == 0 || len(parts) > mostNameWords {
			return nil, ErrOptions
		}
		d.extra[joined(parts)] = struct{}{}
		d.words = max(d.words, len(parts))
	}
	return d, nil
}

// Find returns what is found, in the order of the text. Of findings that overlap one remains, that
// covers all of them; its kind and rule are those of the longest.
func (d *Detector) Find(text string) []Finding {
	return merged(d.scan(text).found)
}

// Redact returns the text with the name of its kind, such as [e-mail], in the place of each finding
// of the kinds given, or of all if none is given. What is not UTF-8 becomes U+FFFD.
func (d *Detector) Redact(text string, kinds ...Kind) string {
	found := d.scan(text).found
	if len(kinds) > 0 {
		found = slices.DeleteFunc(found, func(f Finding) bool { return !slices.Contains(kinds, f.Kind) })
	}
	var out strings.Builder
	at := 0
	for _, f := range merged(found) {
		out.WriteString(text[at:f.Start])
		out.WriteString("[" + string(f.Kind) + "]")
		at = f.End
	}
	out.WriteString(text[at:])
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

// merged makes one of those that overlap.
func merged(found []Finding) []Finding {
	order := Kinds()
	slices.SortFunc(found, func(a, b Finding) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	var out []Finding
	longest := 0 // of those that are the last of out
	for _, f := range found {
		if len(out) == 0 || f.Start >= out[len(out)-1].End {
			out, longest = append(out, f), f.End-f.Start
			continue
		}
		last := &out[len(out)-1]
		last.End = max(last.End, f.End)
		if n := f.End - f.Start; n > longest {
			last.Kind, last.Confidence, last.Why, longest = f.Kind, f.Confidence, f.Why, n
		}
	}
	return out
}

// A scan is one text under examination.
type scan struct {
	*Detector
	text   string
	lower  string // the same, with ASCII letters in lower case, so that places are the same
	groups []group
	found  []Finding
	steps  int // how many characters, groups and words the rules have looked at
}

func (d *Detector) scan(text string) *scan {
	s := &scan{Detector: d, text: text, lower: asciiLower(text)}
	s.groups = groupsOf(text)
	s.emails()
	s.numbers()
	s.addresses()
	s.dates()
	s.names()
	return s
}

func (s *scan) add(k Kind, start, end int, c Confidence, why string) {
	s.found = append(s.found, Finding{k, start, end, c, why})
}

// near says whether one of the words begins in the n bytes before start.
func (s *scan) near(start, n int, words ...string) bool {
	from := max(0, start-n)
	s.steps += start - from
	for _, w := range words {
		for at := from; ; at++ {
			i := strings.Index(s.lower[at:start], w)
			if i < 0 {
				break
			}
			if at += i; at == 0 || !letterBefore(s.text, at) {
				return true
			}
		}
	}
	return false
}
