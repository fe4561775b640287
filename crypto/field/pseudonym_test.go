package field_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func pseudonyms(t testing.TB, key secret.Bytes, scope ...string) *field.Pseudonyms {
	t.Helper()
	k, err := field.NewPseudonymKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.For(scope[0], scope[1], scope[2])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPseudonymsAreStableAndOpen(t *testing.T) {
	p, again := pseudonyms(t, key32(1), "t", "analytics", "Analysts"), pseudonyms(t, key32(1), "t", "analytics", "Analysts")
	uid := [16]byte{7, 15: 9}
	text, err := p.Make(uid, 3)
	if err != nil || len(text) != field.PseudonymLen {
		t.Fatalf("%q, %v", text, err)
	}
	if same, _ := again.Make(uid, 3); same != text {
		t.Errorf("%q and then %q", text, same)
	}
	got, generation, err := again.Open(text)
	if err != nil || got != uid || generation != 3 {
		t.Errorf("%x %d %v", got, generation, err)
	}
}

// TestPseudonymsHaveNothingInCommon: another key, tenant, purpose, recipient, person
// or generation gives bytes of which hardly one is equal, and none opens the other's.
func TestPseudonymsHaveNothingInCommon(t *testing.T) {
	uid, other := [16]byte{1}, [16]byte{1, 15: 1}
	type one struct {
		name, text string
		by         *field.Pseudonyms
	}
	var list []one
	add := func(name string, key byte, uid [16]byte, generation uint32, scope ...string) {
		p := pseudonyms(t, key32(key), scope...)
		text, err := p.Make(uid, generation)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, one{name, text, p})
	}
	add("first", 1, uid, 1, "t", "p", "r")
	add("key", 2, uid, 1, "t", "p", "r")
	add("tenant", 1, uid, 1, "t2", "p", "r")
	add("purpose", 1, uid, 1, "t", "p2", "r")
	add("recipient", 1, uid, 1, "t", "p", "r2")
	add("parts moved over", 1, uid, 1, "t", "pr", "2")
	add("person", 1, other, 1, "t", "p", "r")
	add("generation", 1, uid, 2, "t", "p", "r")
	for i, a := range list {
		for _, b := range list[:i] {
			x, _ := base64.RawURLEncoding.DecodeString(a.text[4:])
			y, _ := base64.RawURLEncoding.DecodeString(b.text[4:])
			same := 0
			for j := range x {
				same += subtle.ConstantTimeByteEq(x[j], y[j])
			}
			if same > 6 { // of 36; by chance once in 10^9
				t.Errorf("%s and %s have %d bytes in common", a.name, b.name, same)
			}
			scoped := i < 6
			if _, _, err := b.by.Open(a.text); scoped && !errors.Is(err, field.ErrOpen) {
				t.Errorf("%s opens under %s: %v", a.name, b.name, err)
			}
		}
	}
}

func TestPseudonymsThatAreNone(t *testing.T) {
	p := pseudonyms(t, key32(1), "t", "p", "r")
	good, err := p.Make([16]byte{1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"", "fp1:", good[:len(good)-1], good + "A", " " + good, good + "\n", "fp2:" + good[4:], "FP1:" + good[4:], "fp1:" + strings.Repeat("A", 48), strings.Repeat("fp1:", 13), good[:51] + "=", good[:51] + "\n"}
	for i := 4; i < len(good); i++ {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		bad = append(bad, good[:i]+string(c)+good[i+1:])
	}
	for _, text := range bad {
		if uid, generation, err := p.Open(text); !errors.Is(err, field.ErrOpen) || uid != [16]byte{} || generation != 0 {
			t.Errorf("%q opens: %v", text, err)
		}
	}
	if _, err := p.Make([16]byte{}, 1); !errors.Is(err, field.ErrFormat) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := p.Make([16]byte{1}, 0); !errors.Is(err, field.ErrFormat) {
		t.Errorf("no generation: %v", err)
	}
	k, err := field.NewPseudonymKey(key32(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range [][3]string{{"", "p", "r"}, {"t", "", "r"}, {"t", "p", ""}} {
		if _, err := k.For(s[0], s[1], s[2]); !errors.Is(err, field.ErrFormat) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := field.NewPseudonymKey(secret.New(make([]byte, 31))); !errors.Is(err, field.ErrFormat) {
		t.Errorf("a key of 31 bytes: %v", err)
	}
	if out := fmt.Sprintf("%v %+v %#v %x", k, *k, k, *p); strings.Trim(out, "[key] ") != "" {
		t.Errorf("keys print: %s", out)
	}
}

func TestGoldenPseudonyms(t *testing.T) {
	key, uid := strings.Repeat("0e", 32), "0193a0000000700080000000000000ff"
	cases := []vector{
		{Name: "a person", Key: key, Scope: []string{"default", "analytics", "Analysts"}, Plaintext: uid, Generation: 1},
		{Name: "come back", Key: key, Scope: []string{"default", "analytics", "Analysts"}, Plaintext: "0193a0000000700080000000000000fe", Generation: 2},
		{Name: "another recipient", Key: key, Scope: []string{"default", "billing", "Tax authorities"}, Plaintext: uid, Generation: 1},
		{Name: "another tenant", Key: key, Scope: []string{"acme", "billing", "Steuerbehörden"}, Plaintext: uid, Generation: 4294967295},
	}
	made := func(v *vector) string {
		text, err := pseudonyms(t, secret.New(mustHex(t, v.Key)), v.Scope...).Make([16]byte(mustHex(t, v.Plaintext)), v.Generation)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, v := range vectors(t, "pseudonym.jsonl", cases, func(v *vector) { v.Result = made(v) }) {
		if got := made(&v); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
		uid, generation, err := pseudonyms(t, secret.New(mustHex(t, v.Key)), v.Scope...).Open(v.Result)
		if err != nil || hex.EncodeToString(uid[:]) != v.Plaintext || generation != v.Generation {
			t.Errorf("%s opens to %x, %d, %v", v.Name, uid, generation, err)
		}
		if got := byTheBook(t, &v); got != v.Result {
			t.Errorf("%s: %s, by FORMAT.md %s", v.Name, v.Result, got)
		}
	}
}

// byTheBook makes a pseudonym from FORMAT.md and RFC 5297 alone.
func byTheBook(t *testing.T, v *vector) string {
	t.Helper()
	list := func(label string) (b []byte) {
		for _, p := range append([]string{label}, v.Scope...) {
			b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
		}
		return b
	}
	var okm, last []byte
	for i := byte(1); len(okm) < 64; i++ { // RFC 5869, section 2.3
		h := hmac.New(sha256.New, mustHex(t, v.Key))
		h.Write(append(append(last, list("fv/pseudonym-key/1")...), i))
		last = h.Sum(nil)
		okm = append(okm, last...)
	}
	plain := binary.BigEndian.AppendUint32(mustHex(t, v.Plaintext), v.Generation)
	k1, k2 := okm[:32], okm[32:]
	d := dbl(cmac(t, k1, make([]byte, 16))) // RFC 5297, section 2.4
	subtle.XORBytes(d, d, cmac(t, k1, list("fv/pseudonym/1")))
	end := bytes.Clone(plain)
	subtle.XORBytes(end[len(end)-16:], end[len(end)-16:], d)
	iv := cmac(t, k1, end)
	ctr := bytes.Clone(iv)
	ctr[8] &= 0x7f
	ctr[12] &= 0x7f
	block, err := aes.NewCipher(k2)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCTR(block, ctr).XORKeyStream(plain, plain)
	return "fp1:" + base64.RawURLEncoding.EncodeToString(append(iv, plain...))
}

// cmac is RFC 4493, for any length above zero.
func cmac(t *testing.T, key, m []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]byte, 16)
	block.Encrypt(k, k)
	k = dbl(k)
	m = bytes.Clone(m)
	if len(m)%16 != 0 {
		k = dbl(k)
		m = append(m, 0x80)
		m = append(m, make([]byte, (16-len(m)%16)%16)...)
	}
	subtle.XORBytes(m[len(m)-16:], m[len(m)-16:], k)
	x := make([]byte, 16)
	for ; len(m) > 0; m = m[16:] {
		subtle.XORBytes(x, x, m[:16])
		block.Encrypt(x, x)
	}
	return x
}

// dbl doubles in GF(2^128).
func dbl(b []byte) []byte {
	out := make([]byte, 16)
	for i := range out {
		out[i] = b[i] << 1
		if i < 15 {
			out[i] |= b[i+1] >> 7
		}
	}
	out[15] ^= 0x87 * (b[0] >> 7)
	return out
}

// FuzzPseudonymOpensOnlyWhatWasMade: whatever opens is exactly what Make gives.
func FuzzPseudonymOpensOnlyWhatWasMade(f *testing.F) {
	p := pseudonyms(f, key32(1), "t", "p", "r")
	good, err := p.Make([16]byte{1}, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("fp1:" + strings.Repeat("A", 48))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		uid, generation, err := p.Open(text)
		if err != nil {
			return
		}
		if again, err := p.Make(uid, generation); err != nil || again != text {
			t.Errorf("%q opens, and was never made: %q, %v", text, again, err)
		}
	})
}
