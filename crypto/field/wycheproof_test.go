package field_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/secretdata"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// wycheproofFile is what the files of AEAD and of MAC cases have in common.
type wycheproofFile struct {
	Groups []struct {
		IVSize  int `json:"ivSize"`
		KeySize int `json:"keySize"`
		TagSize int `json:"tagSize"`
		Tests   []struct {
			ID                              int `json:"tcId"`
			Comment, Key, IV, AAD, Msg, Tag string
			Ciphertext                      string `json:"ct"`
			Result                          string
		} `json:"tests"`
	} `json:"testGroups"`
}

func readWycheproof(t *testing.T, name string) (f wycheproofFile) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

const wycheproofKeyID = 0x0a0b0c0d

// foreign gives a primitive the associated data of a Wycheproof case in the
// place of ours, after it has seen that ours is what the place demands.
type foreign struct {
	t          *testing.T
	aead       tink.AEAD
	ours, data []byte
}

func (f *foreign) Encrypt(plaintext, data []byte) ([]byte, error) {
	f.ours = bytes.Clone(data)
	return f.aead.Encrypt(plaintext, f.data)
}

func (f *foreign) Decrypt(ciphertext, data []byte) ([]byte, error) {
	if !bytes.Equal(f.ours, data) {
		f.t.Error("Open gives other associated data than Seal")
	}
	return f.aead.Decrypt(ciphertext, f.data)
}

// TestWycheproofAESGCM runs those cases that our envelope can hold: 256-bit
// keys, 96-bit nonces, 128-bit tags.
func TestWycheproofAESGCM(t *testing.T) {
	ran := map[string]int{}
	for _, g := range readWycheproof(t, "aes_gcm_test.json").Groups {
		if g.KeySize != 256 || g.IVSize != 96 || g.TagSize != 128 {
			continue
		}
		for _, c := range g.Tests {
			f := &foreign{t: t, aead: singleAEAD(t, mustHex(t, c.Key)), data: mustHex(t, c.AAD)}
			k := field.NewKey(f)
			mustSeal(t, k, place(), "x")
			sealed := slices.Concat([]byte{1, 0x0a, 0x0b, 0x0c, 0x0d}, mustHex(t, c.IV), mustHex(t, c.Ciphertext), mustHex(t, c.Tag))
			got, err := k.Open(place(), sealed)
			ran[c.Result]++
			switch c.Result {
			case "valid":
				if err != nil || hex.EncodeToString(got.Expose()) != c.Msg {
					t.Errorf("case %d (%s) does not open: %v", c.ID, c.Comment, err)
				}
			case "invalid":
				if !errors.Is(err, field.ErrOpen) || !got.IsZero() {
					t.Errorf("case %d (%s) opens, or fails unlike others: %v", c.ID, c.Comment, err)
				}
			default:
				t.Errorf("case %d has the result %q", c.ID, c.Result)
			}
		}
	}
	if ran["valid"] < 30 || ran["invalid"] < 20 {
		t.Errorf("ran only %v cases", ran)
	}
}

// singleAEAD returns Tink's primitive for one key with the TINK prefix, which is
// also what package keyring gives for nearly all keysets.
func singleAEAD(t testing.TB, key []byte) tink.AEAD {
	t.Helper()
	params, err := aesgcm.NewParameters(aesgcm.ParametersOpts{
		KeySizeInBytes: 32, IVSizeInBytes: 12, TagSizeInBytes: 16, Variant: aesgcm.VariantTink,
	})
	if err != nil {
		t.Fatal(err)
	}
	k, err := aesgcm.NewKey(secretdata.NewBytesFromData(key, insecuresecretdataaccess.Token{}), wycheproofKeyID, params)
	if err != nil {
		t.Fatal(err)
	}
	a, err := aesgcm.NewAEAD(k)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestWycheproofHMAC runs the cases with 256-bit keys through blind indexes,
// which are HMAC-SHA-256, cut or whole.
func TestWycheproofHMAC(t *testing.T) {
	ran := map[string]int{}
	for _, g := range readWycheproof(t, "hmac_sha256_test.json").Groups {
		if g.KeySize != 256 {
			continue
		}
		for _, c := range g.Tests {
			k, err := field.NewIndexKey(secret.New(mustHex(t, c.Key)))
			if err != nil {
				t.Fatal(err)
			}
			got := hex.EncodeToString(k.Index(secret.New(mustHex(t, c.Msg)), g.TagSize))
			ran[c.Result]++
			if (got == c.Tag) != (c.Result == "valid") {
				t.Errorf("case %d (%s, %s): index %s, tag %s", c.ID, c.Comment, c.Result, got, c.Tag)
			}
		}
	}
	if ran["valid"] < 20 || ran["invalid"] < 20 {
		t.Errorf("ran only %v cases", ran)
	}
}
