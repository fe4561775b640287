package token

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode"

	"github.com/fieldvault/fieldvault/crypto/fpe"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// A Format is the form that a text has.
type Format struct {
	Alphabet string // the characters, each once
	// Length is how many characters of the alphabet a text has, and it has no others.
	// 0: it has the form of the value, whose spaces and punctuation stay. A value with
	// other letters or digits than those of the alphabet has no text: they would show.
	Length int
	// Keep is how many of the value's last characters of the alphabet stay.
	Keep int
}

// ID is the form in one text: another form has another.
func (f Format) ID() string { return fmt.Sprintf("%d/%d/%s", f.Length, f.Keep, f.Alphabet) }

// Errors of formats.
var (
	// ErrFormat: no text of such a form can be made. The alphabet is none, or the texts
	// that it allows are fewer than a million.
	ErrFormat = errors.New("not a form that tokens can have")
	// ErrValue: the value is too short, or too long, for a text of the form, or has letters
	// or digits that would stay in it.
	ErrValue = errors.New("the value has too few, too many or other characters than a token of the form")
)

const (
	tweakSize = 16
	tries     = 32 // until a text is not the value: on the least domain one in a million is
)

// Check says whether texts of the form can be made: the error is ErrFormat.
func (f Format) Check() error {
	a, err := fpe.NewAlphabet(f.Alphabet)
	if err != nil || f.Keep < 0 || f.Length < 0 || f.Length > MaxLen {
		return ErrFormat
	}
	if f.Length > 0 && f.Length-f.Keep < a.MinLen() {
		return ErrFormat
	}
	return nil
}

// MinLen is how many characters must be replaced at least; 0 if the alphabet is none.
func (f Format) MinLen() int {
	a, err := fpe.NewAlphabet(f.Alphabet)
	if err != nil {
		return 0
	}
	return a.MinLen()
}

// Make makes a text that stands for the value. The key has 32 bytes, and is for this alphabet
// alone. The error is ErrFormat, ErrValue, or that of the source of randomness.
func (f Format) Make(key [32]byte, source io.Reader, value secret.Bytes) (string, error) {
	if err := f.Check(); err != nil {
		return "", err
	}
	a, err := fpe.NewAlphabet(f.Alphabet)
	if err != nil {
		return "", ErrFormat
	}
	c, err := fpe.New(key[:], a)
	if err != nil {
		return "", ErrFormat
	}
	text := []rune(string(value.Expose())) //nolint:forbidigo // only what stays by the form goes on
	out, at, err := f.lay(text, a.MinLen())
	if err != nil {
		return "", err
	}
	plain := make([]rune, len(at))
	for i, j := range at {
		plain[i] = out[j]
	}
	tweak := make([]byte, tweakSize)
	for range tries {
		if _, err := io.ReadFull(source, tweak); err != nil {
			return "", fmt.Errorf("making a token: %w", err)
		}
		made, err := c.Encrypt(tweak, string(plain))
		if err != nil {
			return "", ErrValue
		}
		for i, r := range []rune(made) {
			out[at[i]] = r
		}
		if !slices.Equal(out, text) {
			return string(out), nil
		}
	}
	return "", ErrValue
}

// lay gives a text of the form, and the places whose characters are to be replaced.
func (f Format) lay(value []rune, least int) (out []rune, at []int, err error) {
	letters := []rune(f.Alphabet)
	for i, r := range value {
		switch {
		case slices.Contains(letters, r):
			at = append(at, i)
		case f.Length == 0 && tells(r):
			return nil, nil, ErrValue
		}
	}
	if len(at) < f.Keep {
		return nil, nil, ErrValue
	}
	kept := at[len(at)-f.Keep:]
	if f.Length == 0 {
		out, at = slices.Clone(value), at[:len(at)-f.Keep]
	} else {
		out, at = slices.Repeat(letters[:1], f.Length-f.Keep), nil
		for i := range out {
			at = append(at, i)
		}
		for _, i := range kept {
			out = append(out, value[i])
		}
	}
	if len(at) < least || len(string(out)) > MaxLen {
		return nil, nil, ErrValue
	}
	return out, at, nil
}

// tells says whether a character that stayed as it is would say something of the value:
// all do but spaces and punctuation.
func tells(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsPunct(r) && r != '+'
}
