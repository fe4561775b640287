package freetext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

const (
	mostLocal  = 64
	mostDomain = 254
)

// emails looks around each @.
func (s *scan) emails() {
	for at := 0; ; at++ {
		i := strings.IndexByte(s.text[at:], '@')
		if i < 0 {
			return
		}
		at += i
		start, end := s.local(at), s.domain(at+1)
		if start == at || end == at+1 || !addressDomain(s.text[at+1:end]) {
			continue
		}
		if catalog.IsEmail(s.text[start:end]) {
			s.add(Email, start, end, Checked, "a local part, an @ and a domain")
		}
	}
}

// local is where the local part that ends at end begins.
func (s *scan) local(end int) int {
	start := end
	for start > 0 && end-start < mostLocal {
		s.steps++
		r, n := utf8.DecodeLastRuneInString(s.text[:start])
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._%+-'&", r) {
			break
		}
		start -= n
	}
	for start < end && strings.IndexByte(".'-%&", s.text[start]) >= 0 {
		start++
	}
	return start
}

// domain is where the domain that begins at start ends.
func (s *scan) domain(start int) int {
	end := start
	for end < len(s.text) && end-start < mostDomain {
		s.steps++
		r, n := utf8.DecodeRuneInString(s.text[end:])
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '.' && r != '-' {
			break
		}
		end += n
	}
	for end > start && strings.IndexByte(".-", s.text[end-1]) >= 0 {
		end--
	}
	return end
}

// addressDomain says whether the last label is one of a domain, not of a version or a file.
func addressDomain(domain string) bool {
	i := strings.LastIndexByte(domain, '.')
	if i < 1 || utf8.RuneCountInString(domain[i+1:]) < 2 {
		return false
	}
	last := asciiLower(domain[i+1:])
	switch last {
	case "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js":
		return false // image@2x.png
	}
	return !strings.ContainsAny(last, "0123456789-") || strings.HasPrefix(last, "xn--")
}
