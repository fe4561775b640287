package freetext

import (
	"strings"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// numbers tries, at each group, all that is written with digits.
func (s *scan) numbers() {
	for i := range s.groups {
		s.steps++
		if !s.groups[i].ascii {
			continue
		}
		s.iban(i)
		s.nationalID(i)
		if s.groups[i].digits {
			s.card(i)
			s.phone(i)
		}
	}
}

// maxCard is how many digits a card number has at most.
const maxCard = 19

// card tries the number that begins with group i, alone or with those that one and the same
// separator joins to it, the longest first.
func (s *scan) card(i int) {
	if i > 0 && s.groups[i-1].digits && len(s.between(i)) == 1 && strings.Contains("-.", s.between(i)) {
		return // the middle of something else
	}
	var number [maxCard]byte
	n, last := 0, -1
	for j := i; j < len(s.groups) && s.cardGroup(i, j); j++ {
		s.steps++
		if n+s.len(j) > maxCard {
			break
		}
		n += copy(number[n:], s.text[s.groups[j].start:s.groups[j].end])
		if digits := string(number[:n]); issued(digits) && catalog.IsCard(digits) {
			last = j
		}
	}
	if last >= 0 && (last == i || !s.listed(i, last)) {
		s.add(Card, s.groups[i].start, s.groups[last].end, Checked, "the digits and length of an issuer, and the Luhn check digit")
	}
}

// cardGroup says whether group j may be one of a number that begins with group i: cards are printed in
// groups of 3 to 7 digits, first of 4, with a space or a hyphen between.
func (s *scan) cardGroup(i, j int) bool {
	if !s.groups[j].digits {
		return false
	}
	if j == i {
		return true
	}
	gap := s.between(j)
	return (gap == " " || gap == "-" || gap == "\u00a0") && gap == s.between(i+1) && s.len(i) == 4 && s.len(j) >= 3 && s.len(j) <= 7
}

// listed says whether groups i to last are part of a longer row of groups of four.
func (s *scan) listed(i, last int) bool {
	gap := s.between(last)
	return i > 0 && s.len(i-1) == 4 && s.hasDigit(i-1) && s.between(i) == gap ||
		last+1 < len(s.groups) && s.len(last+1) == 4 && s.hasDigit(last+1) && s.between(last+1) == gap
}

func (s *scan) hasDigit(i int) bool {
	return strings.ContainsAny(s.text[s.groups[i].start:s.groups[i].end], "0123456789")
}

// issued says whether digits begin as an issuer's do and are as long (ISO/IEC 7812).
func issued(digits string) bool {
	if len(digits) < 13 {
		return false
	}
	p := 0
	for _, c := range digits[:4] {
		p = p*10 + int(c-'0')
	}
	n := len(digits)
	switch {
	case p/1000 == 4:
		return n == 13 || n == 16 || n == 19
	case p/100 >= 51 && p/100 <= 55, p >= 2221 && p <= 2720:
		return n == 16
	case p/100 == 34, p/100 == 37:
		return n == 15
	case p == 6011, p/10 >= 644 && p/10 <= 649, p/100 == 65, p >= 3528 && p <= 3589, p/100 == 62:
		return n >= 16
	case p/10 >= 300 && p/10 <= 305, p/100 == 36, p/100 == 38, p/100 == 39:
		return n == 14
	case p == 5018, p == 5020, p == 5038, p == 5893, p == 6304, p == 6759, p >= 6761 && p <= 6763:
		return true
	}
	return false
}

// iban tries group i and those that follow it with a space or hyphen between.
func (s *scan) iban(i int) {
	g := s.groups[i]
	if g.end-g.start < 4 || !letter(s.text[g.start]) || !letter(s.text[g.start+1]) ||
		!digit(s.text[g.start+2]) || !digit(s.text[g.start+3]) {
		return
	}
	want, n := ibanLen(strings.ToUpper(s.text[g.start:g.start+2])), 0
	for j := i; j < len(s.groups) && s.groups[j].ascii && n < want; j++ {
		s.steps++
		if j > i {
			if gap := s.between(j); gap != " " && gap != "-" && gap != "\u00a0" {
				return
			}
		}
		if n += s.len(j); n == want && catalog.IsIBAN(s.text[g.start:s.groups[j].end]) {
			s.add(IBAN, g.start, s.groups[j].end, Checked, "the length of its country and the check digits, modulo 97")
		}
	}
}

// ibanLen is how long the IBANs of a country are (the registry of ISO 13616), or 0.
func ibanLen(country string) int {
	const lengths = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18" +
		"FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24" +
		"ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20"
	for at := 0; at < len(lengths); at += 4 {
		if lengths[at:at+2] == country {
			return int(lengths[at+2]-'0')*10 + int(lengths[at+3]-'0')
		}
	}
	return 0
}
