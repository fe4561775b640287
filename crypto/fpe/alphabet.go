package fpe

import (
	"fmt"
	"unicode/utf8"
)

// The alphabets that most formats need, to be given to NewAlphabet. The order matters: with another
// one a text encrypts to another. LowerAlphanumeric is that of NIST's samples.
const (
	Digits            = "0123456789"
	LowerLetters      = "abcdefghijklmnopqrstuvwxyz"
	UpperLetters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	LowerAlphanumeric = Digits + LowerLetters
	UpperAlphanumeric = Digits + UpperLetters
	Alphanumeric      = Digits + UpperLetters + LowerLetters
)

const (
	minRadix  = 2
	maxRadix  = 1 << 16
	minDomain = 1_000_000 // SP 800-38G Revision 1
)

// An Alphabet is the characters that a text may have, each with its numeral. It does not change and
// is safe for concurrent use.
type Alphabet struct {
	runes  []rune
	ascii  [utf8.RuneSelf]int32 // numerals, or -1
	others map[rune]int32
	min    int // characters of the shortest text
}

// NewAlphabet returns the alphabet of the characters of s, which are distinct code points and need
// not be ASCII. A text is compared with them code point by code point: nothing is normalised.
//
// The error is ErrAlphabet.
func NewAlphabet(s string) (*Alphabet, error) {
	a := &Alphabet{runes: []rune(s), others: map[rune]int32{}}
	if n := len(a.runes); n < minRadix || n > maxRadix {
		return nil, fmt.Errorf("%w: it must have %d to %d characters", ErrAlphabet, minRadix, maxRadix)
	}
	for i := range a.ascii {
		a.ascii[i] = -1
	}
	for i, r := range a.runes {
		if r == utf8.RuneError { // which also stands for what is not UTF-8
			return nil, fmt.Errorf("%w: it must be UTF-8, without U+FFFD", ErrAlphabet)
		}
		if a.numeral(r) >= 0 {
			return nil, fmt.Errorf("%w: a character stands in it twice", ErrAlphabet)
		}
		if r < utf8.RuneSelf {
			a.ascii[r] = int32(i)
		} else {
			a.others[r] = int32(i)
		}
	}
	a.min = shortest(uint64(len(a.runes)))
	return a, nil
}

// shortest is the least n of at least 2 with radix^n >= minDomain.
func shortest(radix uint64) int {
	n, domain := 2, radix*radix
	for domain < minDomain {
		n, domain = n+1, domain*radix
	}
	return n
}

// Radix is how many characters the alphabet has.
func (a *Alphabet) Radix() int { return len(a.runes) }

// MinLen is how many characters a text must have at least.
func (a *Alphabet) MinLen() int { return a.min }

// numeral is the numeral of r, or -1.
func (a *Alphabet) numeral(r rune) int32 {
	if r < utf8.RuneSelf {
		return a.ascii[r]
	}
	if n, ok := a.others[r]; ok {
		return n
	}
	return -1
}

// numerals appends the numerals of the text, and refuses it by its length before it looks at
// its characters.
func (a *Alphabet) numerals(out []uint16, text string) ([]uint16, error) {
	if n := utf8.RuneCountInString(text); n < a.min || n > MaxLen {
		return out, fmt.Errorf("%w: the text must have %d to %d characters", ErrLength, a.min, MaxLen)
	}
	for _, r := range text {
		n := a.numeral(r)
		if n < 0 {
			return out, ErrCharacter
		}
		out = append(out, uint16(n)) //nolint:gosec // below maxRadix
	}
	return out, nil
}

// appendText appends the characters of numerals.
func (a *Alphabet) appendText(out []byte, numerals []uint16) []byte {
	for _, n := range numerals {
		out = utf8.AppendRune(out, a.runes[n])
	}
	return out
}
