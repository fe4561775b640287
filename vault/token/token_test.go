package token_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/fpe"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/vault/token"
)

// count is a source that gives 0, 1, 2 and so on.
type count byte

func (c *count) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(*c)
		*c++
	}
	return len(b), nil
}

// The texts that a source gives, for ever. The check is CRC-32, of "fvt_" too.
func TestGoldenTexts(t *testing.T) {
	source := new(count)
	for _, want := range []string{golden1, golden2} {
		got, err := token.New(source)
		if err != nil || got != want || !token.WellFormed(got) {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
}

const (
	golden1 = "fvt_aaaqeayeaudaocajbifqydiob4w4a6np"
	golden2 = "fvt_caireeyuculbogazdinryhi6d4l2szsa"
)

func TestNewTexts(t *testing.T) {
	form, seen := regexp.MustCompile(`^fvt_[a-z2-7]{32}$`), map[string]bool{}
	for range 1000 {
		s, err := token.New(rand.Reader)
		if err != nil || !form.MatchString(s) || !token.WellFormed(s) || seen[s] {
			t.Fatalf("%q: %v", s, err)
		}
		seen[s] = true
		i := 4 + len(seen)%32 // another letter in one place
		other := "a"
		if s[i] == 'a' {
			other = "b"
		}
		if other = s[:i] + other + s[i+1:]; token.WellFormed(other) {
			t.Errorf("%q is well formed, too", other)
		}
	}
	for _, bad := range []string{"", "fvt_", golden1[4:], strings.ToUpper(golden1), golden1 + "a", golden1[:35], "fvt_" + strings.Repeat("=", 32), golden1[:35] + "\n", "fvt1" + golden1[4:]} {
		if token.WellFormed(bad) {
			t.Errorf("%q is well formed", bad)
		}
	}
	if _, err := token.New(strings.NewReader("short")); err == nil {
		t.Error("a source that ends makes a token")
	}
}

func TestGoldenKept(t *testing.T) {
	k := token.Kept{Digest: token.DigestOf("6/0/01", secret.FromString("value")), Text: "text"}
	want := "01" + "ade54277126a91556751b0d69bc6e70a412aba275c42ba3d78415498fd93566c" + hex.EncodeToString([]byte("text"))
	if got := hex.EncodeToString(k.Append(nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got, err := token.ParseKept(k.Sealable())
	if err != nil || got != k {
		t.Errorf("%+v (%v)", got, err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "no text": k.Append(nil)[:33], "another version": append([]byte{2}, k.Append(nil)[1:]...),
		"too long": append(k.Append(nil), bytes.Repeat([]byte("x"), token.MaxLen)...),
	} {
		if _, err := token.ParseKept(secret.New(b)); !errors.Is(err, token.ErrKept) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParseKept: what is read is written again as it was.
func FuzzParseKept(f *testing.F) {
	f.Add((&token.Kept{Text: "t"}).Append(nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := token.ParseKept(secret.New(bytes.Clone(b)))
		if err == nil && !bytes.Equal(k.Append(nil), b) {
			t.Errorf("%x is read as %+v", b, k)
		}
	})
}

func TestFormats(t *testing.T) {
	key := sha256.Sum256([]byte("key"))
	for _, tt := range []struct {
		name   string
		format token.Format
		value  string
		want   string // a pattern
		err    error
	}{
		{"a card", token.Format{Alphabet: fpe.Digits, Keep: 4}, "4111 1111-1111 1234", `^\d{4} \d{4}-\d{4} 1234$`, nil},
		{"a phone", token.Format{Alphabet: fpe.Digits}, "+49 711 2842222", `^\+\d\d \d{3} \d{7}$`, nil},
		{"of a length", token.Format{Alphabet: fpe.Alphanumeric, Length: 10, Keep: 2}, "ann@x", `^[0-9A-Za-z]{8}nx$`, nil},
		{"spaces and punctuation stay", token.Format{Alphabet: fpe.LowerLetters}, "ann@example.org, ann", `^[a-z]{3}@[a-z]{7}\.[a-z]{3}, [a-z]{3}$`, nil},
		{"letters of any script would show", token.Format{Alphabet: fpe.LowerLetters}, "straße nummer", "", token.ErrValue},
		{"marks would show", token.Format{Alphabet: fpe.LowerLetters}, "jose\u0301 nummer", "", token.ErrValue},
		{"a street would show", token.Format{Alphabet: fpe.Digits}, "Hauptweg 1234567", "", token.ErrValue},
		{"digits would show", token.Format{Alphabet: fpe.Alphanumeric}, "Hauptweg \u0661\u0662", "", token.ErrValue},
		{"a symbol would show", token.Format{Alphabet: fpe.Alphanumeric}, "Hauptweg \U0001F600", "", token.ErrValue},
		{"a street, of a length", token.Format{Alphabet: fpe.Digits, Length: 12}, "Hauptweg 1234567", `^\d{12}$`, nil},
		{"too short", token.Format{Alphabet: fpe.Digits}, "12345", "", token.ErrValue},
		{"too short beside what stays", token.Format{Alphabet: fpe.Digits, Keep: 4}, "123456789", "", token.ErrValue},
		{"less than what stays", token.Format{Alphabet: fpe.Digits, Length: 12, Keep: 4}, "123", "", token.ErrValue},
		{"too long", token.Format{Alphabet: fpe.Digits}, strings.Repeat("1", 257), "", token.ErrValue},
		{"too few", token.Format{Alphabet: fpe.Digits, Length: 9, Keep: 4}, "123456", "", token.ErrFormat},
		{"no alphabet", token.Format{Alphabet: "1", Length: 30}, "1", "", token.ErrFormat},
		{"a letter twice", token.Format{Alphabet: "aab", Length: 30}, "1", "", token.ErrFormat},
	} {
		seen := map[string]bool{}
		for range 50 {
			got, err := tt.format.Make(key, rand.Reader, secret.FromString(tt.value))
			if !errors.Is(err, tt.err) || err == nil && (!regexp.MustCompile(tt.want).MatchString(got) || got == tt.value) {
				t.Fatalf("%s: %q (%v)", tt.name, got, err)
			}
			seen[got] = true
		}
		if tt.err == nil && len(seen) < 40 {
			t.Errorf("%s: %d texts of 50", tt.name, len(seen))
		}
	}
	if _, err := (token.Format{Alphabet: fpe.Digits}).Make(key, strings.NewReader(""), secret.FromString("1234567")); err == nil {
		t.Error("a source that ends makes a token")
	}
}

// One key and source give one text, for ever: FF1 of the characters with the tweak that the
// source gives.
func TestGoldenFormat(t *testing.T) {
	var key [32]byte
	got, err := (token.Format{Alphabet: fpe.Digits, Keep: 4}).Make(key, new(count), secret.FromString("4111-1111-1111-1234"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := fpe.NewAlphabet(fpe.Digits)
	c, _ := fpe.New(key[:], a)
	tweak := make([]byte, 16)
	_, _ = new(count).Read(tweak)
	plain, err := c.Decrypt(tweak, strings.ReplaceAll(got[:14], "-", ""))
	if err != nil || plain != "411111111111" || got != goldenFormat {
		t.Errorf("%q decrypts to %q (%v)", got, plain, err)
	}
}

const goldenFormat = "2036-4346-2413-1234"

func ExampleNew() {
	text, err := token.New(rand.Reader)
	fmt.Println(token.WellFormed(text), token.WellFormed(strings.ToUpper(text)), err)
	// Output: true false <nil>
}
