package localkek_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/localkek"
)

// The golden files: what was written once must be read for ever. The first is
// in clear, the second sealed with the passphrase "correct horse".
const (
	goldenPassphrase = "correct horse"
	goldenContext    = "context"
	goldenPlain      = "a data key"
)

func TestGoldenFiles(t *testing.T) {
	for name, passphrase := range map[string][]byte{"clear": nil, "sealed": []byte(goldenPassphrase)} {
		src, err := os.ReadFile(filepath.Join("testdata", name+".kek"))
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := os.ReadFile(filepath.Join("testdata", name+".wrapped"))
		if err != nil {
			t.Fatal(err)
		}
		k := openBytes(t, src, passphrase)
		want := localkek.KeyStatus{Latest: 3, MinDecrypt: 2, MinEncrypt: 3, MinAvailable: 2}
		if s := status(t, k, "default"); s != want {
			t.Errorf("%s: %+v, want %+v", name, s, want)
		}
		lines := strings.Fields(string(wrapped))
		if len(lines) != 3 {
			t.Fatalf("%s: %d wrapped keys, want one of each version", name, len(lines))
		}
		for i, w := range lines {
			got, err := unwrapOne(k, "default", goldenContext, w)
			if trimmed := i == 0; trimmed != errors.Is(err, localkek.ErrVersion) || !trimmed && got != goldenPlain {
				t.Errorf("%s, version %d: %q, %v", name, i+1, got, err)
			}
		}
	}
}

// openBytes opens a file with the given contents.
func openBytes(t *testing.T, b, passphrase []byte) *localkek.KEK {
	t.Helper()
	k, err := tryBytes(t, b, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func tryBytes(t *testing.T, b, passphrase []byte) (*localkek.KEK, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kek")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return localkek.Open(path, passphrase)
}

func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	passphrase := []byte(goldenPassphrase)
	k, err := localkek.Create(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if string(passphrase) != goldenPassphrase {
		t.Error("the caller's passphrase was changed")
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("default")) || bytes.Contains(b, []byte("version")) {
		t.Error("a sealed file shows its keys")
	}
	again, err := localkek.Open(path, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, again, "default")
	if s := status(t, k, "default"); s.Latest != 2 {
		t.Errorf("%+v, want the rotation of another process", s)
	}
	for name, wrong := range map[string][]byte{"none": nil, "an empty one": {}, "another": []byte("Correct horse"), "one cut": []byte("correct hors")} {
		if _, err := localkek.Open(path, wrong); !errors.Is(err, localkek.ErrPassphrase) {
			t.Errorf("%s: %v, want ErrPassphrase", name, err)
		}
	}
	if _, err := localkek.Create(filepath.Join(t.TempDir(), "kek"), []byte{}); !errors.Is(err, localkek.ErrPassphrase) {
		t.Errorf("creating with an empty one: %v, want ErrPassphrase", err)
	}
}

// TestClearFileInTheSealedOnesPlace: who can write the file but does not know the
// passphrase cannot put keys of their own there.
func TestClearFileInTheSealedOnesPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.CreateCheap(path, []byte(goldenPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	clear, err := os.ReadFile("testdata/clear.kek")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, clear, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := localkek.Open(path, []byte(goldenPassphrase)); !errors.Is(err, localkek.ErrPassphrase) {
		t.Errorf("opening: %v, want ErrPassphrase", err)
	}
	if _, err := k.Wrap(context.Background(), "default", nil, nil); !errors.Is(err, localkek.ErrPassphrase) {
		t.Errorf("a KEK that is open: %v, want ErrPassphrase", err)
	}
	if err := k.CreateKey(context.Background(), "default"); !errors.Is(err, localkek.ErrPassphrase) {
		t.Errorf("changing it: %v, want ErrPassphrase", err)
	}
}

func TestChangedSealedFileDoesNotOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	k, err := localkek.CreateCheap(path, []byte(goldenPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.CreateKey(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	openBytes(t, b, []byte(goldenPassphrase))
	text := string(b)
	at := strings.Index(text, "sealed ") + len("sealed ")
	for name, changed := range map[string]string{
		"a byte of the body":   text[:at+40] + flip(text[at+40]) + text[at+41:],
		"more passes":          strings.Replace(text, "argon2id 1 ", "argon2id 2 ", 1),
		"a byte of the salt":   text[:at-20] + flip(text[at-20]) + text[at-19:],
		"the body cut":         text[:at+40] + "\n",
		"no body":              text[:at] + "\n",
		"no line break":        strings.TrimSuffix(text, "\n"),
		"a line more":          text + "end\n",
		"another word":         strings.Replace(text, "sealed ", "Sealed ", 1),
		"another kdf":          strings.Replace(text, "argon2id", "argon2i", 1),
		"no passes":            strings.Replace(text, "argon2id 1 ", "argon2id 0 ", 1),
		"a terabyte of memory": strings.Replace(text, " 8 ", " 1073741824 ", 1),
		"no memory":            strings.Replace(text, " 8 ", " 0 ", 1),
		"no lanes":             strings.Replace(text, " 8 1 ", " 8 0 ", 1),
		"too many lanes":       strings.Replace(text, " 8 1 ", " 8 260 ", 1),
		"a number with a zero": strings.Replace(text, "argon2id 1 ", "argon2id 01 ", 1),
		"a short salt":         text[:at-len("sealed ")-9] + "AA==\n" + text[at-len("sealed "):],
	} {
		if changed == text {
			t.Fatalf("%s: nothing was changed", name)
		}
		_, err := tryBytes(t, []byte(changed), []byte(goldenPassphrase))
		if !errors.Is(err, localkek.ErrPassphrase) && !errors.Is(err, localkek.ErrFile) {
			t.Errorf("%s: %v, want ErrPassphrase or ErrFile", name, err)
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

var secret32 = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

// clearFile returns a file in clear with the given body.
func clearFile(lines ...string) string {
	return "fieldvault-localkek/1\nkdf none\n" + strings.Join(lines, "\n") + "\n"
}

func malformedFiles() map[string]string {
	key, one, two := "key default 2 1 0 1", "version 1 "+secret32, "version 2 "+secret32
	good := clearFile(key, one, two, "end")
	return map[string]string{
		"nothing":                     "",
		"the first line":              "fieldvault-localkek/1\n",
		"no body":                     "fieldvault-localkek/1\nkdf none\n",
		"another version":             strings.Replace(good, "/1", "/2", 1),
		"another kdf":                 strings.Replace(good, "none", "None", 1),
		"a kdf and more":              strings.Replace(good, "none", "none 1", 1),
		"no end":                      clearFile(key, one, two),
		"no line break at the end":    strings.TrimSuffix(good, "\n"),
		"something after the end":     good + "key a 1 1 0 1\n",
		"a line break after the end":  good + "\n",
		"carriage returns":            strings.ReplaceAll(good, "\n", "\r\n"),
		"an empty line":               clearFile(key, one, "", two, "end"),
		"a NUL":                       strings.Replace(good, "default", "defa\x00ult", 1),
		"a name that is none":         strings.Replace(good, "default", "Default", 1),
		"no name":                     strings.Replace(good, "default ", " ", 1),
		"two spaces":                  strings.Replace(good, "default ", "default  ", 1),
		"a key twice":                 clearFile(key, one, two, key, one, two, "end"),
		"keys that are not in order":  clearFile("key b 1 1 0 1", one, "key a 1 1 0 1", one, "end"),
		"a version too few":           clearFile(key, one, "end"),
		"a version too many":          clearFile(key, one, two, "version 3 "+secret32, "end"),
		"versions not in order":       clearFile(key, two, one, "end"),
		"a version twice":             clearFile(key, one, one, "end"),
		"a version with a zero":       clearFile("key default 1 1 0 1", "version 01 "+secret32, "end"),
		"a version before its key":    clearFile(one, key, two, "end"),
		"latest 0":                    clearFile("key default 0 1 0 1", "end"),
		"latest below the minimum":    clearFile("key default 1 2 0 1", one, "end"),
		"minimum below the available": clearFile("key default 2 1 0 2", two, "end"),
		"available 0":                 clearFile("key default 1 1 0 0", "version 0 "+secret32, one, "end"),
		"wraps below the minimum":     clearFile("key default 2 2 1 1", one, two, "end"),
		"wraps beyond the latest":     clearFile("key default 2 1 3 1", one, two, "end"),
		"a sign":                      clearFile("key default +1 1 0 1", one, "end"),
		"a leading zero":              clearFile("key default 01 1 0 1", one, "end"),
		"a number too few":            clearFile("key default 1 1 0", one, "end"),
		"a number too many":           clearFile("key default 1 1 0 1 1", one, "end"),
		"a number beyond all":         clearFile("key default 99999999999999999999 1 0 1", one, "end"),
		"a hundred million versions":  clearFile("key default 100000000 1 0 1", one, "end"),
		"a short secret":              clearFile("key default 1 1 0 1", "version 1 AAAA", "end"),
		"a long secret":               clearFile("key default 1 1 0 1", "version 1 "+base64.StdEncoding.EncodeToString(make([]byte, 33)), "end"),
		"a secret that is not base64": clearFile("key default 1 1 0 1", "version 1 "+strings.Repeat("*", 44), "end"),
		"a secret without padding":    clearFile("key default 1 1 0 1", "version 1 "+strings.TrimRight(secret32, "="), "end"),
		"bits after the secret":       clearFile("key default 1 1 0 1", "version 1 "+secret32[:42]+"x=", "end"),
	}
}

func TestMalformedFiles(t *testing.T) {
	for name, text := range malformedFiles() {
		if _, err := tryBytes(t, []byte(text), nil); !errors.Is(err, localkek.ErrFile) {
			t.Errorf("%s: %v, want ErrFile", name, err)
		}
	}
	for name, text := range map[string]string{
		"no keys":  clearFile("end"),
		"one key":  clearFile("key default 1 1 0 1", "version 1 "+secret32, "end"),
		"two keys": clearFile("key a 1 1 1 1", "version 1 "+secret32, "key b 3 3 3 3", "version 3 "+secret32, "end"),
	} {
		if _, err := tryBytes(t, []byte(text), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorsHoldNoSecret: what is wrong with a file is said without quoting it.
func TestErrorsHoldNoSecret(t *testing.T) {
	for name, text := range malformedFiles() {
		_, err := tryBytes(t, []byte(text), nil)
		if got := fmt.Sprintf("%v %+v", err, err); strings.Contains(got, secret32[:10]) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// FuzzFileIsCanonical: a file in clear that is read is written back as it was.
func FuzzFileIsCanonical(f *testing.F) {
	for _, text := range malformedFiles() {
		f.Add([]byte(text))
	}
	f.Add([]byte(clearFile("end")))
	f.Add([]byte(clearFile("key a 1 1 1 1", "version 1 "+secret32, "key b 3 3 3 3", "version 3 "+secret32, "end")))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := localkek.Reformat(b)
		if err != nil {
			return
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%q is written back as %q", b, again)
		}
	})
}

// FuzzWrappedIsCanonical: a wrapped key that is read is written back as it was.
func FuzzWrappedIsCanonical(f *testing.F) {
	for _, s := range malformed() {
		f.Add(s)
	}
	f.Add("local:v1:" + long)
	f.Fuzz(func(t *testing.T, s string) {
		if again, ok := localkek.ReformatWrapped(s); ok && again != s {
			t.Fatalf("%q is written back as %q", s, again)
		}
	})
}

// FuzzHeaderIsCanonical: a header that is read is written back as it was, and
// asks for no more memory than is accepted.
func FuzzHeaderIsCanonical(f *testing.F) {
	f.Add("fieldvault-localkek/1\nkdf argon2id 3 65536 4 AAAAAAAAAAAAAAAAAAAAAA==\n")
	f.Add("fieldvault-localkek/1\nkdf none\n")
	f.Fuzz(func(t *testing.T, s string) {
		if again, ok := localkek.ReformatHeader(s); ok && again != s {
			t.Fatalf("%q is written back as %q", s, again)
		}
	})
}
