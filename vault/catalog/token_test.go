package catalog_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

const withToken = `
title: Test
purposes:
  a: {title: A, text: A, benefit: A, basis: contract}
collections:
  c:
    fields:
      f: {type: card, purposes: [a], token: {alphabet: digits, keep: 4}}
      g: {type: text, purposes: [a]}
`

func TestTokenFormatsAreRead(t *testing.T) {
	c, err := catalog.Parse([]byte(withToken))
	if err != nil {
		t.Fatal(err)
	}
	f, g := c.Collections[0].Fields[0], c.Collections[0].Fields[1]
	if g.Token != nil || f.Token == nil || *f.Token != (catalog.TokenFormat{Alphabet: "digits", Keep: 4}) || f.Token.Characters() != "0123456789" {
		t.Errorf("%+v, %+v", f.Token, g.Token)
	}
	first, err := c.Assign(nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := catalog.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	again, err := catalog.Unmarshal(b)
	if err != nil || *again.Collections[0].Fields[0].Token != *f.Token {
		t.Errorf("stored: %v", err)
	}
	longer, err := catalog.Parse([]byte(strings.Replace(withToken, "digits, keep", "digits, length: 16, keep", 1)))
	if err != nil {
		t.Fatal(err)
	}
	changes := catalog.Diff(c, longer)
	if len(changes) != 1 || !strings.Contains(changes[0].Text, "digits of length 16, with its last 4") || changes[0].Widens {
		t.Errorf("%+v", changes)
	}
}

// TestTokenFormatsAreRefused: below a million tokens, and whatever else is no form, with its
// line.
func TestTokenFormatsAreRefused(t *testing.T) {
	const at = "line 8: collections.c.fields.f.token"
	for _, tt := range []struct{ to, want string }{
		{"{keep: 4}", at + ".alphabet: is missing: one of alnum, digits, letters"},
		{"{alphabet: hex}", at + ".alphabet: must be one of alnum, digits"},
		{"{alphabet: digits, length: 5}", at + ".length: must be from 6 to 64 for this alphabet"},
		{"{alphabet: digits, length: 9, keep: 4}", at + ".length: must be from 10 to 64 for this alphabet"},
		{"{alphabet: alnum, length: 3}", at + ".length: must be from 4 to 64 for this alphabet"},
		{"{alphabet: upper, length: 4}", at + ".length: must be from 5 to 64 for this alphabet"},
		{"{alphabet: digits, length: 65}", at + ".length: must be from 6 to 64"},
		{"{alphabet: digits, length: -1}", at + ".length: must be"},
		{"{alphabet: digits, keep: 5}", at + ".keep: must be from 0 to 4"},
		{"{alphabet: digits, keep: -1}", at + ".keep: must be from 0 to 4"},
		{"{alphabet: digits, tweak: 1}", at + ".tweak: is not a known key"},
		{"digits", at + ": must be a mapping"},
	} {
		_, err := catalog.Parse([]byte(strings.Replace(withToken, "{alphabet: digits, keep: 4}", tt.to, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.to, err, tt.want)
		}
	}
	for _, kind := range []string{"number", "boolean", "json", "bytes"} {
		_, err := catalog.Parse([]byte(strings.Replace(withToken, "type: card", "type: "+kind, 1)))
		if err == nil || !strings.Contains(err.Error(), at+": is not possible for type "+kind) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, good := range []string{"{alphabet: digits, length: 6}", "{alphabet: alnum, length: 4}", "{alphabet: upper, length: 64, keep: 4}"} {
		if _, err := catalog.Parse([]byte(strings.Replace(withToken, "{alphabet: digits, keep: 4}", good, 1))); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
