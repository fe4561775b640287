package keyring_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/keyring"
)

func TestParseWrapped(t *testing.T) {
	for _, c := range []struct {
		text    string
		version int
		bytes   string
	}{
		{"vault:v1:AA==", 1, "v\x00"},
		{"vault:v10:AAEC", 10, "v\x00\x01\x02"},
		{"local:v7:/+8=", 7, "l\xff\xef"},
		{"local:v2147483647:AA==", math.MaxInt32, "l\x00"},
		{"vault:v1:" + base64.StdEncoding.EncodeToString(make([]byte, 4096)), 1, "v" + strings.Repeat("\x00", 4096)},
	} {
		w, err := keyring.ParseWrapped(c.text)
		if err != nil || w.Version != c.version || string(w.Bytes) != c.bytes {
			t.Errorf("%.40s: %d, %d bytes, %v", c.text, w.Version, len(w.Bytes), err)
		}
		if text, err := w.Text(); err != nil || text != c.text {
			t.Errorf("%.40s is written back as %.40s, %v", c.text, text, err)
		}
	}
}

// malformed are texts that no KEK of ours gives. Vault would accept some.
func malformed() []string {
	return []string{
		"", "vault", "vault:", "vault:v", "vault:v1", "vault:v1:", "v1:AA==", ":v1:AA==",
		"vault:v01:AA==", "vault:v+1:AA==", "vault:v-1:AA==", "vault:v0:AA==", "vault:v 1:AA==", "vault:v1 :AA==",
		"vault:v1_0:AA==", "vault:v0x1:AA==", "vault:v1.0:AA==", "vault:v1e1:AA==", "vault:v١:AA==", "vault:v:AA==",
		"vault:v2147483648:AA==", "vault:v4294967297:AA==", "vault:v18446744073709551617:AA==", "vault:v99999999999:AA==",
		"vault:1:AA==", "vault:V1:AA==", "Vault:v1:AA==", "VAULT:v1:AA==", "transit:v1:AA==", "vaultx:v1:AA==", "ocal:v1:AA==",
		" vault:v1:AA==", "vault:v1:AA== ", "vault:v1: AA==", "vault:v1:AA==\n", "vault:v1:A\nA==", "vault:v1:A\rA==", "\nvault:v1:AA==",
		"vault:v1:AA", "vault:v1:AA=", "vault:v1:AA===", "vault:v1:AB==", "vault:v1:AAE", "vault:v1:AAF=", "vault:v1:A", "vault:v1:====",
		"vault:v1:__8=", "vault:v1:-w==", "vault:v1:AA==AA==", "vault:v1:AA==:", "vault:v1:AA==:v1", "vault:v1:AA\x00=", "vault:v1:ÅÅ==",
		"vault:v1:" + base64.StdEncoding.EncodeToString(make([]byte, 4097)),
		"vault:v1:" + strings.Repeat("A", 1<<20),
		"local:local:v1:AA==", "local:v1:v1:AA==", "vault:v1::AA==",
	}
}

func TestParseWrappedRefuses(t *testing.T) {
	for _, text := range malformed() {
		if w, err := keyring.ParseWrapped(text); !errors.Is(err, keyring.ErrWrapped) || w.Bytes != nil || w.Version != 0 {
			t.Errorf("%.40q: %v, want ErrWrapped", text, err)
		}
	}
}

// malformedStored are stored forms that have no text.
func malformedStored() map[string]keyring.Wrapped {
	return map[string]keyring.Wrapped{
		"nothing":           {},
		"no version":        {Bytes: []byte("v123")},
		"version -1":        {Version: -1, Bytes: []byte("v123")},
		"no bytes":          {Version: 1},
		"the scheme alone":  {Version: 1, Bytes: []byte("v")},
		"scheme 0":          {Version: 1, Bytes: []byte{0, 1, 2}},
		"another scheme":    {Version: 1, Bytes: []byte("x123")},
		"scheme in capital": {Version: 1, Bytes: []byte("V123")},
		"too long":          {Version: 1, Bytes: bytes.Repeat([]byte("v"), 4098)},
		"too high":          {Version: math.MaxInt32 + 1, Bytes: []byte("v123")},
	}
}

func TestTextRefuses(t *testing.T) {
	for name, w := range malformedStored() {
		if text, err := w.Text(); !errors.Is(err, keyring.ErrWrapped) || text != "" {
			t.Errorf("%s: %q, %v, want ErrWrapped", name, text, err)
		}
	}
}

// FuzzParseWrappedIsCanonical: what parses is written back as the same text.
func FuzzParseWrappedIsCanonical(f *testing.F) {
	for _, s := range malformed() {
		f.Add(s)
	}
	f.Add("vault:v1:AA==")
	f.Add("local:v2147483647:/+8=")
	f.Fuzz(func(t *testing.T, s string) {
		w, err := keyring.ParseWrapped(s)
		if err != nil {
			if !errors.Is(err, keyring.ErrWrapped) {
				t.Fatalf("an error that is not ErrWrapped: %v", err)
			}
			return
		}
		if got, err := w.Text(); err != nil || got != s {
			t.Fatalf("%q is written back as %q, %v", s, got, err)
		}
		if w.Version < 1 || len(w.Bytes) < 2 {
			t.Fatalf("%q parses without version or bytes", s)
		}
	})
}
