package field_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func TestGoldenTerms(t *testing.T) {
	kinds := map[string]field.TermKind{"prefix": field.TermPrefix, "ngram": field.TermNGram, "bucket": field.TermBucket}
	key, value := strings.Repeat("0d", 32), hex.EncodeToString([]byte("gon"))
	cases := []vector{
		{Name: "prefix, 24 bits", Label: "prefix", Key: key, Plaintext: value, Bits: 24},
		{Name: "ngram, 16 bits", Label: "ngram", Key: key, Plaintext: value, Bits: 16},
		{Name: "ngram, 13 bits", Label: "ngram", Key: key, Plaintext: value, Bits: 13},
		{Name: "ngram, empty", Label: "ngram", Key: key, Bits: 16},
		{Name: "bucket, 256 bits", Label: "bucket", Key: key, Plaintext: hex.EncodeToString([]byte("-1")), Bits: 256},
	}
	term := func(v *vector) string {
		return hex.EncodeToString(indexKey(t, secret.New(mustHex(t, v.Key))).Term(kinds[v.Label], secret.New(mustHex(t, v.Plaintext)), v.Bits))
	}
	for _, v := range vectors(t, "term.jsonl", cases, func(v *vector) { v.Result = term(v) }) {
		if got := term(&v); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
	}
}

// TestTermsAreByTheFormat makes a term by FORMAT.md, with HMAC alone.
func TestTermsAreByTheFormat(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	mac := func(key []byte, parts ...string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(strings.Join(parts, "")))
		return h.Sum(nil)
	}
	for kind := field.TermPrefix; kind.String() != ""; kind++ {
		root := mac([]byte("fv/index-term/1"), string(raw)) // RFC 5869, 2.2
		sub := mac(root, kind.String(), "\x01")             // RFC 5869, 2.3
		want := mac(sub, "abc")
		if got := indexKey(t, secret.New(raw)).Term(kind, secret.FromString("abc"), 256); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", kind, got, want)
		}
	}
}

// TestTermsHaveNothingInCommon: neither kinds, nor keys, nor a value and a term.
func TestTermsHaveNothingInCommon(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, value []byte) {
		if other, ok := seen[string(value)]; ok {
			t.Errorf("%s and %s have one index value", what, other)
		}
		seen[string(value)] = what
	}
	for n := range byte(3) {
		k := indexKey(t, key32(n))
		for _, text := range []string{"", "abc", "prefix", "prefix\x01", "fv/index-term/1"} {
			v := secret.FromString(text)
			name := string(rune('0'+n)) + " " + text
			add("value "+name, k.Index(v, 256))
			for kind := field.TermPrefix; kind.String() != ""; kind++ {
				add(kind.String()+" "+name, k.Term(kind, v, 256))
			}
		}
	}
}

func TestATermOfAnUnknownKindPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	indexKey(t, key32(1)).Term(3, secret.FromString("v"), 64)
}
