package field_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// readAEAD returns Tink's primitive for a keyset of testdata.
func readAEAD(tb testing.TB, name string) tink.AEAD {
	tb.Helper()
	b, err := os.ReadFile("testdata/keyset-" + name + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		tb.Fatal(err)
	}
	a, err := aead.New(h)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// newAEAD returns Tink's primitive for a fresh keyset.
func newAEAD(tb testing.TB) tink.AEAD {
	tb.Helper()
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		tb.Fatal(err)
	}
	a, err := aead.New(h)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// recorder is an AEAD that remembers the associated data it was last given.
type recorder struct {
	tink.AEAD
	data []byte
}

func (r *recorder) Encrypt(plaintext, data []byte) ([]byte, error) {
	r.data = bytes.Clone(data)
	return r.AEAD.Encrypt(plaintext, data)
}

func (r *recorder) Decrypt(ciphertext, data []byte) ([]byte, error) {
	r.data = bytes.Clone(data)
	return r.AEAD.Decrypt(ciphertext, data)
}

// place is an ordinary place.
func place() field.Place {
	return field.Place{
		Tenant: "default", UID: uid(1), Group: 2, Epoch: 1,
		Collection: 1, Record: "c-17", Field: 3, Revision: 7,
	}
}

func portablePlace() field.Place {
	p := place()
	p.Record, p.Revision = "", 0
	return p
}

func uid(n byte) [16]byte { return [16]byte{0: 0x01, 6: 0x70, 8: 0x80, 15: n} }

func mustSeal(tb testing.TB, k *field.Key, p field.Place, value string) []byte {
	tb.Helper()
	ct, err := k.Seal(p, secret.FromString(value))
	if err != nil {
		tb.Fatal(err)
	}
	return ct
}

func mustHex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func key32(b byte) secret.Bytes { return secret.New(bytes.Repeat([]byte{b}, field.KeySize)) }
