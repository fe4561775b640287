package field

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// labelTerm is the salt of the keys of terms: they are derived from the index key as
// HKDF's input, never by the HMAC that indexes values, so that no value that somebody
// writes has a key as its index value.
const labelTerm = "fv/index-term/1"

// TermKind says of what a term is a part of a value or a class of values. Terms of
// different kinds have independent keys.
type TermKind uint8

// The kinds of terms.
const (
	TermPrefix TermKind = iota // the first characters of a value
	TermNGram                  // some characters in a row, wherever they stand
	TermBucket                 // the number of an interval that a value is in
	termKinds
)

// String names the kind; "" is none.
func (k TermKind) String() string {
	switch k {
	case TermPrefix:
		return "prefix"
	case TermNGram:
		return "ngram"
	case TermBucket:
		return "bucket"
	default:
		return ""
	}
}

// Term is Index for a term of a value instead of the value: the first bits of
// HMAC-SHA-256 under a key of the kind, derived from the index key. bits is from 8 to
// 256. Term panics otherwise, as for another kind.
func (k *IndexKey) Term(kind TermKind, term secret.Bytes, bits int) []byte {
	if kind >= termKinds {
		panic("field: a term of an unknown kind")
	}
	return k.terms[kind].first(term, bits)
}

// termHashes derives the keys of the kinds of terms.
func termHashes(key []byte) (out [termKinds]hashes, err error) {
	for kind := range out {
		sub, err := hkdf.Key(sha256.New, key, []byte(labelTerm), TermKind(kind).String(), KeySize)
		if err != nil {
			return out, fmt.Errorf("deriving a key of terms: %w", err)
		}
		out[kind] = newHashes(sub)
	}
	return out, nil
}
