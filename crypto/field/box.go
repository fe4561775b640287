package field

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// boxOverhead is by how many bytes a box is longer than its content: salt (12),
// nonce (12) and tag (16).
const boxOverhead = 12 + 12 + 16

// MaxBox is the length of the longest box, in bytes: of [MaxValue] bytes of content.
const MaxBox = MaxValue + boxOverhead

// BoxKey seals small tokens, such as cursors, that callers carry and only this
// service reads. It uses XAES-256-GCM (https://c2sp.org/XAES-256-GCM), which is
// AES-256-GCM under a key that is derived for each box, because one BoxKey may
// seal more boxes than 96-bit random nonces allow under one key. It prints as
// [key], and it is safe for concurrent use.
type BoxKey struct {
	opaque
	aead tink.AEAD
}

// NewBoxKey returns the box key with the given 32 bytes, else [ErrFormat]. It
// keeps a copy; k remains the caller's.
func NewBoxKey(k secret.Bytes) (*BoxKey, error) {
	if k.Len() != KeySize {
		return nil, fmt.Errorf("making a box key of %d bytes: %w", k.Len(), ErrFormat)
	}
	a, err := newXAES(k.Expose())
	if err != nil {
		return nil, fmt.Errorf("making a box key: %w", err)
	}
	return &BoxKey{aead: a}, nil
}

// Seal encrypts plaintext, which is [MaxValue] bytes at most (else
// [ErrTooLarge]). The label says what kind of token it is and for whom; the box
// opens only under the same label.
func (k *BoxKey) Seal(label string, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxValue {
		return nil, fmt.Errorf("sealing a box: %w", ErrTooLarge)
	}
	box, err := k.aead.Encrypt(plaintext, boxData(label))
	if err != nil {
		return nil, fmt.Errorf("sealing a box: %w", err)
	}
	return box, nil
}

// Open decrypts what [BoxKey.Seal] made under the same label. Every failure is
// [ErrOpen].
func (k *BoxKey) Open(label string, box []byte) ([]byte, error) {
	if len(box) < boxOverhead || len(box) > MaxBox {
		return nil, ErrOpen
	}
	plaintext, err := k.aead.Decrypt(box, boxData(label))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func boxData(label string) []byte {
	b := make([]byte, 0, 64)
	return appendString(appendString(b, labelBox), label)
}

// newXAES returns Tink's XAES-256-GCM without a prefix: exactly the bytes of
// the C2SP specification.
func newXAES(key []byte) (tink.AEAD, error) {
	params, err := xaesgcm.NewParameters(xaesgcm.VariantNoPrefix, 12)
	if err != nil {
		return nil, err
	}
	x, err := xaesgcm.NewKey(secretdata.NewBytesFromData(key, insecuresecretdataaccess.Token{}), 0, params)
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
