package cryptotest_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
)

// The values are of the kinds that the sample data has.
const (
	email  = "luisg@embraer.com.br"
	street = `Av. Brigadeiro "Faria" Lima, 2170 / O'Hara & Söhne <São José>`
	phone  = "+55 (12) 3923-5555"
	name   = "Luís"
)

// hidings are ways in which a value gets into bytes, written without the code
// under test.
func hidings() map[string]func(string) string {
	utf := func(order binary.AppendByteOrder) func(string) string {
		return func(s string) string {
			var b []byte
			for _, u := range utf16.Encode([]rune(s)) {
				b = order.AppendUint16(b, u)
			}
			return string(b)
		}
	}
	reverse := func(s string) string {
		r := []rune(s)
		slices.Reverse(r)
		return string(r)
	}
	marshal := func(s string) string {
		b, err := json.Marshal(map[string]string{"v": s})
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	return map[string]func(string) string{
		"raw":                func(s string) string { return s },
		"lower case":         strings.ToLower,
		"upper case":         strings.ToUpper,
		"reversed":           reverse,
		"hex":                func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":                func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"bytea":              func(s string) string { return `\x` + hex.EncodeToString([]byte(s)) },
		"UTF-16LE":           utf(binary.LittleEndian),
		"UTF-16BE":           utf(binary.BigEndian),
		"URL query":          url.QueryEscape,
		"URL path":           url.PathEscape,
		"URL values":         func(s string) string { return url.Values{"q": {s}}.Encode() },
		"JSON":               marshal,
		"JSON in JSON":       func(s string) string { return marshal(s)[5:] },
		"Go string":          strconv.Quote,
		"Go ASCII string":    strconv.QuoteToASCII,
		"Go bytes, %v":       func(s string) string { return fmt.Sprintf("%v", []byte(s)) },
		"Go bytes, %d":       func(s string) string { return fmt.Sprintf("%d", struct{ b []byte }{[]byte(s)}) },
		"Go bytes, % x":      func(s string) string { return fmt.Sprintf("% x", s) },
		"Go bytes, %#v":      func(s string) string { return fmt.Sprintf("%#v", []byte(s)) },
		"JSON array":         func(s string) string { return strings.ReplaceAll(fmt.Sprint([]byte(s)), " ", ",") },
		"HTML":               html.EscapeString,
		"SQL":                func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
		"CSV":                asCSV,
		"lower-case hex":     func(s string) string { return hex.EncodeToString([]byte(strings.ToLower(s))) },
		"upper-case base64":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(s))) },
		"reversed, base64":   func(s string) string { return base64.StdEncoding.EncodeToString([]byte(reverse(s))) },
		"UTF-16LE of a dump": func(s string) string { return "\xff\xfe" + utf(binary.LittleEndian)("x"+s+"y") },
	}
}

func asCSV(s string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write([]string{"1", s}); err != nil {
		panic(err)
	}
	w.Flush()
	return b.String()
}

func TestFindSeesEveryEncoding(t *testing.T) {
	for _, value := range []string{email, street, phone, name} {
		c := cryptotest.NewCanaries(value)
		for how, hide := range hidings() {
			b := []byte("before " + hide(value) + " after")
			if c.Find(b) == nil {
				t.Errorf("a value of %d bytes is not found as %s", len(value), how)
			}
		}
	}
}

// TestFindSeesEveryAlignment surrounds a value with other bytes before encoding
// all of them.
func TestFindSeesEveryAlignment(t *testing.T) {
	encodings := map[string]interface{ EncodeToString([]byte) string }{
		"base64":                      base64.StdEncoding,
		"base64 without padding":      base64.RawStdEncoding,
		"base64url":                   base64.URLEncoding,
		"base64url without padding":   base64.RawURLEncoding,
		"base32":                      base32.StdEncoding,
		"base32 without padding":      base32.StdEncoding.WithPadding(base32.NoPadding),
		"hex":                         hexEncoding{},
		"base64 with special letters": base64.StdEncoding,
	}
	for _, value := range []string{email, street, phone, "ÿþ~?>ÿþ~?>", "12345"} {
		c := cryptotest.NewCanaries(value)
		for how, enc := range encodings {
			for before := range 6 {
				for after := range 6 {
					b := slices.Concat(bytes.Repeat([]byte{0xa5}, before), []byte(value), bytes.Repeat([]byte{0x5a}, after))
					if c.Find([]byte(`{"x":"`+enc.EncodeToString(b)+`"}`)) == nil {
						t.Errorf("a value of %d bytes is not found in %s, %d bytes before and %d after", len(value), how, before, after)
					}
				}
			}
		}
	}
}

type hexEncoding struct{}

func (hexEncoding) EncodeToString(b []byte) string { return hex.EncodeToString(b) }

// TestFindSeesDigests: what identifies a value is found as well. The digests are
// those of the e-mail, as coreutils and openssl give them.
func TestFindSeesDigests(t *testing.T) {
	c := cryptotest.NewCanaries(email)
	for name, digest := range map[string]string{
		"SHA-256":         "e1bffed0ec2c3f51892febc3bf617f1ebe501dac38bc26b2bb919aa50ed0b36d",
		"SHA-1":           "8ce388011838973ce19f62fe0902d56f75e31f71",
		"MD5":             "176e4fe596666c51839220aeb0d2dacf",
		"SHA-256, base64": "4b/+0OwsP1GJL+vDv2F/Hr5QHaw4vCayu5GapQ7Qs20=",
	} {
		if c.Find([]byte("before "+digest+" after")) == nil {
			t.Errorf("%s is not found", name)
		}
		if raw, err := hex.DecodeString(digest); err == nil && c.Find(raw) == nil {
			t.Errorf("%s, raw, is not found", name)
		}
	}
}

// TestFindReportsNoValue: the report can be printed.
func TestFindReportsNoValue(t *testing.T) {
	values := []string{email, street, phone, name}
	c := cryptotest.NewCanaries(values...)
	var all []byte
	for _, v := range values {
		for _, hide := range hidings() {
			all = append(all, hide(v)+"\n"...)
		}
	}
	found := c.Find(all)
	for i := range values {
		if want := fmt.Sprintf("canary %d (raw)", i+1); !slices.Contains(found, want) {
			t.Errorf("%q is not among what was found", want)
		}
	}
	if !slices.IsSorted(found) {
		t.Error("what was found is not sorted")
	}
	if hits := c.Find([]byte(strings.Join(found, "\n"))); hits != nil {
		t.Errorf("the report holds a canary: %v", hits)
	}
}

// TestFindNothing searches what holds no canary: other values, parts of the
// values, and random bytes.
func TestFindNothing(t *testing.T) {
	c := cryptotest.NewCanaries(email, street, phone)
	for _, b := range []string{"", "l", email[1:], email[:len(email)-1], "luisg@example.com.br", "[redacted]", street[:20], "+55 12 3923 5555"} {
		if hits := c.Find([]byte(b)); hits != nil {
			t.Errorf("found in %q: %v", b, hits)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if hits := c.Find(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")); hits != nil {
			t.Fatalf("found in random bytes: %v", hits)
		}
	})
	if hits := cryptotest.NewCanaries().Find([]byte(email)); hits != nil {
		t.Errorf("no canaries, yet %v", hits)
	}
}

func TestNewCanariesRefusesShortValues(t *testing.T) {
	for _, v := range []string{"", "z", "zqz"} {
		func() {
			defer func() {
				if r := recover(); r == nil || len(v) > 1 && strings.Contains(fmt.Sprint(r), v) {
					t.Errorf("a value of %d bytes: accepted, or shown: %v", len(v), r)
				}
			}()
			cryptotest.NewCanaries(email, v)
		}()
	}
}

// TestFindAcrossBorders puts a value at every place around the border of the
// pieces in which a reader is searched.
func TestFindAcrossBorders(t *testing.T) {
	c := cryptotest.NewCanaries(email)
	const piece = 1 << 20
	for at := piece - len(email) - 1; at <= piece+1; at++ {
		b := make([]byte, piece+3000)
		copy(b[at:], email)
		hits, err := c.FindInReader(bytes.NewReader(b))
		if err != nil || !slices.Equal(hits, []string{"canary 1 (raw)"}) {
			t.Errorf("at %d: %v, %v", at, hits, err)
		}
	}
	for name, r := range map[string]io.Reader{
		"bytes one by one":      iotest.OneByteReader(strings.NewReader("..." + email)),
		"data with the end":     iotest.DataErrReader(strings.NewReader("..." + email)),
		"exactly the piece":     strings.NewReader(strings.Repeat(".", piece-len(email)) + email),
		"exactly two pieces":    strings.NewReader(strings.Repeat(".", 2*piece-len(email)) + email),
		"shorter than any form": strings.NewReader("...." + email),
	} {
		if hits, err := c.FindInReader(r); err != nil || len(hits) != 1 {
			t.Errorf("%s: %v, %v", name, hits, err)
		}
	}
	hits, err := c.FindInReader(io.MultiReader(strings.NewReader(email), iotest.ErrReader(errors.New("the disk is gone"))))
	if err == nil || len(hits) != 1 {
		t.Errorf("a reader that fails: %v, %v, want what was found and the error", hits, err)
	}
}

func TestFindInDir(t *testing.T) {
	c := cryptotest.NewCanaries(email, phone)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"clean":                     "nothing here",
		"vault.db":                  "page " + email + " page",
		"vault.db-wal":              "page " + hex.EncodeToString([]byte(phone)),
		".hidden/log":               url.QueryEscape(email),
		"empty":                     "",
		"names/" + email + ".json":  "{}",
		"names/with-" + email[2:]:   "{}",
		"deep/er/" + "and/deeper/f": base64.StdEncoding.EncodeToString([]byte("xx" + email)),
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "vault.db"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	hits, err := c.FindInDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(hits)
	want := []string{
		"(a file name): canary 1 (raw)",
		".hidden/log: canary 1 (URL query)",
		"deep/er/and/deeper/f: canary 1 (base64, offset 2)",
		"vault.db-wal: canary 2 (hex)",
		"vault.db: canary 1 (raw)",
	}
	if diff := cmp.Diff(want, hits); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := c.FindInDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there was searched")
	}
}

// TestFindInDirNeedsToRead: a file that cannot be read is not a clean one. This
// one can only be written, even by root.
func TestFindInDirNeedsToRead(t *testing.T) {
	if _, err := cryptotest.NewCanaries(email).FindInDir("/proc/self/clear_refs"); err == nil {
		t.Error("a file that cannot be read was passed over")
	}
}

// BenchmarkFind searches for as many values as the sample data has.
func BenchmarkFind(b *testing.B) {
	values := make([]string, 300)
	for i := range values {
		values[i] = fmt.Sprintf("person-%d@example-%d.org", i*7919, i)
	}
	c := cryptotest.NewCanaries(values...)
	text := []byte(strings.Repeat("a page of a database: person 17, example org, base64 QUJDREVG, hex 0123456789abcdef; ", 12000))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if c.Find(text) != nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkNewCanaries(b *testing.B) {
	values := make([]string, 300)
	for i := range values {
		values[i] = fmt.Sprintf("person-%d@example-%d.org", i*7919, i)
	}
	for b.Loop() {
		cryptotest.NewCanaries(values...)
	}
}
