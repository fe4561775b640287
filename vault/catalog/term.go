package catalog

import (
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// TermKind says what a Term is.
type TermKind uint8

// The kinds of terms.
const (
	TermPrefix TermKind = iota // the first characters of a value
	TermNGram                  // a run of characters; the empty one stands for too many of them
	TermBucket                 // the number of the interval that a value is in
)

// A Term is a part of a value, or a class of values, that an index has an entry for.
type Term struct {
	Kind TermKind
	Text secret.Bytes // may share its memory with the value
	Bits int
}

// Terms are what a normalised value is indexed by beside itself. They are at most 81, and
// none stands twice. They share memory with the value: use them before it is wiped.
func (f *Field) Terms(m *Matching, normalised secret.Bytes) (terms []Term) {
	if p := m.Prefix; p != nil {
		for _, end := range ends(normalised.Expose(), p.Min, p.Max) {
			terms = append(terms, Term{TermPrefix, secret.New(normalised.Expose()[:end]), p.Bits})
		}
	}
	if n := m.NGrams; n != nil {
		grams, all := grams(normalised.Expose(), n.N, maxNGrams)
		if !all {
			grams = [][]byte{{}}
		}
		for _, g := range grams {
			terms = append(terms, Term{TermNGram, secret.New(g), n.Bits})
		}
	}
	if r := m.Range; r != nil {
		if at, ok := r.bucket(string(normalised.Expose())); ok {
			terms = append(terms, r.term(at))
		}
	}
	return terms
}

// ends are where the beginnings of least to most characters end.
func ends(s []byte, least, most int) (list []int) {
	at := 0
	for n := 1; n <= most && at < len(s); n++ {
		_, size := utf8.DecodeRune(s[at:])
		at += size
		if n >= least {
			list = append(list, at)
		}
	}
	return list
}

// grams are the distinct runs of n characters of s, in order; all says that there are no
// more than most.
func grams(s []byte, n, most int) (list [][]byte, all bool) {
	var starts []int
	seen := map[string]bool{}
	for at := 0; at < len(s); {
		starts = append(starts, at)
		_, size := utf8.DecodeRune(s[at:])
		at += size
		if len(starts) < n {
			continue
		}
		g := s[starts[len(starts)-n]:at]
		if seen[string(g)] {
			continue
		}
		if len(list) == most {
			return list, false
		}
		seen[string(g)] = true
		list = append(list, g)
	}
	return list, true
}

// bucket is the number of the interval of a normalised number or date.
func (r *RangeIndex) bucket(s string) (int64, bool) {
	if r.By != "" {
		return r.period(s)
	}
	v, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	last := (r.High-r.Low-1)/r.Width + 1
	switch {
	case v.Cmp(new(big.Rat).SetInt64(r.Low)) < 0:
		return -1, true
	case v.Cmp(new(big.Rat).SetInt64(r.High)) >= 0:
		return last, true
	}
	v.Sub(v, new(big.Rat).SetInt64(r.Low))
	v.Quo(v, new(big.Rat).SetInt64(r.Width))
	return new(big.Int).Quo(v.Num(), v.Denom()).Int64(), true // it is not negative: the quotient is the floor
}

// period numbers the day, month, quarter or year of a date, without gaps.
func (r *RangeIndex) period(s string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, false
	}
	year, month := int64(t.Year()), int64(t.Month())-1
	switch r.By {
	case PeriodDay:
		return dayNumber(s)
	case PeriodMonth:
		return 12*year + month, true
	case PeriodQuarter:
		return 4*year + month/3, true
	case PeriodYear:
		return year, true
	}
	return 0, false
}

// first and last are the numbers of the outermost intervals.
func (r *RangeIndex) first() int64 {
	if r.By == "" {
		return -1
	}
	n, _ := r.period("0001-01-01")
	return n
}

func (r *RangeIndex) last() int64 {
	if r.By == "" {
		return (r.High-r.Low-1)/r.Width + 1
	}
	n, _ := r.period("9999-12-31")
	return n
}

func (r *RangeIndex) term(bucket int64) Term {
	return Term{TermBucket, secret.FromString(strconv.FormatInt(bucket, 10)), r.Bits}
}
