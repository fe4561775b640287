package freetext

import (
	_ "embed" // the lists
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lists hold a name a line, in lower case. They were taken from the Faker project (MIT, see
// names/LICENSE): given and family names of 20 languages of Europe and America, and of India.
//
//go:embed names/given.txt
var givenNames string

//go:embed names/family.txt
var familyNames string

// commonNames are those given names that are words or places too, so that only a family name of the
// list makes a name of them.
//
//go:embed names/words.txt
var commonNames string

func lines(list string) map[string]struct{} {
	out := make(map[string]struct{}, strings.Count(list, "\n"))
	for line := range strings.Lines(list) {
		out[strings.TrimSpace(line)] = struct{}{}
	}
	return out
}

// A word is a run of letters, with hyphens and apostrophes between them.
type word struct {
	start, end int
	lower      string
	upper      bool // begins in upper case and is not all in it
}

func wordsOf(text string) []word {
	var out []word
	start, upper, lower := -1, 0, 0
	flush := func(end int) {
		if start >= 0 {
			first, _ := utf8.DecodeRuneInString(text[start:])
			w := text[start:end]
			out = append(out, word{start, end, strings.ToLower(strings.ReplaceAll(w, "’", "'")), unicode.IsUpper(first) && lower > 0})
		}
		start, upper, lower = -1, 0, 0
	}
	for i, r := range text {
		switch {
		case unicode.IsLetter(r) || unicode.IsMark(r):
			if start < 0 {
				start = i
			}
			if unicode.IsLower(r) {
				lower++
			} else {
				upper++
			}
		case start >= 0 && (r == '-' || r == '\'' || r == '’') && letterAfter(text, i+utf8.RuneLen(r)):
		default:
			flush(i)
		}
	}
	flush(len(text))
	return out
}

func letterAfter(text string, i int) bool {
	r, _ := utf8.DecodeRuneInString(text[i:])
	return unicode.IsLetter(r)
}

// joined is the words in lower case, with one space between.
func joined(words []word) string {
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = w.lower
	}
	return strings.Join(parts, " ")
}

func (s *scan) names() {
	words := wordsOf(s.text)
	if len(s.extra) > 0 {
		for i := range words {
			s.extraName(words, i)
		}
	}
	for i := 0; i < len(words); {
		s.steps++
		if last, ok := s.saluted(words, i); ok {
			i = last + 1
			continue
		}
		if last, c, why := s.fullName(words, i); last > i {
			if s.place(words, i, c) {
				i = last + 1
				continue
			}
			s.add(Name, words[i].start, words[last].end, c, why)
			i = last + 1
			continue
		}
		i++
	}
}

// place says whether the name that begins at i is that of a place, called after a saint:
// São José dos Campos. "St." may be a street before somebody's name, and who is greeted
// is somebody.
func (s *scan) place(words []word, i int, c Confidence) bool {
	if i == 0 || !words[i-1].upper || !holy(words[i-1].lower) || !s.beside(words, i) {
		return false
	}
	if words[i-1].lower == "st" && c > Likely {
		return false
	}
	return i < 2 || !salutation(words[i-2].lower) || !s.beside(words, i-1)
}

// extraName tries the names that New was given.
func (s *scan) extraName(words []word, i int) {
	for n := min(s.words, len(words)-i); n > 0; n-- {
		s.steps += n
		end := words[i+n-1].end
		if end-words[i].start > 200 {
			continue
		}
		if _, ok := s.extra[joined(words[i:i+n])]; ok {
			s.add(Name, words[i].start, end, Checked, "a name that was given")
			return
		}
	}
}

// saluted reads a salutation, titles, and the name after them, of which it adds the name.
func (s *scan) saluted(words []word, i int) (last int, ok bool) {
	if !words[i].upper || !salutation(words[i].lower) {
		return 0, false
	}
	first := i + 1
	for first < len(words) && first < i+4 && s.beside(words, first) && (salutation(words[first].lower) || title(words[first].lower)) {
		first++
	}
	if first >= len(words) || !s.beside(words, first) {
		return 0, false
	}
	if last, _, _ := s.fullName(words, first); last > first {
		s.add(Name, words[first].start, words[last].end, Checked, "a salutation, a given name and a name")
		return last, true
	}
	last = s.familyName(words, first)
	if last < 0 {
		return 0, false
	}
	if next := last + 1; next < len(words) && s.spaced(words, next) && words[next].upper && (s.has(s.family, words[next]) || s.initial(words, first)) {
		last = next
	}
	s.add(Name, words[first].start, words[last].end, Strong, "a salutation and a name")
	return last, true
}

// fullName reads a given name, others, initials, and a family name. last is i if there is none.
func (s *scan) fullName(words []word, i int) (last int, c Confidence, why string) {
	if !words[i].upper || !s.givenName(words[i]) {
		return i, 0, ""
	}
	at := i + 1
	for at < len(words) && at < i+4 && (s.initial(words, at) || s.spaced(words, at) && words[at].upper && s.givenName(words[at])) {
		at++
	}
	if at < len(words) {
		if end := s.familyName(words, at); end >= 0 && s.gapBefore(words, at) {
			_, common := s.common[words[i].lower]
			odd := end == at && noun(words[at].lower)
			if s.has(s.family, words[end]) && (!odd || !common) {
				return end, Strong, "a given and a family name of the lists"
			}
			if !common && !odd {
				return end, Likely, "a given name of the lists and a word in upper case"
			}
		}
	}
	if at--; at == i {
		return i, 0, ""
	}
	if s.has(s.family, words[at]) { // of given names, the last is a family name too
		return at, Strong, "a given and a family name of the lists"
	}
	if _, common := s.common[words[i].lower]; common || s.initial(words, at) {
		return i, 0, ""
	}
	return at, Likely, "two given names of the lists"
}

// familyName gives the last word of a family name that begins at i, with its particles, or -1.
func (s *scan) familyName(words []word, i int) int {
	for n := 0; n < 3 && i+1 < len(words) && particle(words[i].lower) && s.spaced(words, i+1); n++ {
		i++
	}
	if !words[i].upper || stop(words[i].lower) || utf8.RuneCountInString(words[i].lower) < 2 {
		return -1
	}
	return i
}

// gapBefore says whether a space, or an initial's dot and a space, stands before word i.
func (s *scan) gapBefore(words []word, i int) bool {
	return s.spaced(words, i) || s.text[words[i-1].end:words[i].start] == ". " && words[i-1].end-words[i-1].start == 1
}

// initial says whether word i is one letter in upper case, after a space.
func (s *scan) initial(words []word, i int) bool {
	w := words[i]
	return w.end-w.start == 1 && s.text[w.start] >= 'A' && s.text[w.start] <= 'Z' && i > 0 && s.gapBefore(words, i) && s.byteAt(w.end) == '.'
}

// spaced says whether one space alone stands before word i.
func (s *scan) spaced(words []word, i int) bool {
	gap := s.text[words[i-1].end:words[i].start]
	return gap == " " || gap == "\u00a0"
}

// beside is spaced, or a dot and a space, as after "Dr".
func (s *scan) beside(words []word, i int) bool {
	gap := s.text[words[i-1].end:words[i].start]
	return gap == " " || gap == ". " || gap == "." || gap == "\u00a0"
}

func (s *scan) has(list map[string]struct{}, w word) bool {
	s.steps++
	if _, ok := list[w.lower]; ok {
		return true
	}
	first, _, double := strings.Cut(w.lower, "-")
	_, ok := list[first]
	return double && ok
}

// givenName says whether w is on the list, and no word of another meaning.
func (s *scan) givenName(w word) bool { return s.has(s.given, w) && !stop(w.lower) }
