package freetext

import (
	"unicode"
	"unicode/utf8"
)

// A group is a run of letters and digits, as long as it can be.
type group struct {
	start, end int
	digits     bool // ASCII digits alone
	ascii      bool // ASCII letters and digits alone
}

func groupsOf(text string) []group {
	var out []group
	in := false
	for i, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_' {
			in = false
			continue
		}
		if !in {
			out, in = append(out, group{start: i, digits: true, ascii: true}), true
		}
		g := &out[len(out)-1]
		g.end = i + utf8.RuneLen(r)
		g.digits = g.digits && r >= '0' && r <= '9'
		g.ascii = g.ascii && (r < utf8.RuneSelf && r != '_')
	}
	return out
}

// between is what separates group i from the one before it.
func (s *scan) between(i int) string { return s.text[s.groups[i-1].end:s.groups[i].start] }

// len is how many bytes group i has.
func (s *scan) len(i int) int { return s.groups[i].end - s.groups[i].start }

// letterBefore says whether a letter or digit ends just before i.
func letterBefore(text string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(text[:i])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// byteAt is the byte at i, or 0 outside the text.
func (s *scan) byteAt(i int) byte {
	if i < 0 || i >= len(s.text) {
		return 0
	}
	return s.text[i]
}
