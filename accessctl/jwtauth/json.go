package jwtauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep a header, a payload or a key set may nest.
const maxDepth = 16

// object returns the members of the JSON object b, by their exact names. It refuses
// what readers disagree about: names that occur twice or differ only in case (at any
// depth), invalid UTF-8, anything after the object. encoding/json would match names
// without case and let the last of two win.
func object(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := walk(dec, 0); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("trailing data")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, errors.New("not an object")
	}
	return members, nil
}

// walk reads one value and checks the names of every object in it.
func walk(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("too deep")
	}
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	switch token {
	case json.Delim('{'):
		return walkObject(dec, depth)
	case json.Delim('['):
		return walkArray(dec, depth)
	}
	return nil
}

func walkObject(dec *json.Decoder, depth int) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("reading a name: %w", err)
		}
		name, ok := token.(string)
		if !ok || seen[fold(name)] {
			return errors.New("a name occurs twice")
		}
		seen[fold(name)] = true
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	return closing(dec)
}

func walkArray(dec *json.Decoder, depth int) error {
	for dec.More() {
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	return closing(dec)
}

func closing(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("reading the end: %w", err)
	}
	return nil
}

// fold gives the same text for all names that Unicode's simple case folding, and
// so encoding/json, takes for one another.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}

// text returns the string that raw holds.
func text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// texts returns the strings that the array raw holds.
func texts(raw json.RawMessage) ([]string, bool) {
	var items []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, false
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := text(item)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}
