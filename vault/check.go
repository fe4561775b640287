package vault

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// checkID refuses what is no name of a subject or record: 1 to MaxName bytes of
// A-Z a-z 0-9 . _ ~ @ : + -, and neither "." nor "..".
func checkID(what, s string) error {
	if len(s) == 0 || len(s) > MaxName || s == "." || s == ".." {
		return invalid(what, "must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ : + - and not . or ..")
	}
	for i := range len(s) {
		if !idByte(s[i]) {
			return invalid(what, "must be 1 to 128 bytes of A-Z a-z 0-9 . _ ~ @ : + - and not . or ..")
		}
	}
	return nil
}

func idByte(b byte) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		return true
	}
	switch b {
	case '.', '_', '~', '@', ':', '+', '-':
		return true
	}
	return false
}

// fieldName says whether s has the form of a name in a catalog, so that it may
// be named in an error.
func fieldName(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// checkText refuses words that are too long or no text.
func checkText(what, s string, most int) error {
	if len(s) > most {
		return ErrTooLarge
	}
	if !utf8.ValidString(s) {
		return invalid(what, "must be UTF-8 text")
	}
	return nil
}

// own says whether the caller is the person.
func own(c accessctl.Caller, subject string) bool {
	return c.Person != "" && c.Person == subject
}

// problems turns what a parser found into an *InvalidError; other errors pass.
func problems(what string, err error) error {
	var many *catalog.Error
	if errors.As(err, &many) {
		list := make([]Problem, len(many.Problems))
		for i, p := range many.Problems {
			list[i] = Problem{Field: what, Rule: p.String()}
		}
		return &InvalidError{Problems: list}
	}
	return invalid(what, err.Error())
}

// checkPolicy finds what is wrong with a policy, given the catalog it will guard.
func checkPolicy(p *accessctl.Policy, cat *catalog.Catalog) []accessctl.Finding {
	if cat == nil {
		return p.Check(nil, nil, nil)
	}
	purposes := make([]accessctl.Purpose, len(cat.Purposes))
	for i := range cat.Purposes {
		purposes[i] = accessctl.Purpose(cat.Purposes[i].ID)
	}
	return p.Check(describeAll(cat), purposes, nil)
}

// valueError turns the refusal of a value into ErrTooLarge, or an *InvalidError
// that names field and rule.
func valueError(c *catalog.Collection, f *catalog.Field, err error) error {
	var bad *catalog.ValueError
	switch {
	case !errors.As(err, &bad):
		return invalid(c.Name+"."+f.Name, "is not valid")
	case bad.TooLarge():
		return ErrTooLarge
	}
	return invalid(c.Name+"."+f.Name, bad.Rule)
}
