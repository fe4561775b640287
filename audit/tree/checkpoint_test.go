package tree_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/fieldvault/fieldvault/audit/tree"
)

func checkpoint() tree.Checkpoint {
	return tree.Checkpoint{Origin: origin, Size: 1234, Root: tree.LeafHash([]byte("root"))}
}

func sign(t testing.TB, c tree.Checkpoint) []byte {
	t.Helper()
	b, err := c.Sign(public(key(1)), signing(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signText signs any text as a checkpoint's is signed.
func signText(t testing.TB, name, text string) []byte {
	t.Helper()
	vkey, err := note.NewEd25519VerifierKey(name, public(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: text}, noteSigner{v})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type noteSigner struct{ note.Verifier }

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(key(1), msg), nil }

func TestCheckpointsRoundTrip(t *testing.T) {
	for _, c := range []tree.Checkpoint{checkpoint(), {Origin: "a", Size: 0}, {Origin: "ä/b_c.d-e", Size: 1 << 60, Root: tree.Hash{255}}} {
		signed := sign(t, c)
		got, err := tree.OpenCheckpoint(signed, c.Origin, public(key(1)))
		if err != nil || got != c {
			t.Errorf("%+v came back as %+v, %v", c, got, err)
		}
		if got, err := tree.ReadCheckpoint(signed); err != nil || got != c {
			t.Errorf("%+v reads as %+v, %v", c, got, err)
		}
		if again := signText(t, c.Origin, string(signed[:bytes.Index(signed, []byte("\n\n"))+1])); !bytes.Equal(again, signed) {
			t.Errorf("%q is signed otherwise by sumdb/note: %q", signed, again)
		}
	}
}

func TestVerifierKeyIsANotes(t *testing.T) {
	want, err := note.NewEd25519VerifierKey(origin, public(key(1)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tree.VerifierKey(origin, public(key(1))); err != nil || got != want {
		t.Errorf("%q, want %q, %v", got, want, err)
	}
}

// badTexts are texts that are no checkpoint, however well they are signed.
func badTexts() map[string]string {
	root := tree.LeafHash(nil).String()
	return map[string]string{
		"empty line":         "\n",
		"one line":           origin + "\n",
		"two lines":          origin + "\n1\n",
		"an extension":       origin + "\n1\n" + root + "\nmore\n",
		"an empty extension": origin + "\n1\n" + root + "\n\n",
		"no origin":          "\n1\n" + root + "\n",
		"origin with space":  "a b\n1\n" + root + "\n",
		"origin with plus":   "a+b\n1\n" + root + "\n",
		"no size":            origin + "\n\n" + root + "\n",
		"negative":           origin + "\n-1\n" + root + "\n",
		"a sign":             origin + "\n+1\n" + root + "\n",
		"leading zero":       origin + "\n01\n" + root + "\n",
		"hexadecimal":        origin + "\n0x1\n" + root + "\n",
		"underscore":         origin + "\n1_0\n" + root + "\n",
		"fraction":           origin + "\n1.0\n" + root + "\n",
		"space":              origin + "\n 1\n" + root + "\n",
		"too large":          origin + "\n1152921504606846977\n" + root + "\n",
		"overflow":           origin + "\n18446744073709551617\n" + root + "\n",
		"no root":            origin + "\n1\n\n",
		"short root":         origin + "\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n",
		"long root":          origin + "\n1\n" + base64.StdEncoding.EncodeToString(make([]byte, 33)) + "\n",
		"unpadded":           origin + "\n1\n" + strings.TrimRight(root, "=") + "\n",
		"spare bits":         origin + "\n1\n" + strings.Repeat("A", 42) + "B=\n",
		"url alphabet":       origin + "\n1\n" + strings.Repeat("_", 42) + "8=\n",
		"hexadecimal root":   origin + "\n1\n" + strings.Repeat("00", 32) + "\n",
		"another origin":     origin + "x\n1\n" + root + "\n",
	}
}

func TestOpenCheckpointRefusesSignedTexts(t *testing.T) {
	for name, text := range badTexts() {
		signed := signText(t, origin, text)
		if c, err := tree.OpenCheckpoint(signed, origin, public(key(1))); !errors.Is(err, tree.ErrFormat) || c != (tree.Checkpoint{}) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if c, err := tree.ReadCheckpoint(signed); name != "another origin" && (!errors.Is(err, tree.ErrFormat) || c != (tree.Checkpoint{})) {
			t.Errorf("%s: reads as %+v, %v", name, c, err)
		}
	}
}

func TestOpenCheckpointRefusesOtherSigners(t *testing.T) {
	c := checkpoint()
	signed := sign(t, c)
	if _, err := tree.OpenCheckpoint(signed, origin, public(key(2))); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := tree.OpenCheckpoint(signed, origin+"/x", public(key(1))); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another origin: %v", err)
	}
	text, line, _ := strings.Cut(string(signed), "\n\n")
	other := signText(t, "other", text+"\n")
	if _, err := tree.OpenCheckpoint(other, origin, public(key(1))); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("the key under another name: %v", err)
	}
	larger := strings.Replace(string(signed), "\n1234\n", "\n1235\n", 1)
	if _, err := tree.OpenCheckpoint([]byte(larger), origin, public(key(1))); !errors.Is(err, tree.ErrSignature) {
		t.Errorf("another size: %v", err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "no signature": text + "\n", "no signature line": text + "\n\n", "no line end": strings.TrimSuffix(string(signed), "\n"),
		"carriage returns": strings.ReplaceAll(string(signed), "\n", "\r\n"), "a line of another kind": string(signed) + "x\n",
		"not UTF-8": string(signed[:3]) + "\xff" + string(signed[3:]), "hyphen": text + "\n\n" + strings.Replace(line, "—", "-", 1),
		"too long": string(signed) + strings.Repeat(line, 1000),
	} {
		if _, err := tree.OpenCheckpoint([]byte(bad), origin, public(key(1))); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := tree.ReadCheckpoint([]byte(bad)); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("%s reads: %v", name, err)
		}
	}
}

// TestAnyFlippedBitIsFound: no bit of a signed checkpoint can change.
func TestAnyFlippedBitIsFound(t *testing.T) {
	signed := sign(t, checkpoint())
	for i := range len(signed) * 8 {
		bad := bytes.Clone(signed)
		bad[i/8] ^= 1 << (i % 8)
		if c, err := tree.OpenCheckpoint(bad, origin, public(key(1))); err == nil {
			t.Errorf("bit %d of %q may change: %+v", i, signed, c)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	good := checkpoint()
	for _, name := range []string{"", " ", "a b", "a+b", "a\nb", "a\tb", "a\x01b", "a\u00a0b", "\xff"} {
		c := good
		c.Origin = name
		if _, err := c.Sign(public(key(1)), signing(key(1))); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("origin %q: %v", name, err)
		}
		if _, err := tree.VerifierKey(name, public(key(1))); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("key name %q: %v", name, err)
		}
		if _, err := tree.OpenCheckpoint(sign(t, good), name, public(key(1))); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("opening for %q: %v", name, err)
		}
	}
	for _, size := range []int64{-1, 1<<60 + 1} {
		c := good
		c.Size = size
		if _, err := c.Sign(public(key(1)), signing(key(1))); !errors.Is(err, tree.ErrSize) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := good.Sign(make(ed25519.PublicKey, n), signing(key(1))); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("key of %d bytes: %v", n, err)
		}
		if _, err := tree.OpenCheckpoint(sign(t, good), origin, make(ed25519.PublicKey, n)); !errors.Is(err, tree.ErrFormat) {
			t.Errorf("opening with a key of %d bytes: %v", n, err)
		}
	}
	for name, f := range map[string]func([]byte) []byte{
		"another key":  signing(key(2)),
		"no signature": func([]byte) []byte { return nil },
	} {
		if b, err := good.Sign(public(key(1)), f); !errors.Is(err, tree.ErrSignature) || b != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}
