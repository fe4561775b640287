package keyring

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The schemes of wrapped keys: the first byte of the stored form, and the first
// word of the text form.
const (
	schemeVault = 'v'
	schemeLocal = 'l'
)

// maxWrapped bounds what is taken for a wrapped key, in bytes.
const maxWrapped = 4096

// Wrapped is a wrapped key in its stored form. Two Wrapped hold the same
// ciphertext if and only if both members are equal.
type Wrapped struct {
	// Version is the version of the KEK, from 1. It stands beside the bytes, so
	// that what an old version still wraps can be counted.
	Version int
	// Bytes is the scheme, 'v' (Vault) or 'l' (local), and the ciphertext.
	Bytes []byte
}

// ParseWrapped reads the text form that a KEK gives:
//
//	vault:v<version>:<base64>      local:v<version>:<base64>
//
// The version is decimal without sign or leading zero, from 1 to 2147483647;
// the base64 is padded, in its one canonical form, of 1 to 4096 bytes.
// Everything else is [ErrWrapped]: Vault itself would accept v01 and v+1.
func ParseWrapped(s string) (Wrapped, error) {
	scheme, rest, ok := cutScheme(s)
	if !ok {
		return Wrapped{}, ErrWrapped
	}
	digits, text, ok := strings.Cut(rest, ":")
	version, valid := parseVersion(digits)
	if !ok || !valid || len(text) > base64.StdEncoding.EncodedLen(maxWrapped) || strings.ContainsAny(text, "\r\n") {
		return Wrapped{}, ErrWrapped
	}
	b := make([]byte, 1, 1+base64.StdEncoding.DecodedLen(len(text)))
	b[0] = scheme
	b, err := base64.StdEncoding.Strict().AppendDecode(b, []byte(text))
	if err != nil || len(b) < 2 || len(b) > 1+maxWrapped {
		return Wrapped{}, ErrWrapped
	}
	return Wrapped{Version: version, Bytes: b}, nil
}

// Text returns the text form, which [ParseWrapped] reads. It returns
// [ErrWrapped] if the version is out of range, the scheme is unknown, or the
// ciphertext is empty or longer than 4096 bytes.
func (w Wrapped) Text() (string, error) {
	if w.Version < 1 || w.Version > math.MaxInt32 || len(w.Bytes) < 2 || len(w.Bytes) > 1+maxWrapped {
		return "", ErrWrapped
	}
	name, err := schemeName(w.Bytes[0])
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, len(name)+12+base64.StdEncoding.EncodedLen(len(w.Bytes)-1))
	b = append(b, name...)
	b = append(b, ":v"...)
	b = strconv.AppendInt(b, int64(w.Version), 10)
	b = append(b, ':')
	return string(base64.StdEncoding.AppendEncode(b, w.Bytes[1:])), nil
}

func (w Wrapped) equal(o Wrapped) bool {
	return w.Version == o.Version && bytes.Equal(w.Bytes, o.Bytes)
}

func schemeName(scheme byte) (string, error) {
	switch scheme {
	case schemeVault:
		return "vault", nil
	case schemeLocal:
		return "local", nil
	default:
		return "", fmt.Errorf("unknown scheme: %w", ErrWrapped)
	}
}

func cutScheme(s string) (scheme byte, rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "vault:v"); ok {
		return schemeVault, rest, true
	}
	rest, ok = strings.CutPrefix(s, "local:v")
	return schemeLocal, rest, ok
}

// parseVersion reads [1-9][0-9]{0,9} up to 2147483647.
func parseVersion(s string) (int, bool) {
	if s == "" || len(s) > 10 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32) // refuses what is not a digit; a sign cannot come first
	return int(n), err == nil
}
