package accessctl

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Limits of a policy's text. They bound the memory and the stack of the parser,
// and the time of one decision.
const (
	MaxPolicyText = 256 << 10 // bytes of a policy's text
	MaxPolicies   = 1000      // policies in a text
	MaxStatement  = 16 << 10  // bytes of one policy
	MaxNesting    = 64        // open brackets at any place
	MaxChain      = 16        // dots with only names between them, as in a.b.c: each is compiled anew for each after it
	MaxRoles      = 256       // different roles that a text mentions
	MaxPolicyID   = 64        // bytes of an @id, of A-Z a-z 0-9 . _ -
)

// scan reads a policy's text before the parser does, for what the parser does
// not bound or what people who review it would not see: length and depth of a
// policy, characters that print as nothing or turn the direction of the text,
// and comments in a form that Cedar does not have.
func scan(text []byte) error {
	s := scanner{text: text, line: 1, column: 1}
	if len(text) > MaxPolicyText {
		return s.fail("the text is longer than %d bytes", MaxPolicyText)
	}
	for s.at < len(s.text) {
		if err := s.step(); err != nil {
			return err
		}
	}
	return nil
}

type scanner struct {
	text         []byte
	at           int
	line, column int
	start        int // of the statement
	depth        int // of open brackets
	chain        int // dots since anything but a name
	quoted       bool
	comment      bool
}

// step reads one character, or two where the second cannot stand alone.
func (s *scanner) step() error {
	r, size := utf8.DecodeRune(s.text[s.at:])
	if err := s.printable(r, size); err != nil {
		return err
	}
	next := byte(0)
	if s.at+size < len(s.text) {
		next = s.text[s.at+size]
	}
	switch {
	case s.comment:
		s.comment = r != '\n'
	case s.quoted && r == '\\' && next != 0 && next < utf8.RuneSelf && next != '\n':
		s.advance(r, size) // the escaped character follows
		r, size = rune(next), 1
	case s.quoted:
		s.quoted = r != '"'
	case r == '/' && next == '*':
		return s.fail("a comment runs from // to the end of its line")
	case r == '/' && next == '/':
		s.comment = true
	default:
		if err := s.structure(r); err != nil {
			return err
		}
	}
	s.advance(r, size)
	if s.at-s.start > MaxStatement {
		return s.fail("one policy is longer than %d bytes", MaxStatement)
	}
	return nil
}

// structure follows quotes, brackets, dots and the ends of statements.
func (s *scanner) structure(r rune) error {
	switch {
	case r == '.':
		if s.chain++; s.chain > MaxChain {
			return s.fail("more than %d names are chained by dots", MaxChain)
		}
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && !unicode.IsSpace(r):
		s.chain = 0
	}
	switch r {
	case '"':
		s.quoted = true
	case '(', '[', '{':
		if s.depth++; s.depth > MaxNesting {
			return s.fail("brackets are nested deeper than %d", MaxNesting)
		}
	case ')', ']', '}':
		s.depth = max(0, s.depth-1)
	case ';':
		s.start, s.depth = s.at, 0
	}
	return nil
}

// printable refuses what a reviewer could not see.
func (s *scanner) printable(r rune, size int) error {
	switch {
	case r == utf8.RuneError && size <= 1:
		return s.fail("the text is not UTF-8")
	case r == '\n' || r == '\t' || r == '\r':
		return nil
	case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
		return s.fail("the invisible character U+%04X is not allowed", r)
	default:
		return nil
	}
}

func (s *scanner) advance(r rune, size int) {
	s.at += size
	s.column++
	if r == '\n' {
		s.line, s.column = s.line+1, 1
	}
}

func (s *scanner) fail(format string, args ...any) error {
	return &SyntaxError{Line: s.line, Column: s.column, Problem: fmt.Sprintf(format, args...)}
}
