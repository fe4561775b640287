package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldvault/fieldvault/crypto/fpe"
)

// TokenFormat is the form of the tokens that stand for a field where one of a form is asked for.
type TokenFormat struct {
	// Alphabet names the characters that are replaced: digits, lower, upper, letters,
	// lower_alnum, upper_alnum or alnum.
	Alphabet string `json:"alphabet"`
	// Length is how many characters a token has, all of the alphabet; 0: as many as the
	// value, whose spaces and punctuation stay where they are; a value with letters or
	// digits that are not of the alphabet has no token then.
	Length int `json:"length,omitempty"`
	// Keep is how many of the value's last characters of the alphabet stay as they are,
	// at most 4.
	Keep int `json:"keep,omitempty"`
}

// maxTokenLength is the most characters of a token, and maxTokenKeep of those that it may
// have in common with the value.
const (
	maxTokenLength = 64
	maxTokenKeep   = 4
)

func tokenAlphabets() map[string]string {
	return map[string]string{
		"digits": fpe.Digits, "lower": fpe.LowerLetters, "upper": fpe.UpperLetters,
		"letters": fpe.UpperLetters + fpe.LowerLetters, "lower_alnum": fpe.LowerAlphanumeric,
		"upper_alnum": fpe.UpperAlphanumeric, "alnum": fpe.Alphanumeric,
	}
}

// Characters are those of the alphabet; "" if it is none.
func (f *TokenFormat) Characters() string { return tokenAlphabets()[f.Alphabet] }

// String says it in words; of nil that there is none.
func (f *TokenFormat) String() string {
	if f == nil {
		return ""
	}
	s := "as long as the value"
	if f.Length > 0 {
		s = "of length " + strconv.Itoa(f.Length)
	}
	if f.Keep > 0 {
		s += ", with its last " + strconv.Itoa(f.Keep)
	}
	return f.Alphabet + " " + s
}

func (r *reader) tokenFormat(e entry) *TokenFormat {
	p := r.object(e.value, e.path, "alphabet", "length", "keep")
	return &TokenFormat{Alphabet: p.text("alphabet"), Length: p.integer("length", 0), Keep: p.integer("keep", 0)}
}

// tokenable says whether tokens of a form can stand for values of the type: those that
// are stored as text.
func (t Type) tokenable() bool {
	switch t {
	case TypeNumber, TypeBoolean, TypeJSON, TypeBytes:
		return false
	default:
		return true
	}
}

func (k *checker) token(path string, f *Field) {
	x := f.Token
	if x == nil {
		return
	}
	if !f.Type.tokenable() {
		k.add(path, "is not possible for type "+string(f.Type))
		return
	}
	known := slices.Sorted(maps.Keys(tokenAlphabets()))
	a, err := fpe.NewAlphabet(x.Characters())
	switch {
	case x.Alphabet == "":
		k.add(path+".alphabet", "is missing: one of "+strings.Join(known, ", "))
		return
	case err != nil:
		k.add(path+".alphabet", "must be one of "+strings.Join(known, ", ")+suggest(x.Alphabet, known))
		return
	}
	if x.Keep < 0 || x.Keep > maxTokenKeep {
		k.add(path+".keep", "must be from 0 to "+strconv.Itoa(maxTokenKeep))
		return
	}
	if least := a.MinLen() + x.Keep; x.Length != 0 && (x.Length < least || x.Length > maxTokenLength) {
		k.add(path+".length", "must be from "+strconv.Itoa(least)+" to "+strconv.Itoa(maxTokenLength)+
			" for this alphabet, or left out: on fewer than a million texts a token could be guessed")
	}
}
