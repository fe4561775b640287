package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// The masks of fields. Each type has its own default and allows some others.
const (
	MaskFull    = "full"          // ••••
	MaskEmail   = "email"         // l••••@example.org
	MaskInitial = "initial"       // L••••
	MaskLast2   = "last2"         // •••• 55
	MaskLast3   = "last3"         // •••• 555
	MaskLast4   = "last4"         // •••• 5555
	MaskYear    = "year"          // 1985
	MaskIBAN    = "country_last4" // DE •••• 3000
	MaskRedact  = "redact"        // call [name] back: [phone]
)

const dots = "••••"

// hidden is how many characters a mask that shows an end hides at least.
const hidden = 4

// MaskValue gives the text that stands for stored bytes where they may not be
// seen. It tells neither their length nor, however short they are, all of
// them. Of a field with MaskRedact it tells nothing: to redact a text is not
// this package's, and where that was forgotten nothing is shown.
func (f *Field) MaskValue(v secret.Bytes) secret.Bytes {
	return secret.New(f.mask(string(v.Expose())))
}

func (f *Field) mask(s string) []byte {
	var room [64]rune // for the characters of most values, so that nothing is allocated for them
	switch f.Mask {
	case MaskEmail:
		return maskEmail(s)
	case MaskInitial:
		return []byte(initial(s) + dots)
	case MaskLast2:
		return maskEnd("", f.tail(room[:0], s), 2)
	case MaskLast3:
		return maskEnd("", f.tail(room[:0], s), 3)
	case MaskLast4:
		return maskEnd("", f.tail(room[:0], s), 4)
	case MaskYear:
		if validDate(s) {
			return []byte(s[:4])
		}
		return []byte(dots)
	case MaskIBAN:
		b, ok := bare(s, "-")
		if !ok || len(b) < 15 {
			return []byte(dots)
		}
		return maskEnd(b[:2]+" ", append(room[:0], []rune(b[2:])...), 4)
	default:
		return []byte(dots)
	}
}

// maskEmail shows the domain, and the first character of a local part of three
// or more.
func maskEmail(s string) []byte {
	local, domain, ok := splitEmail(s)
	if !ok {
		return []byte(dots)
	}
	return []byte(initial(local) + dots + "@" + domain)
}

// initial gives the first letter or digit of a text that has at least three of
// them. Where a character is a syllable or a word, one is too much: nothing.
func initial(s string) string {
	s = norm.NFC.String(strings.TrimSpace(s))
	first, size := utf8.DecodeRuneInString(s)
	if !unicode.IsLetter(first) && !unicode.IsDigit(first) || unicode.In(first, unicode.Lo) {
		return ""
	}
	count := 0
	for _, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			count++
		}
	}
	if count < 3 {
		return ""
	}
	return s[:size]
}

// tail appends the characters of which a mask may show the last ones.
func (f *Field) tail(out []rune, s string) []rune {
	if f.Type == TypePhone {
		s, _ = cutExtension(s)
	}
	for _, r := range norm.NFC.String(s) {
		if unicode.IsDigit(r) || f.Type != TypePhone && unicode.IsLetter(r) {
			out = append(out, r)
		}
	}
	return out
}

// maskEnd shows, after what begins the mask, at most n of the last characters, and
// hides at least four.
func maskEnd(begin string, s []rune, n int) []byte {
	n = min(n, len(s)-hidden)
	if n <= 0 {
		return []byte(begin + dots)
	}
	return []byte(begin + dots + " " + string(s[len(s)-n:]))
}
