package keyring

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// newKeyset makes a fresh keyset of one AES256-GCM key and returns it opened
// and in clear. The caller clears the second as soon as it is wrapped.
func newKeyset() (*field.Key, []byte, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, nil, fmt.Errorf("making a keyset: %w", err)
	}
	return openHandle(h)
}

// openHandle opens a keyset of ours and writes it in clear.
func openHandle(h *keyset.Handle) (*field.Key, []byte, error) {
	key, err := primitive(h)
	if err != nil {
		return nil, nil, err
	}
	plain, err := writeKeyset(h)
	if err != nil {
		return nil, nil, err
	}
	return key, plain, nil
}

// readKeyset reads a keyset in clear, in either form. What Tink says about bytes that
// are not a keyset is dropped: it may quote them.
func readKeyset(plain []byte) (*keyset.Handle, error) {
	if len(plain) > 0 && plain[0] == compactForm {
		return readCompact(plain)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(plain)))
	if err != nil {
		return nil, ErrUnwrap
	}
	return h, nil
}

// openKeyset opens a data key from its keyset in clear, which it clears. Every
// failure is [ErrUnwrap].
func openKeyset(plain []byte) (*field.Key, error) {
	defer clear(plain)
	if len(plain) == 1+idSize+keySize && plain[0] == compactForm { // nearly all
		keys, err := compactKeys(plain)
		if err != nil {
			return nil, err
		}
		a, err := aesgcm.NewAEAD(keys[0])
		if err != nil {
			return nil, ErrUnwrap
		}
		return field.NewKey(a), nil
	}
	h, err := readKeyset(plain)
	if err != nil {
		return nil, err
	}
	return primitive(h)
}

// primitive returns what seals and opens with a keyset, after checking that it
// holds enabled AES256-GCM keys with the TINK prefix and nothing else. The
// algorithm is thus fixed by this program, never chosen by stored data.
func primitive(h *keyset.Handle) (*field.Key, error) {
	for i := range h.Len() {
		e, err := h.Entry(i)
		if err != nil {
			return nil, ErrUnwrap
		}
		if k, ok := e.Key().(*aesgcm.Key); !ok || e.KeyStatus() != keyset.Enabled || !isOurs(k) {
			return nil, ErrUnwrap
		}
	}
	a, err := newAEAD(h)
	if err != nil {
		return nil, ErrUnwrap
	}
	return field.NewKey(a), nil
}

// newAEAD returns Tink's primitive for a keyset, and for a keyset of one key
// (nearly all are) that of the key, which gives the same bytes in less memory.
func newAEAD(h *keyset.Handle) (tink.AEAD, error) {
	if h.Len() != 1 {
		return aead.New(h)
	}
	e, err := h.Primary()
	if err != nil {
		return nil, err
	}
	k, ok := e.Key().(*aesgcm.Key)
	if !ok {
		return nil, ErrUnwrap
	}
	return aesgcm.NewAEAD(k)
}

func isOurs(k *aesgcm.Key) bool {
	p, ok := k.Parameters().(*aesgcm.Parameters)
	return ok && p.KeySizeInBytes() == 32 && p.IVSizeInBytes() == 12 && p.TagSizeInBytes() == 16 &&
		p.Variant() == aesgcm.VariantTink
}
