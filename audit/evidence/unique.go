package evidence

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

// maxDepth is how deep a document may nest. No type needs half of it.
const maxDepth = 16

// unique returns the members of the JSON object b. It refuses what readers disagree
// about: names that occur twice or differ only in case (at any depth), invalid UTF-8,
// anything after the object.
func unique(b []byte) (map[string]json.RawMessage, error) {
	if len(b) > MaxDocument {
		return nil, fmt.Errorf("%w: size", ErrDocument)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrDocument)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := walk(dec, 0); err != nil {
		return nil, fmt.Errorf("%w: JSON", ErrDocument)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: trailing data", ErrDocument)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return nil, fmt.Errorf("%w: not an object", ErrDocument)
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
		return walkRest(dec, depth)
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
	return end(dec)
}

func walkRest(dec *json.Decoder, depth int) error {
	for dec.More() {
		if err := walk(dec, depth+1); err != nil {
			return err
		}
	}
	return end(dec)
}

func end(dec *json.Decoder) error {
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
