package keyring

import (
	"encoding/binary"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/secretdata"
)

// The compact form of a keyset: compactForm, then each key's id and its bytes, the
// primary first. Tink's own form, which is read too, begins with another byte, and says
// of each key in 70 bytes more what is the same for all.
const (
	compactForm = 1
	idSize      = 4
	keySize     = 32
)

// writeKeyset is a keyset in clear, of keys that [primitive] has seen.
func writeKeyset(h *keyset.Handle) ([]byte, error) {
	plain := make([]byte, 1, 1+h.Len()*(idSize+keySize)) // never moved: no copy is left behind
	plain[0] = compactForm
	for _, primary := range []bool{true, false} {
		for i := range h.Len() {
			e, err := h.Entry(i)
			if err != nil {
				clear(plain)
				return nil, fmt.Errorf("writing a keyset: %w", err)
			}
			k, ok := e.Key().(*aesgcm.Key)
			if !ok {
				clear(plain)
				return nil, fmt.Errorf("writing a keyset: %w", ErrUnwrap)
			}
			if e.IsPrimary() != primary {
				continue
			}
			key := k.KeyBytes()
			b := key.Data(insecuresecretdataaccess.Token{})
			plain = append(binary.BigEndian.AppendUint32(plain, e.KeyID()), b...)
			clear(b)
		}
	}
	return plain, nil
}

// compactKeys are the keys of a compact keyset, the primary first. Every failure is
// [ErrUnwrap].
func compactKeys(plain []byte) ([]*aesgcm.Key, error) {
	n := (len(plain) - 1) / (idSize + keySize)
	if n < 1 || len(plain) != 1+n*(idSize+keySize) {
		return nil, ErrUnwrap
	}
	keys := make([]*aesgcm.Key, n)
	seen := make(map[uint32]bool, n)
	for i := range keys {
		b := plain[1+i*(idSize+keySize):][:idSize+keySize]
		id := binary.BigEndian.Uint32(b)
		if seen[id] {
			return nil, ErrUnwrap
		}
		seen[id] = true
		k, err := aesgcm.NewKey(secretdata.NewBytesFromData(b[idSize:], insecuresecretdataaccess.Token{}), id, parameters)
		if err != nil {
			return nil, ErrUnwrap
		}
		keys[i] = k
	}
	return keys, nil
}

// readCompact is the keyset of compact keys.
func readCompact(plain []byte) (*keyset.Handle, error) {
	keys, err := compactKeys(plain)
	if err != nil {
		return nil, err
	}
	m := keyset.NewManager()
	for i, k := range keys {
		id, err := m.AddKey(k)
		if err != nil {
			return nil, ErrUnwrap
		}
		if i > 0 {
			continue
		}
		if err := m.SetPrimary(id); err != nil {
			return nil, ErrUnwrap
		}
	}
	h, err := m.Handle()
	if err != nil {
		return nil, ErrUnwrap
	}
	return h, nil
}

// parameters are those of every data key.
var parameters = mustParameters() //nolint:gochecknoglobals // a constant

func mustParameters() *aesgcm.Parameters {
	p, err := aesgcm.NewParameters(aesgcm.ParametersOpts{KeySizeInBytes: keySize, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink})
	if err != nil {
		panic("keyring: AES256-GCM is refused")
	}
	return p
}
