package keyring_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// goldenCompact is goldenKeyset in the compact form.
const goldenCompact = "01" + "01020304" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// other is a further key, as it stands in the compact form.
const other = "0a0b0c0d" + "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f"

// TestCompactForm opens what either form of a keyset sealed with the other.
func TestCompactForm(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := cryptotest.RingOn(t, kek)
	open := func(n int, form string) *field.Key {
		t.Helper()
		k, err := openOne(r, wrapRaw(t, kek, id(n), unhex(t, form)))
		if err != nil {
			t.Fatalf("%s does not open: %v", form, err)
		}
		return k
	}
	long, short := open(0, goldenKeyset), open(1, goldenCompact)
	if !works(long, short) || !works(short, long) {
		t.Error("the two forms are not the same key")
	}
	two := open(2, goldenCompact+other)
	if !works(two, short) || !works(short, two) {
		t.Error("the first of two is not the primary")
	}
	swapped := open(3, "01"+other+goldenCompact[2:])
	if !works(short, swapped) || works(swapped, short) {
		t.Error("of two that are swapped, the second opens not, or is the primary")
	}
}

// TestOldFormIsRotated: what was written in Tink's form opens after it is rotated, and
// the form it is in then is short.
func TestOldFormIsRotated(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := cryptotest.RingOn(t, kek)
	old := wrapRaw(t, kek, id(0), unhex(t, goldenKeyset))
	first, err := openOne(r, old)
	if err != nil {
		t.Fatal(err)
	}
	rotated, next, err := r.Rotate(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openOne(r, next)
	if err != nil || !works(first, rotated) || !works(first, again) || works(rotated, first) {
		t.Errorf("after a rotation: %v", err)
	}
	if more := len(next.Wrapped.Bytes) - len(old.Wrapped.Bytes); more > 0 {
		t.Errorf("two keys take %d bytes more than one did", more)
	}
}

func TestBrokenCompactForms(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := cryptotest.RingOn(t, kek)
	good := unhex(t, goldenCompact)
	for name, plain := range map[string][]byte{
		"no form":      {0},
		"no key":       {1},
		"cut":          good[:len(good)-1],
		"longer":       append(bytes.Clone(good), 0),
		"another form": append([]byte{2}, good[1:]...),
		"twice one id": append(bytes.Clone(good), good[1:]...),
	} {
		if _, err := openOne(r, wrapRaw(t, kek, id(0), plain)); !errors.Is(err, keyring.ErrUnwrap) {
			t.Errorf("%s: %v, want ErrUnwrap", name, err)
		}
	}
}

// FuzzCompact: bytes that are no keyset are refused; what opens
// works.
func FuzzCompact(f *testing.F) {
	kek := cryptotest.NewKEK(f)
	r := cryptotest.RingOn(f, kek)
	f.Add([]byte{1})
	for _, s := range []string{goldenCompact, goldenCompact + other, goldenKeyset} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		if len(plain) == 0 || len(plain) > 1000 {
			return
		}
		sealed := wrapRaw(t, kek, id(0), plain)
		k, err := openOne(r, sealed)
		if err != nil {
			if !errors.Is(err, keyring.ErrUnwrap) {
				t.Fatalf("%v, want ErrUnwrap", err)
			}
			return
		}
		if !works(k, k) {
			t.Error("it opens, and does not work")
		}
	})
}
