package freetext

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
)

const (
	leastPhone = 7 // digits
	mostPhone  = 17
	phoneTries = 3
)

// phone tries the number that begins with group i: all groups that can belong to it, then fewer,
// at most phoneTries times.
func (s *scan) phone(i int) {
	start := s.phoneStart(i)
	if start < 0 {
		return
	}
	if _, isDate := s.date(i); isDate {
		return
	}
	last, n := i-1, 0
	for j := i; j < len(s.groups) && s.groups[j].digits; j++ {
		s.steps++
		if j > i && !phoneGap(s.between(j)) {
			break
		}
		if n += s.len(j); n > mostPhone {
			break
		}
		last = j
	}
	for try := 0; try < phoneTries && last >= i; try++ {
		if n := s.digitsOf(i, last); n < leastPhone {
			return
		} else if n <= mostPhone && s.phoneAt(start, i, last) {
			return
		}
		last--
	}
}

// digitsOf is how many digits groups i to last have.
func (s *scan) digitsOf(i, last int) int {
	n := 0
	for j := i; j <= last; j++ {
		s.steps++
		n += s.len(j)
	}
	return n
}

// phoneStart is where a number whose first digits are group i begins, with its + or bracket, or -1
// if none can begin here.
func (s *scan) phoneStart(i int) int {
	start := s.groups[i].start
	if i > 0 && s.groups[i-1].digits && phoneGap(s.between(i)) && !strings.ContainsAny(s.between(i), "+") {
		return -1 // the middle of a number
	}
	if s.byteAt(start-1) == '(' {
		start--
	}
	switch s.byteAt(start - 1) {
	case '+':
		start--
		if s.byteAt(start-1) == '(' {
			start--
		}
	case '-', '/', '.', '#', '$', '@', ':', '=', ',':
		if c := s.byteAt(start - 2); c != ' ' && !letter(c) && c != '.' || s.byteAt(start-1) == '#' || s.byteAt(start-1) == '$' {
			return -1
		}
	}
	return start
}

// phoneGap says whether a number may be written with gap between two of its groups.
func phoneGap(gap string) bool {
	switch gap {
	case " ", "-", ".", "/", "\u00a0", " - ", " / ", ") ", ")", "-(", " (", ")-", " (0)", "(", "\u2011", "\u2013":
		return true
	}
	return false
}

// phoneAt adds the number of groups i to last if it is one.
func (s *scan) phoneAt(start, i, last int) bool {
	end := s.groups[last].end
	if strings.Count(s.text[start:end], "(") != strings.Count(s.text[start:end], ")") {
		return false
	}
	if c := s.byteAt(end); (c == '.' || c == ',' || c == ':') && digit(s.byteAt(end+1)) || c == '%' {
		return false
	}
	written := s.text[start:end]
	abroad := strings.HasPrefix(strings.TrimPrefix(written, "("), "+")
	region := s.region
	switch {
	case abroad:
		region = "ZZ"
	case region == "" || decimal(written) || postcode(written) || s.notPhone(start):
		return false
	case !s.near(start, 30, phoneWords()...) && !nationalForm(written):
		return false
	}
	s.steps += len(written)
	n, err := phonenumbers.Parse(written, region)
	if err != nil {
		return false
	}
	switch {
	case abroad && phonenumbers.IsValidNumber(n):
		s.add(Phone, start, end, Checked, "a + and a number of that country's plan")
	case abroad && s.digitsOf(i, last) >= 9 && phonenumbers.IsPossibleNumber(n):
		s.add(Phone, start, end, Likely, "a + and as many digits as numbers of that country have")
	case !abroad && phonenumbers.IsValidNumber(n):
		s.add(Phone, start, end, Strong, "a number of the region's plan, written or named as one")
	default:
		return false
	}
	return true
}

// nationalForm says whether a number is written as people write one of their own country: in
// groups, with a bracket, or with 0 first.
func nationalForm(s string) bool {
	if s[0] == '(' {
		return true
	}
	grouped := strings.ContainsAny(s, " -/\u00a0")
	if s[0] == '0' {
		return grouped && strings.Count(s, ".") == 0
	}
	return len(s) == 12 && s[3] == s[7] && (s[3] == '-' || s[3] == '.') // 202-555-0143
}

// decimal says whether s is two groups with a dot between, as an amount or a version.
func decimal(s string) bool {
	return strings.Count(s, ".") == 1 && !strings.ContainsAny(s, " -/()\u00a0")
}

// postcode says whether s is written like a ZIP code of the US with its four digits.
func postcode(s string) bool { return len(s) == 10 && s[5] == '-' && strings.Count(s, "-") == 1 }

func phoneWords() []string {
	return []string{
		"tel", "phone", "call", "mobile", "mobil", "cell", "fax", "handy", "ruf", "anruf", "erreich", "dial", "text me", "whatsapp",
		"sms", "durchwahl", "festnetz", "ring me",
	}
}

// notPhone says whether the number is named as something else just before.
func (s *scan) notPhone(start int) bool {
	return s.near(start, 24, "order", "invoice", "bestell", "rechnung", "auftrag", "kunden", "vertrag", "ticket", "artikel", "serial",
		"serien", "isbn", "tracking", "sendung", "iban", "konto", "aktenzeichen", "ref", "version", "id ", "part")
}
