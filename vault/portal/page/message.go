package page

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/text/feature/plural"
)

//go:embed messages
var messageFiles embed.FS

// A message is a sentence by plural form: only other, if the key counts nothing.
type message map[plural.Form]string

// UnmarshalJSON reads a sentence, or an object of plural forms.
func (m *message) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*m = message{plural.Other: one}
		return nil
	}
	var forms map[string]string
	if err := json.Unmarshal(b, &forms); err != nil {
		return err
	}
	*m = message{}
	for name, text := range forms {
		switch name {
		case "one":
			(*m)[plural.One] = text
		case "other":
			(*m)[plural.Other] = text
		default:
			return fmt.Errorf("no plural form %q in these languages", name)
		}
	}
	if _, ok := (*m)[plural.Other]; !ok {
		return errors.New("a plural needs the form other")
	}
	return nil
}

// words are the messages of one language, by key.
type words struct {
	lang Lang
	all  map[string]message
}

// readWords reads all files of a language. No key may stand in two of them.
func readWords(l Lang) (*words, error) {
	w := &words{lang: l, all: map[string]message{}}
	files, err := fs.Glob(messageFiles, path.Join("messages", string(l), "*.json"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		b, err := messageFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var part map[string]message
		if err := json.Unmarshal(b, &part); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		for key, m := range part {
			if _, twice := w.all[key]; twice {
				return nil, fmt.Errorf("%s: the key %s stands in two files", name, key)
			}
			w.all[key] = m
		}
	}
	return w, nil
}

// text returns the sentence of a key with its placeholders filled: args are names
// and values in turn, and must be exactly those that the sentence has.
func (w *words) text(key string, args ...any) (string, error) {
	m, ok := w.all[key]
	if !ok {
		return "", fmt.Errorf("no message %s in %s", key, w.lang)
	}
	return fill(key, m[plural.Other], args)
}

// count is text in the plural form of n, which fills the placeholder n.
func (w *words) count(key string, n int, args ...any) (string, error) {
	m, ok := w.all[key]
	if !ok {
		return "", fmt.Errorf("no message %s in %s", key, w.lang)
	}
	sentence, ok := m[plural.Cardinal.MatchPlural(w.lang.tag(), n, 0, 0, 0, 0)]
	if !ok {
		sentence = m[plural.Other]
	}
	return fill(key, sentence, append([]any{"n", w.number(float64(n))}, args...))
}

// fill replaces {name} by the value of that name. Values are not looked into.
func fill(key, sentence string, args []any) (string, error) {
	values := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		values[fmt.Sprint(args[i])] = fmt.Sprint(args[i+1])
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(sentence, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		value, ok := values[name]
		if !closed || !ok {
			return "", fmt.Errorf("message %s: nothing is given for its placeholder %q", key, name)
		}
		b.WriteString(value)
		sentence = after
	}
}
