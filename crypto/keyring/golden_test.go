package keyring_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// goldenKeyset is a data key as it was serialised when the format was fixed: the
// keyset of ../field/testdata/keyset-one.json. Keysets that are stored must open
// for ever.
const goldenKeyset = "08848688081263" +
	"0a580a30747970652e676f6f676c65617069732e636f6d2f676f6f676c652e63727970746f2e74696e6b2e41657347636d4b6579" +
	"12221a20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f1801" +
	"100118848688082001"

// TestGoldenKeyset opens the golden values of package field with a data key that
// went through a KEK and this package.
func TestGoldenKeyset(t *testing.T) {
	plain, err := hex.DecodeString(goldenKeyset)
	if err != nil {
		t.Fatal(err)
	}
	kek := cryptotest.NewKEK(t)
	key, err := openOne(cryptotest.RingOn(t, kek), wrapRaw(t, kek, id(0), plain))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("../field/testdata/value.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	opened := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var v struct {
			Name, Keyset, Plaintext, Result string
			Place                           struct {
				Tenant, UID, Record             string
				Group, Epoch, Collection, Field uint32
				Revision                        uint64
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if v.Keyset != "one" {
			continue
		}
		p := field.Place{
			Tenant: v.Place.Tenant, UID: [16]byte(unhex(t, v.Place.UID)), Group: v.Place.Group, Epoch: v.Place.Epoch,
			Collection: v.Place.Collection, Record: v.Place.Record, Field: v.Place.Field, Revision: v.Place.Revision,
		}
		got, err := key.Open(p, unhex(t, v.Result))
		if err != nil || hex.EncodeToString(got.Expose()) != v.Plaintext {
			t.Errorf("%s does not open: %v", v.Name, err)
		}
		opened++
	}
	if opened < 6 {
		t.Errorf("opened only %d golden values", opened)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
