package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// Limits and defaults of what is indexed beside whole values.
const (
	prefixLeast    = 2  // characters of a prefix; one alone would tell the alphabet
	prefixMost     = 32 // characters of a prefix
	prefixEntries  = 16 // lengths from min to max
	prefixMin      = 3
	prefixMax      = 8
	prefixBits     = 24
	ngramLeast     = 2
	ngramMost      = 5
	ngramDefault   = 3
	ngramBits      = 16
	rangeBits      = 32
	maxBound       = 1_000_000_000_000_000 // of a range, in whole units
	maxBuckets     = 1_000_000             // of a range of numbers
	maxNGrams      = 64                    // distinct ones of a value; with more, it is a candidate of every search
	maxSoughtGrams = 16                    // of what is searched for; the comparison sees the rest
	maxSoughtRange = 256                   // intervals that one search covers
)

// PeriodDay makes an interval of each day. The others are those of statistics.
const PeriodDay = "day"

// Matching says how a field can be searched beside equality. Each kind has entries of its
// own in the index, under a key of its own, and tells a thief of the database something:
// see [Index.Leaks].
type Matching struct {
	// Prefix finds values by their first characters; nil: it cannot be.
	Prefix *PrefixIndex `json:"prefix,omitempty"`

	// NGrams finds values by a part of them; nil: it cannot be.
	NGrams *NGramIndex `json:"ngrams,omitempty"`

	// Range finds numbers and dates from one to another; nil: it cannot be.
	Range *RangeIndex `json:"range,omitempty"`
}

// PrefixIndex has an entry for each beginning of a normalised value of Min to Max
// characters.
type PrefixIndex struct {
	Min  int `json:"min"`  // from 2; what is searched for has at least so many characters
	Max  int `json:"max"`  // to 32, and at most 15 more than Min; a longer one is compared in full
	Bits int `json:"bits"` // as Index.Bits
}

// NGramIndex has an entry for each run of N characters of a normalised value, without
// padding at its ends: what is searched for may stand anywhere in it. A value with more
// than 64 different ones has one entry that says so, and is a candidate of every search.
type NGramIndex struct {
	N    int `json:"n"`    // from 2 to 5; what is searched for has at least so many characters
	Bits int `json:"bits"` // as Index.Bits
}

// RangeIndex has one entry for a value: the interval that it is in. A search covers at
// most 256 intervals.
type RangeIndex struct {
	// Low, High and Width make the intervals of a number: those of Width from Low on, and
	// one each for all that is below Low or not below High. All are 0 for a date.
	Low   int64 `json:"low,omitempty"`
	High  int64 `json:"high,omitempty"`
	Width int64 `json:"width,omitempty"`

	// By makes the intervals of a date: PeriodDay, PeriodMonth, PeriodQuarter or
	// PeriodYear. It is "" for a number.
	By string `json:"by,omitempty"`

	Bits int `json:"bits"` // as Index.Bits
}

// The ways to match.
const (
	MatchEquals   = "equals"
	MatchPrefix   = "prefix"
	MatchContains = "contains"
	MatchRange    = "range"
)

// has says whether the index serves a match, equality apart.
func (m *Matching) has(match string) bool {
	switch match {
	case MatchPrefix:
		return m.Prefix != nil
	case MatchContains:
		return m.NGrams != nil
	case MatchRange:
		return m.Range != nil
	}
	return false
}

// same says whether a match finds the same by both.
func (m *Matching) same(o *Matching, match string) bool {
	switch match {
	case MatchPrefix:
		return equal(m.Prefix, o.Prefix)
	case MatchContains:
		return equal(m.NGrams, o.NGrams)
	case MatchRange:
		return equal(m.Range, o.Range)
	}
	return false
}

// equalAll says whether both have the same kinds, alike.
func (m *Matching) equalAll(o *Matching) bool {
	return equal(m.Prefix, o.Prefix) && equal(m.NGrams, o.NGrams) && equal(m.Range, o.Range)
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// clone copies what the pointers lead to.
func (m *Matching) clone() Matching {
	return Matching{Prefix: copied(m.Prefix), NGrams: copied(m.NGrams), Range: copied(m.Range)}
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// Of is what a version of the index has entries of beside whole values.
func (x *Index) Of(version uint32) *Matching {
	if x.Previous != 0 && version == x.Previous {
		return &x.Before
	}
	return &x.Matching
}

// Serves says whether the index is declared to serve a match, one of MatchEquals and so
// on. It may still have to be filled: see SearchedFor.
func (x *Index) Serves(match string) bool {
	if x == nil {
		return false
	}
	return match == MatchEquals && x.Kind == IndexEquality || x.has(match)
}

// SearchedFor lists the versions of which a search with this match looks for entries:
// none while no version has them for all records.
func (x *Index) SearchedFor(match string) []uint32 {
	switch {
	case !x.Serves(match):
		return nil
	case match == MatchEquals:
		return x.Searched()
	case x.Filling && x.Previous != 0 && !x.same(&x.Before, match):
		return nil
	}
	return x.Searched()
}

// matching reads what an index declares beside equality.
func (r *reader) matching(o object) (m Matching) {
	if e := o.values["prefix"]; e.value != nil {
		p := r.object(e.value, e.path, "min", "max", "bits")
		m.Prefix = &PrefixIndex{Min: p.integer("min", prefixMin), Max: p.integer("max", prefixMax), Bits: p.integer("bits", prefixBits)}
	}
	if e := o.values["ngrams"]; e.value != nil {
		p := r.object(e.value, e.path, "n", "bits")
		m.NGrams = &NGramIndex{N: p.integer("n", ngramDefault), Bits: p.integer("bits", ngramBits)}
	}
	if e := o.values["range"]; e.value != nil {
		p := r.object(e.value, e.path, "low", "high", "width", "by", "bits")
		m.Range = &RangeIndex{
			Low: int64(p.integer("low", 0)), High: int64(p.integer("high", 0)), Width: int64(p.integer("width", 0)),
			By: p.text("by"), Bits: p.integer("bits", rangeBits),
		}
	}
	return m
}

// parts says whether values of the type are searched by their parts. The numbers of
// cards, accounts and identity cards are not: they are known whole or not at all, and
// their beginnings are of a bank or a birthday.
func (t Type) parts() bool {
	switch t {
	case TypeEmail, TypePhone, TypeName, TypeAddress, TypeText:
		return true
	default:
		return false
	}
}

// fieldMatching checks what an index declares beside equality.
func (k *checker) fieldMatching(path string, t Type, m *Matching) {
	refuse := func(kind, types string) {
		k.add(path+"."+kind, "is not possible for type "+string(t)+": it is for "+types)
	}
	if p := m.Prefix; p != nil {
		if !t.parts() {
			refuse("prefix", "email, phone, name, address and text")
		}
		k.within(path+".prefix.min", p.Min, prefixLeast, prefixMost)
		if p.Max < p.Min || p.Max > prefixMost || p.Max-p.Min >= prefixEntries {
			k.add(path+".prefix.max", "must be from min to "+strconv.Itoa(prefixMost)+", and less than "+strconv.Itoa(prefixEntries)+" more than min")
		}
		k.within(path+".prefix.bits", p.Bits, IndexBitsMin, IndexBitsMax)
	}
	if n := m.NGrams; n != nil {
		if !t.parts() {
			refuse("ngrams", "email, phone, name, address and text")
		}
		k.within(path+".ngrams.n", n.N, ngramLeast, ngramMost)
		k.within(path+".ngrams.bits", n.Bits, IndexBitsMin, IndexBitsMax)
	}
	if r := m.Range; r != nil {
		if t != TypeNumber && t != TypeDate {
			refuse("range", "number and date")
		} else {
			k.fieldRange(path+".range", t, r)
		}
		k.within(path+".range.bits", r.Bits, IndexBitsMin, IndexBitsMax)
	}
}

func (k *checker) within(path string, n, least, most int) {
	if n < least || n > most {
		k.add(path, "must be from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
}

func (k *checker) fieldRange(path string, t Type, r *RangeIndex) {
	if t == TypeDate {
		if r.Low != 0 || r.High != 0 || r.Width != 0 {
			k.add(path, "has low, high or width, which are for numbers: a date has by")
		}
		if periods := []string{PeriodDay, PeriodMonth, PeriodQuarter, PeriodYear}; !slices.Contains(periods, r.By) {
			k.add(path+".by", "must be one of "+strings.Join(periods, ", "))
		}
		return
	}
	switch {
	case r.By != "":
		k.add(path+".by", "is for dates: a number has low, high and width")
	case r.Low < -maxBound || r.High > maxBound || r.Low >= r.High:
		k.add(path, "needs low and high, whole numbers of at most 15 digits, and low must be less than high")
	case r.Width < 1 || (r.High-r.Low-1)/r.Width+1 > maxBuckets:
		k.add(path+".width", "must be 1 or more, and make at most "+strconv.Itoa(maxBuckets)+" intervals")
	}
}
