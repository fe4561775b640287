package field_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

func TestKeysRefuseOtherLengths(t *testing.T) {
	for _, k := range []secret.Bytes{{}, secret.FromString(""), secret.New(make([]byte, 31)), secret.New(make([]byte, 33))} {
		if got, err := field.NewIndexKey(k); !errors.Is(err, field.ErrFormat) || got != nil {
			t.Errorf("an index key of %d bytes: %v, want ErrFormat", k.Len(), err)
		}
		if got, err := field.NewMACKey(k); !errors.Is(err, field.ErrFormat) || got != nil {
			t.Errorf("a MAC key of %d bytes: %v, want ErrFormat", k.Len(), err)
		}
		if got, err := field.NewBoxKey(k); !errors.Is(err, field.ErrFormat) || got != nil {
			t.Errorf("a box key of %d bytes: %v, want ErrFormat", k.Len(), err)
		}
	}
}

// TestKeysKeepACopy wipes what they were made from.
func TestKeysKeepACopy(t *testing.T) {
	raw := key32(1)
	index, mac, box := indexKey(t, raw), macKey(t, raw), boxKey(t, raw)
	raw.Wipe()
	if !bytes.Equal(index.Index(secret.FromString("v"), 64), indexKey(t, key32(1)).Index(secret.FromString("v"), 64)) {
		t.Error("an index key shares memory with what it was made from")
	}
	if mac.Sum("l") != macKey(t, key32(1)).Sum("l") {
		t.Error("a MAC key shares memory with what it was made from")
	}
	sealed, err := box.Seal("l", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := boxKey(t, key32(1)).Open("l", sealed); err != nil {
		t.Error("a box key shares memory with what it was made from")
	}
}

func indexKey(tb testing.TB, k secret.Bytes) *field.IndexKey {
	tb.Helper()
	key, err := field.NewIndexKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func macKey(tb testing.TB, k secret.Bytes) *field.MACKey {
	tb.Helper()
	key, err := field.NewMACKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func boxKey(tb testing.TB, k secret.Bytes) *field.BoxKey {
	tb.Helper()
	key, err := field.NewBoxKey(k)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// TestIndexBits: an index value of fewer bits is the beginning of one of more,
// and its unused bits are zero.
func TestIndexBits(t *testing.T) {
	k := indexKey(t, key32(7))
	value := secret.FromString("luisg@embraer.com.br")
	whole := k.Index(value, 256)
	for bits := 8; bits <= 256; bits++ {
		got := k.Index(value, bits)
		want := slices.Clone(whole[:(bits+7)/8])
		for b := bits; b < 8*len(want); b++ {
			want[b/8] &^= 0x80 >> (b % 8)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bits: %x, want %x", bits, got, want)
		}
	}
	for _, bits := range []int{-1, 0, 7, 257, 1 << 30} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bits are accepted", bits)
				}
			}()
			k.Index(value, bits)
		}()
	}
}

func TestIndexDependsOnKeyAndValue(t *testing.T) {
	seen := map[string]bool{}
	for key := range byte(4) {
		k := indexKey(t, key32(key))
		for _, v := range []string{"", "a", "b", "A", "aa"} {
			index := string(k.Index(secret.FromString(v), 64))
			if seen[index] {
				t.Errorf("key %d and %q have the index value of another key or value", key, v)
			}
			seen[index] = true
			if index != string(k.Index(secret.FromString(v), 64)) {
				t.Errorf("the index value of %q changes", v)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	k := macKey(t, key32(1))
	parts := [][]byte{[]byte("tenant"), {}, []byte("granted")}
	sum := k.Sum("consent/1", parts...)
	if !k.Verify(sum[:], "consent/1", parts...) {
		t.Error("a MAC does not verify")
	}
	for i := range sum {
		for bit := range 8 {
			changed := sum
			changed[i] ^= 1 << bit
			if k.Verify(changed[:], "consent/1", parts...) {
				t.Errorf("verifies with bit %d of byte %d flipped", bit, i)
			}
		}
		if k.Verify(sum[:i], "consent/1", parts...) {
			t.Errorf("verifies when cut to %d bytes", i)
		}
	}
	for name, ok := range map[string]bool{
		"no MAC":               k.Verify(nil, "consent/1", parts...),
		"a longer MAC":         k.Verify(append(sum[:], 0), "consent/1", parts...),
		"another label":        k.Verify(sum[:], "consent/2", parts...),
		"a label cut":          k.Verify(sum[:], "consent/", parts...),
		"another key":          macKey(t, key32(2)).Verify(sum[:], "consent/1", parts...),
		"a part less":          k.Verify(sum[:], "consent/1", parts[:2]...),
		"a part more":          k.Verify(sum[:], "consent/1", append(parts, nil)...),
		"parts in other order": k.Verify(sum[:], "consent/1", parts[2], parts[1], parts[0]),
		"parts joined":         k.Verify(sum[:], "consent/1", []byte("tenantgranted")),
	} {
		if ok {
			t.Errorf("verifies with %s", name)
		}
	}
}

// TestShort: a short MAC is the beginning of the whole one, and nothing else verifies.
func TestShort(t *testing.T) {
	k := macKey(t, key32(1))
	parts := [][]byte{[]byte("tenant"), {}, []byte("granted")}
	sum, short := k.Sum("record", parts...), k.Short("record", parts...)
	if len(short) < 16 || !bytes.Equal(short[:], sum[:len(short)]) {
		t.Errorf("a short MAC is %x, the whole one %x", short, sum)
	}
	if !k.VerifyShort(short[:], "record", parts...) {
		t.Error("a short MAC does not verify")
	}
	for i := range short {
		for bit := range 8 {
			changed := short
			changed[i] ^= 1 << bit
			if k.VerifyShort(changed[:], "record", parts...) {
				t.Errorf("verifies with bit %d of byte %d flipped", bit, i)
			}
		}
		if k.VerifyShort(short[:i], "record", parts...) {
			t.Errorf("verifies when cut to %d bytes", i)
		}
	}
	for name, ok := range map[string]bool{
		"no MAC":                  k.VerifyShort(nil, "record", parts...),
		"a byte more":             k.VerifyShort(sum[:len(short)+1], "record", parts...),
		"the whole MAC":           k.VerifyShort(sum[:], "record", parts...),
		"a short one for a whole": k.Verify(short[:], "record", parts...),
		"another label":           k.VerifyShort(short[:], "records", parts...),
		"another key":             macKey(t, key32(2)).VerifyShort(short[:], "record", parts...),
		"a part less":             k.VerifyShort(short[:], "record", parts[:2]...),
		"parts joined":            k.VerifyShort(short[:], "record", []byte("tenantgranted")),
	} {
		if ok {
			t.Errorf("verifies with %s", name)
		}
	}
}

// TestMACsOfDifferentPartsDiffer shifts bytes across the borders of parts.
func TestMACsOfDifferentPartsDiffer(t *testing.T) {
	k := macKey(t, key32(1))
	part := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 'a'}), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(part, 0, 3).Draw(t, "a")
		b := rapid.SliceOfN(part, 0, 3).Draw(t, "b")
		same := slices.EqualFunc(a, b, bytes.Equal)
		if got := k.Sum("l", a...) == k.Sum("l", b...); got != same {
			t.Fatalf("equal MACs: %t, equal parts: %t", got, same)
		}
	})
}

func TestBox(t *testing.T) {
	k := boxKey(t, key32(1))
	for _, content := range [][]byte{nil, []byte("a"), make([]byte, field.MaxValue)} {
		box, err := k.Seal("cursor/1", content)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Open("cursor/1", box)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("a box of %d bytes does not open as itself: %v", len(content), err)
		}
		again, err := k.Seal("cursor/1", content)
		if err != nil || bytes.Equal(box[:24], again[:24]) {
			t.Errorf("sealing twice takes the same nonce, or fails: %v", err)
		}
	}
	if _, err := k.Seal("cursor/1", make([]byte, field.MaxValue+1)); !errors.Is(err, field.ErrTooLarge) {
		t.Errorf("a content that is too large: %v, want ErrTooLarge", err)
	}
}

func TestChangedBoxesFailAlike(t *testing.T) {
	k := boxKey(t, key32(1))
	box, err := k.Seal("cursor/1", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, k *field.BoxKey, label string, box []byte) {
		t.Helper()
		if got, err := k.Open(label, box); err != field.ErrOpen || got != nil { //nolint:errorlint // the very same error
			t.Errorf("%s: %v, want ErrOpen itself", what, err)
		}
	}
	for i := range box {
		changed := slices.Clone(box)
		changed[i] ^= 1
		check("a byte changed", k, "cursor/1", changed)
		check("cut", k, "cursor/1", box[:i])
	}
	check("extended", k, "cursor/1", append(slices.Clone(box), 0))
	check("too large", k, "cursor/1", make([]byte, field.MaxValue+41))
	check("another label", k, "cursor/2", box)
	check("no label", k, "", box)
	check("another key", boxKey(t, key32(2)), "cursor/1", box)
}

// TestHashesAreConcurrent shares keys among goroutines; the race detector looks
// on.
func TestHashesAreConcurrent(t *testing.T) {
	index, mac := indexKey(t, key32(1)), macKey(t, key32(2))
	wantIndex, wantMAC := index.Index(secret.FromString("v"), 64), mac.Sum("l", []byte("v"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if !bytes.Equal(index.Index(secret.FromString("v"), 64), wantIndex) || mac.Sum("l", []byte("v")) != wantMAC {
					t.Error("another result among many")
					return
				}
			}
		})
	}
	wg.Wait()
}
