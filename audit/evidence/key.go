package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

const keyPrefix = "ed25519:"

// KeyID returns the id of a public key: the first 8 bytes of its SHA-256, in
// hexadecimal.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// FormatKey returns a public key as text, "ed25519:" and padded base64.
func FormatKey(pub ed25519.PublicKey) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(pub)
}

// ParseKey is the inverse of FormatKey. White space around the key is ignored, so
// that a file with a line end serves; everything else is ErrDocument.
func ParseKey(s string) (ed25519.PublicKey, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(s), keyPrefix)
	if !ok {
		return nil, fmt.Errorf("%w: a public key begins with %q", ErrDocument, keyPrefix)
	}
	pub, ok := decode(digits, ed25519.PublicKeySize)
	if !ok {
		return nil, fmt.Errorf("%w: public key", ErrDocument)
	}
	return pub, nil
}

// decode decodes padded base64 of exactly n bytes, in its one canonical spelling.
func decode(s string, n int) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != n || base64.StdEncoding.EncodeToString(b) != s {
		return nil, false // the last comparison: the decoder skips line breaks
	}
	return b, true
}

// hexadecimal says whether s is lower-case hexadecimal of least to most bytes.
func hexadecimal(s string, least, most int) bool {
	if len(s)%2 != 0 || len(s) < 2*least || len(s) > 2*most {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
