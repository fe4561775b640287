package fpe_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/fpe"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

const nistKey = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"

// samples are all of NIST's, ff1samples.pdf.
var samples = []struct {
	bits              int
	alphabet          string
	tweak             string
	plain, ciphertext string
}{
	{128, fpe.Digits, "", "0123456789", "2433477484"},
	{128, fpe.Digits, "39383736353433323130", "0123456789", "6124200773"},
	{128, fpe.LowerAlphanumeric, "3737373770717273373737", "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
	{192, fpe.Digits, "", "0123456789", "2830668132"},
	{192, fpe.Digits, "39383736353433323130", "0123456789", "2496655549"},
	{192, fpe.LowerAlphanumeric, "3737373770717273373737", "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"},
	{256, fpe.Digits, "", "0123456789", "6657667009"},
	{256, fpe.Digits, "39383736353433323130", "0123456789", "1001623463"},
	{256, fpe.LowerAlphanumeric, "3737373770717273373737", "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
}

func TestSamplesOfNIST(t *testing.T) {
	for i, s := range samples {
		key, tweak := unhex(t, nistKey)[:s.bits/8], unhex(t, s.tweak)
		for name, c := range map[string]*fpe.Cipher{
			"64 bits": newCipher(t, key, s.alphabet), "math/big": newCipher(t, key, s.alphabet).Wide(),
		} {
			if got := encrypt(t, c, tweak, s.plain); got != s.ciphertext {
				t.Errorf("sample %d, %s: encrypted %s, want %s", i+1, name, got, s.ciphertext)
			}
			if got := decrypt(t, c, tweak, s.ciphertext); got != s.plain {
				t.Errorf("sample %d, %s: decrypted %s, want %s", i+1, name, got, s.plain)
			}
		}
		if got := bySpecification(t, key, tweak, s.alphabet, s.plain); got != s.ciphertext {
			t.Errorf("sample %d: the specification's steps give %s, want %s", i+1, got, s.ciphertext)
		}
	}
}

// alphabets is one of each kind: few and many characters, ASCII and not, and the radices at which a
// number of bytes just fits or just does not.
func alphabets() []string {
	var large strings.Builder
	for r := rune(0x4E00); r < 0x4E00+4096; r++ {
		large.WriteRune(r)
	}
	var full strings.Builder
	for r := rune(0x10000); r < 0x10000+1<<16; r++ {
		full.WriteRune(r)
	}
	return []string{
		"01", "abc", fpe.Digits, "0123456789ABCDEF", fpe.LowerLetters, fpe.LowerAlphanumeric, fpe.Alphanumeric,
		"äöüß→αβγδ", large.String(), full.String(),
	}
}

// TestAgainstTheSpecification compares both arithmetics with the steps of SP 800-38G as they are
// written there, on strings.
func TestAgainstTheSpecification(t *testing.T) {
	key := unhex(t, nistKey)
	var list []drawn
	for _, s := range alphabets() {
		list = append(list, drawn{newCipher(t, key, s), newCipher(t, key, s).Wide(), s, []rune(s)})
	}
	rapid.Check(t, func(rt *rapid.T) {
		d := rapid.SampledFrom(list).Draw(rt, "alphabet")
		tweak := rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(rt, "tweak")
		text := d.text(rt, 90)
		want := bySpecification(rt, key, tweak, d.chars, text)
		for _, c := range []*fpe.Cipher{d.cipher, d.wide} {
			if got := encrypt(rt, c, tweak, text); got != want {
				rt.Fatalf("encrypted %q, want %q", got, want)
			}
			if got := decrypt(rt, c, tweak, want); got != text {
				rt.Fatalf("decrypted %q, want %q", got, text)
			}
		}
		for _, r := range want {
			if !strings.ContainsRune(d.chars, r) {
				rt.Fatalf("%q is not in the alphabet", r)
			}
		}
		if utf8.RuneCountInString(want) != utf8.RuneCountInString(text) {
			rt.Fatal("the length has changed")
		}
	})
}

// A drawn is an alphabet to draw, and ciphers over it.
type drawn struct {
	cipher, wide *fpe.Cipher
	chars        string
	runes        []rune
}

func (d drawn) text(rt *rapid.T, most int) string {
	least := 2
	for n := len(d.runes) * len(d.runes); n < 1_000_000; n *= len(d.runes) {
		least++
	}
	n := rapid.IntRange(least, max(least, most)).Draw(rt, "n")
	out := make([]rune, n)
	for i := range out {
		out[i] = d.runes[rapid.IntRange(0, len(d.runes)-1).Draw(rt, "numeral")]
	}
	return string(out)
}

// TestWidths goes through every length past the border between the arithmetics, at the ends of the
// domain, where carries and remainders are.
func TestWidths(t *testing.T) {
	key := unhex(t, nistKey)
	for _, chars := range alphabets() {
		runes := []rune(chars)
		c, wide := newCipher(t, key, chars), newCipher(t, key, chars).Wide()
		for n := alphabet(t, chars).MinLen(); n < 140; n++ {
			for _, r := range []rune{runes[0], runes[len(runes)-1]} {
				text := strings.Repeat(string(r), n)
				got := encrypt(t, c, nil, text)
				if want := encrypt(t, wide, nil, text); got != want {
					t.Fatalf("radix %d, n %d: %q and %q", len(runes), n, got, want)
				}
				if decrypt(t, c, nil, got) != text || decrypt(t, wide, nil, got) != text {
					t.Fatalf("radix %d, n %d: does not decrypt", len(runes), n)
				}
			}
		}
	}
}

// TestPermutation enumerates a whole domain: a million texts become a million texts, all different,
// and the cycle that begins at each comes back to it.
func TestPermutation(t *testing.T) {
	pacetest.NeedTime(t)
	c := newCipher(t, unhex(t, nistKey), fpe.Digits)
	const domain = 1_000_000
	next := make([]int32, domain)
	hit := make([]bool, domain)
	for i := range next {
		var to int32
		text := encrypt(t, c, []byte("a tweak"), fmt.Sprintf("%06d", i))
		if _, err := fmt.Sscanf(text, "%06d", &to); err != nil || len(text) != 6 {
			t.Fatalf("%q is not six digits", text)
		}
		if hit[to] {
			t.Fatalf("%06d is the result of two texts", to)
		}
		hit[to], next[i] = true, to
	}
	cycles, fixed, seen := 0, 0, make([]bool, domain)
	for i := range next {
		if int(next[i]) == i {
			fixed++
		}
		if seen[i] {
			continue
		}
		cycles++
		for j := int32(i); !seen[j]; j = next[j] {
			seen[j] = true
		}
	}
	// A random permutation of a million has 14.4 cycles and 1 fixed point on average, with standard
	// deviations of 3.6 and 1.
	if t.Logf("%d cycles, %d fixed points", cycles, fixed); cycles > 36 || fixed > 8 {
		t.Error("that is not like a random permutation")
	}
}

// TestTweakAndKeyMatter encrypts one text under many tweaks and keys: no result comes twice.
func TestTweakAndKeyMatter(t *testing.T) {
	const text = "4111111111111111"
	seen := map[string]string{}
	note := func(name, got string) {
		if other, ok := seen[got]; ok {
			t.Errorf("%s gives what %s gives", name, other)
		}
		seen[got] = name
	}
	key := unhex(t, nistKey)
	c := newCipher(t, key, fpe.Digits)
	for n := range 40 { // zeros alone differ by their number
		note(fmt.Sprintf("a tweak of %d zeros", n), encrypt(t, c, make([]byte, n), text))
	}
	for i := range 32 * 8 {
		tweak := make([]byte, 32)
		tweak[i/8] = 1 << (i % 8)
		note(fmt.Sprintf("tweak bit %d", i), encrypt(t, c, tweak, text))
		other := bytes.Clone(key)
		other[i/8] ^= 1 << (i % 8)
		note(fmt.Sprintf("key bit %d", i), encrypt(t, newCipher(t, other, fpe.Digits), nil, text))
	}
}

func TestKeyIsNotKept(t *testing.T) {
	key := unhex(t, nistKey)
	c := newCipher(t, key, fpe.Digits)
	want := encrypt(t, c, nil, "0123456789")
	clear(key)
	if got := encrypt(t, c, nil, "0123456789"); got != want {
		t.Errorf("after the key was erased: %s, want %s", got, want)
	}
}

func TestLimits(t *testing.T) {
	for chars, want := range map[string]int{
		"01": 20, "abc": 13, fpe.Digits: 6, fpe.LowerLetters: 5, fpe.LowerAlphanumeric: 4, fpe.Alphanumeric: 4,
		fpe.Alphanumeric + "+/-": 4, alphabets()[8]: 2, alphabets()[9]: 2,
	} {
		a := alphabet(t, chars)
		if got := a.MinLen(); got != want {
			t.Errorf("radix %d: at least %d characters, want %d", a.Radix(), got, want)
		}
		domain := new(big.Int).Exp(big.NewInt(int64(a.Radix())), big.NewInt(int64(want-1)), nil)
		if want > 2 && domain.Cmp(big.NewInt(1_000_000)) >= 0 {
			t.Errorf("radix %d: %d characters would do", a.Radix(), want-1)
		}
	}
}

func TestErrors(t *testing.T) {
	c := newCipher(t, unhex(t, nistKey), fpe.Digits)
	const canary = "8675309"
	for _, r := range []struct {
		name  string
		tweak []byte
		text  string
		want  error
	}{
		{"nothing", nil, "", fpe.ErrLength},
		{"a domain below a million", nil, canary[:5], fpe.ErrLength},
		{"too long", nil, strings.Repeat("7", fpe.MaxLen+1), fpe.ErrLength},
		{"a letter", nil, canary + "x", fpe.ErrCharacter},
		{"another script's digit", nil, canary + "٣", fpe.ErrCharacter},
		{"not UTF-8", nil, canary + "\xff", fpe.ErrCharacter},
		{"the replacement character", nil, canary + "\ufffd", fpe.ErrCharacter},
		{"a space", nil, canary + " 1", fpe.ErrCharacter},
		{"a long tweak", make([]byte, fpe.MaxTweak+1), canary, fpe.ErrTweak},
	} {
		for name, do := range map[string]func([]byte, string) (string, error){"Encrypt": c.Encrypt, "Decrypt": c.Decrypt} {
			got, err := do(r.tweak, r.text)
			if got != "" || !errors.Is(err, r.want) {
				t.Errorf("%s of %s: %q, %v, want %v", name, r.name, got, err, r.want)
			} else if strings.Contains(err.Error(), canary[:5]) {
				t.Errorf("%s of %s: the error holds the text", name, r.name)
			}
		}
	}
	longest := strings.Repeat("7", fpe.MaxLen)
	if decrypt(t, c, make([]byte, fpe.MaxTweak), encrypt(t, c, make([]byte, fpe.MaxTweak), longest)) != longest {
		t.Error("the longest text and tweak do not come back")
	}
}

func TestErrorsOfNew(t *testing.T) {
	for _, n := range []int{0, 1, 15, 17, 31, 33, 64} {
		if _, err := fpe.New(make([]byte, n), alphabet(t, fpe.Digits)); !errors.Is(err, fpe.ErrKey) {
			t.Errorf("a key of %d bytes: %v", n, err)
		}
	}
	for _, a := range []*fpe.Alphabet{nil, {}} {
		if _, err := fpe.New(make([]byte, 16), a); !errors.Is(err, fpe.ErrAlphabet) {
			t.Errorf("no alphabet: %v", err)
		}
	}
	var many strings.Builder
	for r := rune(0x10000); r <= 0x10000+1<<16; r++ {
		many.WriteRune(r)
	}
	for _, s := range []string{"", "0", "00", "0120", "ab\xff", "ab\ufffd", "ääb", many.String()} {
		if _, err := fpe.NewAlphabet(s); !errors.Is(err, fpe.ErrAlphabet) {
			t.Errorf("an alphabet of %d bytes that is none: %v", len(s), err)
		}
	}
}

// TestConcurrentUse shares one cipher, and so its pool of storage.
func TestConcurrentUse(t *testing.T) {
	c := newCipher(t, unhex(t, nistKey), fpe.Digits)
	done := make(chan string)
	for g := range 8 {
		go func() {
			for i := range 200 {
				text := strings.Repeat(string(rune('0'+g)), 6+(i*7+g)%60)
				out, err := c.Encrypt([]byte{byte(g)}, text)
				if err == nil {
					out, err = c.Decrypt([]byte{byte(g)}, out)
				}
				if err != nil || out != text {
					done <- fmt.Sprintf("%d, %d: %q, %v", g, i, out, err)
					return
				}
			}
			done <- ""
		}()
	}
	for range 8 {
		if s := <-done; s != "" {
			t.Error(s)
		}
	}
}

// FuzzRoundTrip: what Encrypt accepts, Decrypt accepts, and the other way round; the one undoes
// the other; nothing leaves the alphabet.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("tweak"), "0123456789", uint8(2))
	f.Add([]byte{}, "äöüß→αβγδäöüß", uint8(7))
	f.Add(make([]byte, 33), strings.Repeat("01", 40), uint8(0))
	var ciphers []*fpe.Cipher
	for _, s := range alphabets() {
		ciphers = append(ciphers, newCipher(f, unhex(f, nistKey), s))
	}
	list := alphabets()
	f.Fuzz(func(t *testing.T, tweak []byte, text string, which uint8) {
		i := int(which) % len(list)
		c := ciphers[i]
		out, err := c.Encrypt(tweak, text)
		back, errD := c.Decrypt(tweak, text)
		if (err == nil) != (errD == nil) {
			t.Fatalf("Encrypt says %v, Decrypt %v", err, errD)
		}
		if err != nil {
			return
		}
		if decrypt(t, c, tweak, out) != text || encrypt(t, c, tweak, back) != text {
			t.Fatal("does not come back")
		}
		in := []rune(list[i])
		for _, r := range out + back {
			if !slices.Contains(in, r) {
				t.Fatalf("%q is not in the alphabet", r)
			}
		}
	})
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// A fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func alphabet(tb fataler, s string) *fpe.Alphabet {
	tb.Helper()
	a, err := fpe.NewAlphabet(s)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func newCipher(tb fataler, key []byte, chars string) *fpe.Cipher {
	tb.Helper()
	c, err := fpe.New(key, alphabet(tb, chars))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func encrypt(tb fataler, c *fpe.Cipher, tweak []byte, text string) string {
	tb.Helper()
	out, err := c.Encrypt(tweak, text)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func decrypt(tb fataler, c *fpe.Cipher, tweak []byte, text string) string {
	tb.Helper()
	out, err := c.Decrypt(tweak, text)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
