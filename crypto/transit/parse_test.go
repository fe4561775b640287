package transit_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/crypto/transit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzParseWrapped: what is taken is exactly what the documented form says.
func FuzzParseWrapped(f *testing.F) {
	for _, bad := range badWrapped(good) {
		f.Add(bad)
	}
	f.Add(good)
	f.Add("vault:v999999999:" + good[9:])
	form := regexp.MustCompile(`^vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/=]+)$`)
	f.Fuzz(func(t *testing.T, text string) {
		version, ok := transit.ParseWrapped(text)
		m := form.FindStringSubmatch(text)
		if !ok {
			return
		}
		if m == nil || strconv.Itoa(version) != m[1] {
			t.Fatalf("%q is taken, as version %d", text, version)
		}
		raw, err := base64.StdEncoding.DecodeString(m[2])
		if err != nil || base64.StdEncoding.EncodeToString(raw) != m[2] || len(raw) < 29 {
			t.Fatalf("%q is taken", text)
		}
	})
}

// FuzzParseBatch: an answer is taken whole or not at all, one outcome an item,
// each of which is a value or an error and never both.
func FuzzParseBatch(f *testing.F) {
	for _, s := range []string{
		results(`{"plaintext":"QUJD"}`), results(`{"plaintext":"QUJD"}`, `{"error":"x"}`), results(`{"ciphertext":"` + good + `","key_version":1}`),
		results(`{}`), results(), `{"data":null}`, `null`, ``, `[]`, `{"data":{"batch_results":[null]}}`, `{"data":{"batch_results":[{"plaintext":null}]}}`,
		`{"data":{"batch_results":[{"plaintext":"QUJD","Plaintext":"QUJE"}]}}`, results(`{"plaintext":"QUJD\n"}`), results(`{"plaintext":""}`),
	} {
		for _, op := range []string{"encrypt", "decrypt", "rewrap"} {
			f.Add(op, []byte(s), 1)
			f.Add(op, []byte(s), 2)
		}
	}
	f.Fuzz(func(t *testing.T, op string, body []byte, n int) {
		if n < 0 || n > 100 || op != "encrypt" && op != "decrypt" && op != "rewrap" {
			return
		}
		plain, texts, errs, err := transit.ParseBatch(op, body, n)
		if err != nil {
			if !errors.Is(err, transit.ErrUnavailable) || len(errs) != 0 {
				t.Fatalf("%v with %d outcomes", err, len(errs))
			}
			return
		}
		if len(errs) != n {
			t.Fatalf("%d outcomes for %d items", len(errs), n)
		}
		for i := range errs {
			value := len(plain[i]) > 0
			if op != "decrypt" {
				_, value = transit.ParseWrapped(texts[i])
			}
			if value == (errs[i] != nil) || errs[i] != nil && (!errors.Is(errs[i], transit.ErrRefused) || len(plain[i])+len(texts[i]) > 0) {
				t.Fatalf("item %d of %q: %v", i, body, errs[i])
			}
		}
	})
}

// A request says what was given, whatever bytes it has.
func FuzzAppendBatch(f *testing.F) {
	f.Add([]byte("context"), []byte("plaintext"))
	f.Add([]byte(`"},{"`), []byte{0, 0xff, '"', '\\'})
	f.Fuzz(func(t *testing.T, context, plaintext []byte) {
		type item struct {
			Context   []byte `json:"context"`
			Plaintext []byte `json:"plaintext"`
		}
		var got struct {
			Code  int    `json:"partial_failure_response_code"`
			Items []item `json:"batch_input"`
		}
		d := json.NewDecoder(strings.NewReader(string(transit.AppendBatch(context, plaintext))))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want := item{Context: append([]byte{}, context...), Plaintext: append([]byte{}, plaintext...)}
		if diff := cmp.Diff([]item{want}, got.Items); diff != "" || got.Code != 200 {
			t.Fatal(diff)
		}
	})
}
