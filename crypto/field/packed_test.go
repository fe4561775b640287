package field_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// ciphertext returns bytes that are as long as the ciphertext of n bytes.
func ciphertext(n int) []byte { return bytes.Repeat([]byte{0xc7}, n+field.Overhead) }

func packed(tb testing.TB, fields ...field.Sealed) []byte {
	tb.Helper()
	b, err := field.AppendPacked(nil, fields)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func sealedField(id uint32) field.Sealed {
	return field.Sealed{Field: id, Group: 2, Epoch: 1, Revision: 7, At: 1_750_000_000, Ciphertext: ciphertext(4)}
}

func drawFields(t *rapid.T) []field.Sealed {
	ids := rapid.SliceOfNDistinct(rapid.Uint32Min(1), 0, 20, rapid.ID[uint32]).Draw(t, "ids")
	slices.Sort(ids)
	fields := make([]field.Sealed, len(ids))
	for i, id := range ids {
		fields[i] = field.Sealed{
			Field: id, Group: rapid.Uint32Min(1).Draw(t, "group"), Epoch: rapid.Uint32().Draw(t, "epoch"),
			Revision: rapid.Uint64().Draw(t, "revision"), At: rapid.Int64Range(0, 1<<40-1).Draw(t, "at"),
			Ciphertext: ciphertext(rapid.IntRange(0, 300).Draw(t, "length")),
		}
	}
	return fields
}

func TestPackedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawFields(t)
		prefix := []byte("prefix")
		b, err := field.AppendPacked(prefix, want)
		if err != nil || !bytes.HasPrefix(b, prefix) {
			t.Fatalf("packing: %v", err)
		}
		got, err := field.ParsePacked(b[len(prefix):], nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); len(want) > 0 && diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// TestPackedIsCutNowhere: no prefix of a packed record parses, and nothing may
// follow it.
func TestPackedIsCutNowhere(t *testing.T) {
	b := packed(t, sealedField(1), sealedField(2), sealedField(300))
	for i := range b {
		if _, err := field.ParsePacked(b[:i], nil); !errors.Is(err, field.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: %v, want ErrFormat", i, len(b), err)
		}
	}
	if _, err := field.ParsePacked(append(b, 0), nil); !errors.Is(err, field.ErrFormat) {
		t.Errorf("with a byte behind: %v, want ErrFormat", err)
	}
}

func TestAppendPackedRefuses(t *testing.T) {
	change := func(f func(*field.Sealed)) field.Sealed {
		s := sealedField(5)
		f(&s)
		return s
	}
	many := make([]field.Sealed, 4097)
	for i := range many {
		many[i] = sealedField(uint32(i + 1))
	}
	for name, fields := range map[string][]field.Sealed{
		"field 0":                      {change(func(s *field.Sealed) { s.Field = 0 })},
		"group 0":                      {change(func(s *field.Sealed) { s.Group = 0 })},
		"a time before 1970":           {change(func(s *field.Sealed) { s.At = -1 })},
		"a time after the last":        {change(func(s *field.Sealed) { s.At = 1 << 40 })},
		"no ciphertext":                {change(func(s *field.Sealed) { s.Ciphertext = nil })},
		"a ciphertext that is short":   {change(func(s *field.Sealed) { s.Ciphertext = ciphertext(-1) })},
		"a ciphertext that is long":    {change(func(s *field.Sealed) { s.Ciphertext = ciphertext(field.MaxValue + 1) })},
		"a field twice":                {sealedField(5), sealedField(5)},
		"fields that are not in order": {sealedField(5), sealedField(4)},
		"too many fields":              many,
	} {
		dst := []byte("before")
		b, err := field.AppendPacked(dst, fields)
		if !errors.Is(err, field.ErrFormat) || string(b) != "before" {
			t.Errorf("%s: %q, %v, want ErrFormat and dst as it was", name, b, err)
		}
	}
	if _, err := field.ParsePacked(packed(t, many[:4096]...), nil); err != nil {
		t.Errorf("as many fields as there may be: %v", err)
	}
}

func TestParsePackedRefuses(t *testing.T) {
	ct := ciphertext(0)
	// one is a record of one field: id, group, epoch, revision, time, length.
	one := func(header ...byte) []byte { return slices.Concat([]byte{1, 1}, header, ct) }
	maxVarint := binary.AppendUvarint(nil, 1<<64-1)
	for name, bad := range map[string][]byte{
		"nothing":                          nil,
		"the version alone":                {1},
		"version 0":                        {0, 0},
		"another version":                  {2, 0},
		"a count without fields":           {1, 1},
		"no count of fields, yet fields":   slices.Concat([]byte{1, 0}, one(1, 2, 0, 1, 0, 0)[2:]),
		"a count that is not the shortest": {1, 0x80, 0},
		"too large a count":                slices.Concat([]byte{1}, binary.AppendUvarint(nil, 4097)),
		"a count of 2^64-1":                slices.Concat([]byte{1}, maxVarint),
		"field 0":                          one(0, 2, 0, 1, 0, 0),
		"group 0":                          one(1, 0, 0, 1, 0, 0),
		"an id that is not the shortest":   one(0x81, 0, 2, 0, 1, 0, 0),
		"an id beyond 32 bits":             one(0x80, 0x80, 0x80, 0x80, 0x10, 2, 0, 1, 0, 0),
		"a group beyond 32 bits":           one(1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 1, 0, 0),
		"an epoch beyond 32 bits":          one(1, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 0, 0),
		"a revision beyond 64 bits":        slices.Concat([]byte{1, 1, 1, 2, 0}, slices.Repeat([]byte{0xff}, 9), []byte{2, 0, 0}, ct),
		"a time before 1970":               one(1, 2, 0, 1, 1, 0),
		"a length beyond the end":          one(1, 2, 0, 1, 0, 1),
		"a length of 2^64-1":               slices.Concat([]byte{1, 1, 1, 2, 0, 1, 0}, maxVarint, ct),
		"a length of 2^64-33":              slices.Concat([]byte{1, 1, 1, 2, 0, 1, 0}, binary.AppendUvarint(nil, 1<<64-33), ct),
		"a value beyond the largest": slices.Concat([]byte{1, 1, 1, 2, 0, 1, 0}, binary.AppendUvarint(nil, field.MaxValue+1),
			ciphertext(field.MaxValue+1)),
		"an id that overflows": slices.Concat([]byte{1, 2, 1, 2, 0, 1, 0, 0}, ct,
			binary.AppendUvarint(nil, 1<<32-1), []byte{2, 0, 1, 0, 0}, ct),
		"an id that overflows 64 bits": slices.Concat([]byte{1, 2, 2, 2, 0, 1, 0, 0}, ct, maxVarint, []byte{2, 0, 1, 0, 0}, ct),
		"a field twice":                slices.Concat([]byte{1, 2, 1, 2, 0, 1, 0, 0}, ct, []byte{0, 2, 0, 1, 0, 0}, ct),
		"a time that goes before 1970": slices.Concat([]byte{1, 2, 1, 2, 0, 1, 2, 0}, ct, []byte{1, 2, 0, 1, 3, 0}, ct),
	} {
		if got, err := field.ParsePacked(bad, nil); !errors.Is(err, field.ErrFormat) || got != nil {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	good := one(1, 2, 0, 1, 0, 0)
	if _, err := field.ParsePacked(good, nil); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestParsePackedAllocates shows that parsing into a slice that is long enough
// allocates nothing, and that a forged count does not either.
func TestParsePackedAllocates(t *testing.T) {
	b := packed(t, sealedField(1), sealedField(2), sealedField(300))
	dst := make([]field.Sealed, 0, 3)
	if n := testing.AllocsPerRun(100, func() {
		if got, err := field.ParsePacked(b, dst); err != nil || len(got) != 3 {
			t.Fatal("does not parse")
		}
	}); n != 0 {
		t.Errorf("parsing allocates %v times", n)
	}
	got, err := field.ParsePacked(b, dst)
	if err != nil || &got[0].Ciphertext[0] != &b[bytes.IndexByte(b, 0xc7)] {
		t.Error("the ciphertexts do not alias the record")
	}
	if grown := append(got[0].Ciphertext, 0); &grown[0] == &got[0].Ciphertext[0] {
		t.Error("appending to a ciphertext overwrites the next field")
	}
}

// TestPackedSize pins what a field costs on disk beside its ciphertext, which is
// 33 bytes longer than the value: at most six bytes after the first field.
func TestPackedSize(t *testing.T) {
	var fields []field.Sealed
	for id := range uint32(10) {
		fields = append(fields, field.Sealed{Field: id + 1, Group: 2, Epoch: 1, Revision: 3, At: 1_750_000_000, Ciphertext: ciphertext(64)})
	}
	if n := len(packed(t, fields...)); n > 2+4+10*(6+field.Overhead+64) {
		t.Errorf("ten fields of 64 bytes take %d bytes", n)
	}
}

// FuzzParsePackedIsCanonical: what parses packs to the same bytes.
func FuzzParsePackedIsCanonical(f *testing.F) {
	f.Add([]byte{1, 0})
	f.Add(packed(f, sealedField(1)))
	f.Add(packed(f, sealedField(1), sealedField(2), sealedField(70000)))
	f.Add([]byte{1, 1, 1, 2, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		fields, err := field.ParsePacked(b, nil)
		if err != nil {
			if !errors.Is(err, field.ErrFormat) || fields != nil {
				t.Fatalf("an error that is not ErrFormat, or fields beside it: %v", err)
			}
			return
		}
		again, err := field.AppendPacked(nil, fields)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x packs as %x, %v", b, again, err)
		}
	})
}
