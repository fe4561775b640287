package field

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

const (
	labelPseudonym    = "fv/pseudonym/1"
	labelPseudonymKey = "fv/pseudonym-key/1"

	pseudonymPrefix = "fp1:"
	pseudonymPlain  = 16 + 4              // uid and generation
	pseudonymBytes  = 16 + pseudonymPlain // with the synthetic IV before it: no base64 bits are left over
)

// PseudonymLen is the length of every pseudonym, in bytes of text.
const PseudonymLen = len(pseudonymPrefix) + pseudonymBytes*4/3

// PseudonymKey is what the keys of all pseudonyms of one tenant are derived from. It
// prints as [key], and it is safe for concurrent use.
type PseudonymKey struct {
	opaque
	root []byte
}

// NewPseudonymKey returns the key with the given 32 bytes, else [ErrFormat]. It keeps
// a copy; k remains the caller's.
func NewPseudonymKey(k secret.Bytes) (*PseudonymKey, error) {
	root, err := copyKey(k)
	if err != nil {
		return nil, fmt.Errorf("making a pseudonym key: %w", err)
	}
	return &PseudonymKey{root: root}, nil
}

// Pseudonyms makes and opens the pseudonyms for one tenant, purpose and recipient. It
// prints as [key], and it is safe for concurrent use.
type Pseudonyms struct {
	opaque
	siv  *subtle.AESSIV
	data []byte
}

// For derives what makes the pseudonyms for a purpose and a recipient. None of the
// parts may be empty, else [ErrFormat]. Other parts give an independent key: without
// the pseudonym key nobody can tell that two pseudonyms under different keys are of
// one person.
func (k *PseudonymKey) For(tenant, purpose, recipient string) (*Pseudonyms, error) {
	if tenant == "" || purpose == "" || recipient == "" {
		return nil, fmt.Errorf("pseudonyms without tenant, purpose or recipient: %w", ErrFormat)
	}
	info := pseudonymList(labelPseudonymKey, tenant, purpose, recipient)
	key, err := hkdf.Expand(sha256.New, k.root, string(info), subtle.AESSIVKeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key of pseudonyms: %w", err)
	}
	siv, err := subtle.NewAESSIV(key) // which keeps key: it must not be cleared
	if err != nil {
		return nil, fmt.Errorf("making a key of pseudonyms: %w", err)
	}
	return &Pseudonyms{siv: siv, data: pseudonymList(labelPseudonym, tenant, purpose, recipient)}, nil
}

// Make returns the pseudonym of a person: always the same for the same uid and
// generation, which must not be zero, else [ErrFormat]. It is [PseudonymLen] bytes:
// "fp1:" and base64url.
func (p *Pseudonyms) Make(uid [16]byte, generation uint32) (string, error) {
	if uid == [16]byte{} || generation == 0 {
		return "", fmt.Errorf("a pseudonym of nobody: %w", ErrFormat)
	}
	plain := binary.BigEndian.AppendUint32(append(make([]byte, 0, pseudonymPlain), uid[:]...), generation)
	sealed, err := p.siv.EncryptDeterministically(plain, p.data)
	if err != nil {
		return "", fmt.Errorf("making a pseudonym: %w", err)
	}
	return pseudonymPrefix + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open says whose pseudonym it is. What [Pseudonyms.Make] did not make, or made under
// another key, is [ErrOpen], alike for every cause.
func (p *Pseudonyms) Open(text string) (uid [16]byte, generation uint32, err error) {
	if len(text) != PseudonymLen || !strings.HasPrefix(text, pseudonymPrefix) {
		return uid, 0, ErrOpen
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text[len(pseudonymPrefix):])
	if err != nil || len(sealed) != pseudonymBytes {
		return uid, 0, ErrOpen
	}
	plain, err := p.siv.DecryptDeterministically(sealed, p.data)
	if err != nil || len(plain) != pseudonymPlain {
		return uid, 0, ErrOpen
	}
	copy(uid[:], plain)
	return uid, binary.BigEndian.Uint32(plain[len(uid):]), nil
}

func pseudonymList(label, tenant, purpose, recipient string) []byte {
	b := appendString(make([]byte, 0, 128), label)
	for _, part := range []string{tenant, purpose, recipient} {
		b = appendString(b, part)
	}
	return b
}
