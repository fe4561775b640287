package field_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func sealPortable(tb testing.TB, k *field.Key, value string) string {
	tb.Helper()
	text, err := k.SealPortable(portablePlace(), 3, secret.FromString(value))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func TestSealOpenPortable(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	for _, value := range []string{"", "luisg@embraer.com.br", strings.Repeat("a", field.MaxValue)} {
		text := sealPortable(t, k, value)
		c, err := field.ParsePortable(text)
		if err != nil {
			t.Fatal(err)
		}
		if c.Text() != text {
			t.Error("Text does not give the text that was parsed")
		}
		got, err := k.OpenPortable(portablePlace(), c)
		if err != nil || string(got.Expose()) != value {
			t.Errorf("a value of %d bytes does not open as itself: %v", len(value), err)
		}
	}
}

func TestSealPortableRefusesOtherPlaces(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	for name, p := range map[string]field.Place{
		"a record":      with(portablePlace(), func(p *field.Place) { p.Record = "r" }),
		"a revision":    with(portablePlace(), func(p *field.Place) { p.Revision = 1 }),
		"no collection": with(portablePlace(), func(p *field.Place) { p.Collection = 0 }),
		"no field":      with(portablePlace(), func(p *field.Place) { p.Field = 0 }),
	} {
		if _, err := k.SealPortable(p, 1, secret.FromString("v")); !errors.Is(err, field.ErrFormat) {
			t.Errorf("a place with %s: %v, want ErrFormat", name, err)
		}
	}
	if _, err := k.SealPortable(portablePlace(), 0, secret.FromString("v")); !errors.Is(err, field.ErrFormat) {
		t.Errorf("generation 0: %v, want ErrFormat", err)
	}
}

// TestMovedPortableDoesNotOpen is I7 for portable ciphertexts: neither at
// another place, nor with another header, nor as a value of a record.
func TestMovedPortableDoesNotOpen(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	c, err := field.ParsePortable(sealPortable(t, k, "v"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, p field.Place, c field.Portable) {
		t.Helper()
		if got, err := k.OpenPortable(p, c); err != field.ErrOpen || !got.IsZero() { //nolint:errorlint // the very same error
			t.Errorf("%s: %v, want ErrOpen itself", what, err)
		}
	}
	for name, move := range moves() {
		p := with(portablePlace(), move)
		refused("another "+name, p, c)
		header := c
		header.Group, header.Epoch, header.Collection, header.Field = p.Group, p.Epoch, p.Collection, p.Field
		refused("another "+name+", and a header to fit", p, header)
	}
	generation := c
	generation.Generation++
	refused("another generation in the header", portablePlace(), generation)
	refused("nothing", portablePlace(), field.Portable{})
	refused("no place", field.Place{}, c)

	if _, err := k.Open(portablePlace(), c.Sealed); !errors.Is(err, field.ErrOpen) {
		t.Errorf("as a value of a record: %v, want ErrOpen", err)
	}
	value := c
	value.Sealed = mustSeal(t, k, portablePlace(), "v")
	refused("a value of a record as a portable one", portablePlace(), value)
}

func TestParsePortableRefuses(t *testing.T) {
	good := sealPortable(t, field.NewKey(newAEAD(t)), "value")
	raw, err := base64.RawURLEncoding.DecodeString(good[len("fv1:"):])
	if err != nil {
		t.Fatal(err)
	}
	text := func(parts ...[]byte) string {
		return "fv1:" + base64.RawURLEncoding.EncodeToString(slices.Concat(parts...))
	}
	header, sealed := raw[:6], raw[6:]
	for name, bad := range map[string]string{
		"nothing":                   "",
		"the prefix alone":          "fv1:",
		"no prefix":                 good[4:],
		"another prefix":            "fv2:" + good[4:],
		"the prefix in capitals":    "FV1:" + good[4:],
		"white space before":        " " + good,
		"white space behind":        good + " ",
		"a line break behind":       good + "\n",
		"a line break inside":       good[:20] + "\n" + good[20:],
		"a carriage return inside":  good[:20] + "\r" + good[20:],
		"padding":                   good + "=",
		"standard base64":           "fv1:" + base64.RawStdEncoding.EncodeToString([]byte("\xff\xef\xbe"+strings.Repeat("\xff", 60))),
		"a character that is not":   good[:10] + "*" + good[11:],
		"a NUL":                     good[:10] + "\x00" + good[11:],
		"another version":           text([]byte{2}, raw[1:]),
		"version 0":                 text([]byte{0}, raw[1:]),
		"generation 0":              text([]byte{1, 0}, raw[2:]),
		"group 0":                   text([]byte{1, 3, 0}, raw[3:]),
		"collection 0":              text([]byte{1, 3, 2, 1, 0}, raw[5:]),
		"field 0":                   text([]byte{1, 3, 2, 1, 1, 0}, sealed),
		"a long varint":             text([]byte{1, 0x83, 0x00}, raw[2:]),
		"a varint beyond 32 bits":   text([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x1f}, raw[2:]),
		"a varint beyond 64 bits":   text([]byte{1}, slices.Repeat([]byte{0xff}, 10), []byte{1}, raw[2:]),
		"a varint without end":      text([]byte{1, 0x80}),
		"the header alone":          text(header),
		"a ciphertext cut short":    text(header, sealed[:field.Overhead-1]),
		"a ciphertext too long":     text(header, []byte{1}, make([]byte, field.MaxValue+field.Overhead)),
		"a ciphertext not of Tink":  text(header, []byte{0}, sealed[1:]),
		"two megabytes":             "fv1:" + strings.Repeat("A", 2<<20),
		"bits behind the last byte": lastBits(good),
	} {
		if c, err := field.ParsePortable(bad); !errors.Is(err, field.ErrFormat) || c.Sealed != nil {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if _, err := field.ParsePortable(good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// lastBits sets the bits of the last character that stand for no byte.
func lastBits(good string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	return good[:len(good)-1] + string(alphabet[last|1])
}

// FuzzParsePortableIsCanonical: what parses is written back as the same text,
// and opens nowhere unless it was sealed.
func FuzzParsePortableIsCanonical(f *testing.F) {
	k := field.NewKey(readAEAD(f, "one"))
	f.Add(sealPortable(f, k, ""))
	f.Add(sealPortable(f, k, "value"))
	f.Add("fv1:")
	f.Add("fv1:AQEBAQEB")
	strange := field.NewKey(newAEAD(f))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := field.ParsePortable(s)
		if err != nil {
			if !errors.Is(err, field.ErrFormat) {
				t.Fatalf("an error that is not ErrFormat: %v", err)
			}
			return
		}
		if got := c.Text(); got != s {
			t.Fatalf("%q is written back as %q", s, got)
		}
		p := field.Place{Tenant: "t", UID: uid(9), Group: c.Group, Epoch: c.Epoch, Collection: c.Collection, Field: c.Field}
		if _, err := strange.OpenPortable(p, c); !errors.Is(err, field.ErrOpen) {
			t.Fatalf("opens under a key that never sealed it: %v", err)
		}
	})
}
