package localkek

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	keySize     = 32
	overhead    = 12 + 12 + 16 // salt, nonce and tag of XAES-256-GCM
	maxVersions = 100_000
	prefix      = "local:v"
)

// keys are the keys of a file, by name. Neither the map nor an entry is changed
// once it is in a state.
type keys map[string]*entry

// entry is one key.
type entry struct {
	KeyStatus
	versions map[int]*version
}

// version is one version of a key.
type version struct {
	secret []byte
	aead   tink.AEAD
}

func newVersion(secret []byte) (*version, error) {
	a, err := newXAES(secret)
	if err != nil {
		return nil, err
	}
	return &version{secret: secret, aead: a}, nil
}

func randomVersion() (*version, error) {
	secret := make([]byte, keySize)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("making a key version: %w", err)
	}
	return newVersion(secret)
}

// clone returns an entry that can be changed.
func (e *entry) clone() *entry {
	return &entry{KeyStatus: e.KeyStatus, versions: maps.Clone(e.versions)}
}

// wrap wraps one plaintext under the latest version.
func (e *entry) wrap(context, plain []byte) (string, error) {
	if len(plain) > MaxPlaintext {
		return "", ErrTooLarge
	}
	v, ok := e.versions[e.Latest]
	if !ok {
		return "", ErrVersion
	}
	box, err := v.aead.Encrypt(plain, context)
	if err != nil {
		return "", err
	}
	return formatWrapped(e.Latest, box), nil
}

// unwrap opens one wrapped key.
func (e *entry) unwrap(context []byte, wrapped string) ([]byte, error) {
	n, box, ok := parseWrapped(wrapped)
	if !ok {
		return nil, ErrUnwrap
	}
	v, ok := e.versions[n]
	if !ok || n < e.MinDecrypt {
		return nil, ErrVersion
	}
	plain, err := v.aead.Decrypt(box, context)
	if err != nil {
		return nil, ErrUnwrap
	}
	return plain, nil
}

func formatWrapped(version int, box []byte) string {
	return prefix + strconv.Itoa(version) + ":" + base64.StdEncoding.EncodeToString(box)
}

// parseWrapped reads local:v<version>:<base64>, in its one canonical form.
func parseWrapped(s string) (version int, box []byte, ok bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	digits, text, found := strings.Cut(rest, ":")
	if !ok || !found || len(text) > base64.StdEncoding.EncodedLen(MaxPlaintext+overhead) {
		return 0, nil, false
	}
	version, ok = parseNumber(digits, math.MaxInt32)
	if !ok || version == 0 {
		return 0, nil, false
	}
	box, ok = parseBase64(text)
	return version, box, ok && len(box) >= overhead && len(box) <= MaxPlaintext+overhead
}

// parseNumber reads a decimal number without sign or leading zero.
func parseNumber(s string, limit int64) (int, bool) {
	if s == "" || len(s) > 10 || len(s) > 1 && s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return int(n), err == nil && n <= limit
}

// parseBase64 reads padded base64 in its one canonical form. The decoder of the
// standard library skips line breaks even when strict.
func parseBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// newXAES returns Tink's XAES-256-GCM without a prefix: exactly the bytes of
// the C2SP specification.
func newXAES(secret []byte) (tink.AEAD, error) {
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, 12)
	if err != nil {
		return nil, err
	}
	x, err := xaesgcm.NewKey(secretdata.NewBytesFromData(secret, insecuresecretdataaccess.Token{}), 0, params)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManager()
	id, err := m.AddKey(x)
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, err
	}
	h, err := m.Handle()
	if err != nil {
		return nil, err
	}
	return aead.New(h)
}
