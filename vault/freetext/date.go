package freetext

import "strings"

// dates tries, at each group, the forms of dates, and keeps those that a word makes a date of birth.
func (s *scan) dates() {
	for i := range s.groups {
		s.steps++
		if !s.groups[i].ascii && !s.month(i) {
			continue
		}
		last, ok := s.date(i)
		if !ok {
			continue
		}
		start, end := s.groups[i].start, s.groups[last].end
		if s.near(start, 40, birthWords()...) || s.near(start, 3, "(*") || s.bornAfter(end) {
			s.add(BirthDate, start, end, Strong, "a date with a word for birth near it")
		}
	}
}

func birthWords() []string {
	return []string{"born", "birth", "dob", "d.o.b", "geboren", "geb.", "geburt", "gebürtig"}
}

// bornAfter says whether a word for birth follows, as in "am 1. Mai 1970 geboren".
func (s *scan) bornAfter(end int) bool {
	window := s.lower[end:min(len(s.lower), end+20)]
	s.steps += len(window)
	return strings.Contains(window, " geboren") || strings.Contains(window, " born") || strings.Contains(window, "birthday")
}

// date reads three groups as a date, and gives the last.
func (s *scan) date(i int) (last int, ok bool) {
	if i+2 >= len(s.groups) {
		return 0, false
	}
	a, b := s.between(i+1), s.between(i+2)
	x, y, z := s.value(i), s.value(i+1), s.value(i+2)
	switch {
	case a == "-" && b == "-" && s.len(i) == 4 && s.len(i+1) == 2: // 1970-05-01
		ok = calendar(x, y, z)
	case a == "/" && b == "/" && s.len(i) == 4: // 1970/05/01
		ok = calendar(x, y, z)
	case s.len(i+2) != 4 && s.len(i+2) != 2:
		return 0, false
	case strings.TrimSuffix(a, " ") == "." && strings.TrimSuffix(b, " ") == "." && s.digits(i, i+1): // 1.5.1970
		ok = calendar(year(z, s.len(i+2)), y, x)
	case (a == "/" && b == "/" || a == "-" && b == "-") && s.digits(i, i+1): // 05/01/1970, 01/05/1970
		z = year(z, s.len(i+2))
		ok = calendar(z, x, y) || calendar(z, y, x)
	case s.len(i+2) != 4:
		return 0, false
	case gapped(a) && gapped(b) && s.month(i+1): // 1. Mai 1970, 1st of May is not
		ok = calendar(z, monthNumber(s.word(i+1)), s.ordinal(i))
	case gapped(a) && gapped(b) && s.month(i): // May 1, 1970
		ok = calendar(z, monthNumber(s.word(i)), s.ordinal(i+1))
	}
	return i + 2, ok
}

func gapped(s string) bool { return s == " " || s == ". " || s == ", " || s == "-" || s == "\u00a0" }

func (s *scan) digits(i ...int) bool {
	for _, k := range i {
		if !s.groups[k].digits {
			return false
		}
	}
	return true
}

// value is the number that group i is, or -1.
func (s *scan) value(i int) int {
	if !s.groups[i].digits || s.len(i) > 4 {
		return -1
	}
	n := 0
	for k := s.groups[i].start; k < s.groups[i].end; k++ {
		n = n*10 + int(s.text[k]-'0')
	}
	return n
}

// ordinal is value, for 1st and 22nd too.
func (s *scan) ordinal(i int) int {
	w := s.word(i)
	for _, suffix := range []string{"st", "nd", "rd", "th"} {
		if n, ok := strings.CutSuffix(w, suffix); ok && len(n) > 0 && len(n) <= 2 && digit(n[0]) && digit(n[len(n)-1]) {
			d := 0
			for k := range len(n) {
				d = d*10 + int(n[k]-'0')
			}
			return d
		}
	}
	return s.value(i)
}

func (s *scan) word(i int) string { return s.lower[s.groups[i].start:s.groups[i].end] }

func (s *scan) month(i int) bool { return s.len(i) <= 10 && monthNumber(s.word(i)) > 0 }

// monthNumber is the number of an English or German month in lower case, or 0.
func monthNumber(s string) int {
	switch s {
	case "jan", "january", "januar", "jänner":
		return 1
	case "feb", "february", "februar":
		return 2
	case "mar", "march", "märz", "maerz", "mär":
		return 3
	case "apr", "april":
		return 4
	case "may", "mai":
		return 5
	case "jun", "june", "juni":
		return 6
	case "jul", "july", "juli":
		return 7
	case "aug", "august":
		return 8
	case "sep", "sept", "september":
		return 9
	case "oct", "october", "okt", "oktober":
		return 10
	case "nov", "november":
		return 11
	case "dec", "december", "dez", "dezember":
		return 12
	}
	return 0
}

// year is the year that two digits stand for: of 30 and more in the 1900s.
func year(n, digits int) int {
	switch {
	case digits != 2:
		return n
	case n < 30:
		return 2000 + n
	}
	return 1900 + n
}

// calendar says whether there is such a day, in a year in which someone living was born.
func calendar(year, month, day int) bool {
	if year < 1900 || year > 2099 || month < 1 || month > 12 || day < 1 {
		return false
	}
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && (year%4 == 0 && year%100 != 0 || year%400 == 0) {
		days++
	}
	return day <= days
}
