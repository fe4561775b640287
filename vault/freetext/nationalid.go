package freetext

import (
	"strings"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// An idForm is how ids of a region are written: each 9 stands for a digit, A for a letter, * for either,
// any other character for itself.
type idForm struct {
	region string
	form   string
	alone  bool // needs no word before it: its form or its check says enough
}

// A table, not a variable: nothing changes it.
func idForms() [25]idForm {
	return [25]idForm{
		{"BE", "99.99.99-999.99", true},
		{"BE", "99.99.99-999 99", true},
		{"BE", "99999999999", false},
		{"BR", "999.999.999-99", true},
		{"BR", "99999999999", false},
		{"DE", "99 999 999 999", true},
		{"DE", "99999999999", false},
		{"ES", "99999999A", true},
		{"ES", "99999999-A", true},
		{"ES", "A9999999A", true},
		{"ES", "A-9999999-A", true},
		{"FI", "999999-999*", true},
		{"FI", "999999A999*", true},
		{"FR", "9 99 99 9* 999 999 99", true},
		{"FR", "999999*99999999", true},
		{"GB", "AA 99 99 99 A", true},
		{"GB", "AA999999A", true},
		{"IT", "AAAAAA99A99A999A", true},
		{"NL", "9999.99.999", true},
		{"NL", "999999999", false},
		{"PL", "99999999999", false},
		{"SE", "999999-9999", false},
		{"SE", "99999999-9999", false},
		{"US", "999-99-9999", true},
		{"US", "999999999", false},
	}
}

// nationalID tries the forms that begin with group i.
func (s *scan) nationalID(i int) {
	start := s.groups[i].start
	if c := s.byteAt(start - 1); c == '-' || c == '.' || c == '/' {
		if digit(s.byteAt(start - 2)) {
			return // the middle of something else
		}
	}
	if s.len(i) > 16 {
		return
	}
	for _, f := range idForms() {
		s.steps++
		end := start + len(f.form)
		if end > len(s.text) || !s.fits(start, f.form) || s.goesOn(end) {
			continue
		}
		if !catalog.IsNationalID(s.text[start:end], f.region) {
			continue
		}
		word := s.near(start, 40, idWords(f.region)...)
		switch {
		case word:
			s.add(NationalID, start, end, Checked, "an id of "+f.region+" with a word for it before")
			return
		case f.alone:
			s.add(NationalID, start, end, Strong, "the form and check of an id of "+f.region)
			return
		}
	}
}

// fits says whether the text at start is written like form.
func (s *scan) fits(start int, form string) bool {
	for k := range len(form) {
		s.steps++
		if !fitsByte(s.text[start+k], form[k]) {
			return false
		}
	}
	return true
}

func fitsByte(c, form byte) bool {
	switch form {
	case '9':
		return digit(c)
	case 'A':
		return letter(c)
	case '*':
		return digit(c) || letter(c)
	}
	return c == form
}

// goesOn says whether what ends at end is only a part of a word or number.
func (s *scan) goesOn(end int) bool {
	if end >= len(s.text) {
		return false
	}
	c := s.text[end]
	if digit(c) || letter(c) || c == '_' || c >= 0x80 {
		return true
	}
	return strings.IndexByte("-./", c) >= 0 && digit(s.byteAt(end+1))
}

// idWords are words that stand before an id of a region, in lower case.
func idWords(region string) []string {
	switch region {
	case "BE":
		return []string{"rijksregister", "registre national", "numéro national", "insz", "niss", "national number", "national register"}
	case "BR":
		return []string{"cpf"}
	case "DE":
		return []string{"steuer-id", "steuerid", "steuerident", "identifikationsnummer", "idnr", "tax id", "tin"}
	case "ES":
		return []string{"dni", "nie", "nif"}
	case "FI":
		return []string{"henkilötunnus", "hetu", "personal identity code"}
	case "FR":
		return []string{"nir", "sécurité sociale", "numéro de sécu"}
	case "GB":
		return []string{"national insurance", "ni number", "nino", "ni no"}
	case "IT":
		return []string{"codice fiscale"}
	case "NL":
		return []string{"bsn", "burgerservice", "sofi"}
	case "PL":
		return []string{"pesel"}
	case "SE":
		return []string{"personnummer", "personal identity number"}
	case "US":
		return []string{"ssn", "social security", "itin", "tax id"}
	}
	return nil
}
