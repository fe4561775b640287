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

// bodyOverhead is by how much a body is longer than its value: nonce and tag.
const bodyOverhead = 12 + 16

// ciphertext returns what is as long as the ciphertext of n bytes.
func ciphertext(n int) field.Ciphertext {
	return field.Ciphertext{KeyID: 0x0a0b0c0d, Body: bytes.Repeat([]byte{0xc7}, n+bodyOverhead)}
}

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

// usualRecord is ten fields of so many bytes of two key groups, sealed in one write.
func usualRecord(size int) (fields []field.Sealed) {
	for id := range uint32(10) {
		f := field.Sealed{Field: id + 1, Group: 2 + id%2, Epoch: 1, Revision: 3, At: 1_750_000_000, Ciphertext: ciphertext(size)}
		f.Ciphertext.KeyID += f.Group
		fields = append(fields, f)
	}
	return fields
}

// drawFields draws the fields of a record. Some have all in common but id and
// body, some all but one part more.
func drawFields(t *rapid.T) []field.Sealed {
	some := make([]field.Sealed, 0, 4)
	for i := range cap(some) {
		s := field.Sealed{
			Group: rapid.Uint32Min(1).Draw(t, "group"), Epoch: rapid.Uint32().Draw(t, "epoch"),
			Revision: rapid.Uint64().Draw(t, "revision"), At: rapid.Int64Range(0, 1<<40-1).Draw(t, "at"),
			Ciphertext: field.Ciphertext{KeyID: rapid.Uint32().Draw(t, "key id")},
		}
		if i > 0 {
			like := some[rapid.IntRange(0, i-1).Draw(t, "like")]
			switch rapid.IntRange(0, 5).Draw(t, "part") {
			case 0:
				like.Group = s.Group
			case 1:
				like.Epoch = s.Epoch
			case 2:
				like.Revision = s.Revision
			case 3:
				like.At = s.At
			case 4:
				like.Ciphertext = s.Ciphertext
			default:
				like = s
			}
			s = like
		}
		some = append(some, s)
	}
	ids := rapid.SliceOfNDistinct(rapid.Uint32Min(1), 0, 20, rapid.ID[uint32]).Draw(t, "ids")
	slices.Sort(ids)
	fields := make([]field.Sealed, len(ids))
	for i, id := range ids {
		fields[i] = rapid.SampledFrom(some).Draw(t, "sealing")
		fields[i].Field = id
		fields[i].Ciphertext.Body = bytes.Repeat([]byte{byte(i)}, bodyOverhead+rapid.IntRange(0, 300).Draw(t, "length"))
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
		dst := make([]field.Sealed, rapid.IntRange(0, 50).Draw(t, "room"))
		for i := range dst {
			dst[i] = sealedField(uint32(i + 1)) // what stood there before does not matter
		}
		got, err := field.ParsePacked(b[len(prefix):], dst)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); len(want) > 0 && diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

// TestPackedChangesParseAsThemselves: a record with a byte changed is refused, or
// is the one form of other fields.
func TestPackedChangesParseAsThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := drawFields(t)
		b, err := field.AppendPacked(nil, fields)
		if err != nil {
			t.Fatal(err)
		}
		b[rapid.IntRange(0, min(60, len(b)-1)).Draw(t, "at")] = rapid.Byte().Draw(t, "byte") // mostly in the sealings
		isCanonical(t, b)
	})
}

func isCanonical(t interface{ Fatalf(string, ...any) }, b []byte) {
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
}

// TestPackedIsCutNowhere: no prefix of a packed record parses, and nothing may
// follow it.
func TestPackedIsCutNowhere(t *testing.T) {
	other := sealedField(2)
	other.Group++
	b := packed(t, sealedField(1), other, sealedField(300))
	for i := range b {
		if _, err := field.ParsePacked(b[:i:i], nil); !errors.Is(err, field.ErrFormat) {
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
	many := manyFields(4097)
	for name, fields := range map[string][]field.Sealed{
		"field 0":                      {change(func(s *field.Sealed) { s.Field = 0 })},
		"group 0":                      {change(func(s *field.Sealed) { s.Group = 0 })},
		"a time before 1970":           {change(func(s *field.Sealed) { s.At = -1 })},
		"the earliest time":            {sealedField(4), change(func(s *field.Sealed) { s.At = -1 << 63 })},
		"a time after the last":        {change(func(s *field.Sealed) { s.At = 1 << 40 })},
		"no ciphertext":                {change(func(s *field.Sealed) { s.Ciphertext.Body = nil })},
		"a ciphertext that is short":   {change(func(s *field.Sealed) { s.Ciphertext = ciphertext(-1) })},
		"a ciphertext that is long":    {change(func(s *field.Sealed) { s.Ciphertext = ciphertext(field.MaxValue + 1) })},
		"a ciphertext not of Tink":     {change(func(s *field.Sealed) { s.Ciphertext = field.Split(make([]byte, 50)) })},
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
}

// manyFields is so many fields, each sealed at a time and revision of its own, the
// times in no order.
func manyFields(n int) []field.Sealed {
	many := make([]field.Sealed, n)
	for i := range many {
		at := i * 2731 % n // a prime that divides no n used here
		many[i] = sealedField(uint32(i + 1))
		many[i].At += int64(at)
		many[i].Revision = uint64(at)
	}
	return many
}

// TestPackedHoldsAsManyAsThereMayBe: the most fields, with nothing in common.
func TestPackedHoldsAsManyAsThereMayBe(t *testing.T) {
	want := manyFields(4096)
	got, err := field.ParsePacked(packed(t, want...), nil)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// record is a packed record of one byte for each count, of sealings and of fields.
func record(fields, sealings byte, parts ...[]byte) []byte {
	return append([]byte{2, fields, sealings}, slices.Concat(parts...)...)
}

func TestParsePackedRefuses(t *testing.T) {
	ct := bytes.Repeat([]byte{0xc7}, bodyOverhead)
	key := []byte{0, 0, 0, 9}
	maxVarint := binary.AppendUvarint(nil, 1<<64-1)
	beyond32 := []byte{0x80, 0x80, 0x80, 0x80, 0x10}
	uvarint := func(n uint64) []byte { return binary.AppendUvarint(nil, n) }
	// sealing is time, group, epoch and revision, and a key id.
	sealing := func(parts ...byte) []byte { return slices.Concat(parts, key) }
	// empty is a field without a value: number and sealing.
	empty := func(head ...byte) []byte { return slices.Concat(head, []byte{0}, ct) }
	s, later := sealing(5, 2, 0, 1), sealing(1, 2, 0, 1)
	// of is a record of one field with this sealing, and with its parts in bytes.
	of := func(parts ...[]byte) []byte {
		return record(1, 1, slices.Concat(parts...), key, empty(0))
	}
	// pair is a record of two fields with these two sealings.
	pair := func(a, b []byte) []byte { return record(2, 2, a, b, empty(0), empty(1)) }
	for name, good := range map[string][]byte{
		"no field":                          record(0, 0),
		"one field":                         record(1, 1, s, empty(0)),
		"two fields of one sealing":         record(2, 1, s, empty(0), empty(0)),
		"two sealings":                      pair(s, later),
		"two that differ in the group":      pair(s, sealing(0, 3, 0, 1)),
		"two that differ in the epoch":      pair(s, sealing(0, 2, 1, 1)),
		"two that differ in the revision":   pair(s, sealing(0, 2, 0, 2)),
		"two that differ in the key":        pair(s, []byte{0, 2, 0, 1, 0, 0, 0, 10}),
		"the later one first in the fields": record(2, 2, s, later, empty(1), empty(0)),
		"the greatest time":                 of(uvarint(1<<40-1), []byte{2, 0, 1}),
		"the greatest id":                   record(1, 1, s, empty(uvarint(1<<32-2)...)),
		"the greatest id behind another":    record(2, 1, s, empty(0), empty(uvarint(1<<32-3)...)),
		"the greatest id of the second":     record(2, 2, s, later, empty(0), empty(uvarint((1<<32-3)*2+1)...)),
	} {
		if _, err := field.ParsePacked(good, nil); err != nil {
			t.Errorf("%s: %v, want none", name, err)
		}
	}
	for name, bad := range map[string][]byte{
		"nothing":                      nil,
		"the version alone":            {2},
		"version 0":                    {0, 0, 0},
		"version 1":                    {1, 0},
		"version 1, as long as 2":      append([]byte{1}, record(1, 1, s, empty(0))[1:]...),
		"version 3":                    {3, 0, 0},
		"no count of sealings":         {2, 0},
		"a byte behind no field":       record(0, 0, []byte{0}),
		"a byte behind the last field": record(1, 1, s, empty(0), []byte{0}),

		"a count without fields":                       record(1, 1),
		"a count without sealings":                     record(1, 0, empty(0)),
		"no count of fields, yet fields":               record(0, 1, s, empty(0)),
		"a sealing without fields":                     record(0, 1, s),
		"a field more than is counted":                 record(1, 1, s, empty(0), empty(0)),
		"a field less than is counted":                 record(2, 1, s, empty(0)),
		"a count of fields that is not the shortest":   slices.Concat([]byte{2, 0x81, 0, 1}, s, empty(0)),
		"a count of sealings that is not the shortest": slices.Concat([]byte{2, 1, 0x81, 0}, s, empty(0)),
		"too large a count of fields":                  slices.Concat([]byte{2}, uvarint(4097), []byte{1}, s, slices.Repeat(empty(0), 4097)),
		"a count of fields of 2^64-1":                  slices.Concat([]byte{2}, maxVarint, []byte{1}, s, empty(0)),
		"a count of sealings of 2^64-1":                slices.Concat([]byte{2, 1}, maxVarint, s, empty(0)),
		"a count that overflows in bytes":              slices.Concat([]byte{2}, uvarint(1<<63), uvarint(1<<61), s, empty(0)),

		"more sealings than fields":    record(1, 2, s, later, empty(0)),
		"a sealing that is not used":   record(2, 2, s, later, empty(0), empty(0)),
		"the first of two not used":    record(2, 2, s, later, empty(1), empty(1)),
		"two equal sealings":           pair(s, sealing(0, 2, 0, 1)),
		"the greater group first":      pair(sealing(5, 3, 0, 1), sealing(0, 2, 1, 2)),
		"the greater epoch first":      pair(sealing(5, 2, 1, 1), sealing(0, 2, 0, 2)),
		"the greater revision first":   pair(sealing(5, 2, 0, 2), sealing(0, 2, 0, 1)),
		"the greater key first":        pair(s, []byte{0, 2, 0, 1, 0, 0, 0, 8}),
		"an earlier time behind":       pair(s, slices.Concat(maxVarint, []byte{2, 0, 1}, key)),
		"group 0":                      record(1, 1, sealing(5, 0, 0, 1), empty(0)),
		"a group beyond 32 bits":       of([]byte{5}, beyond32, []byte{0, 1}),
		"an epoch beyond 32 bits":      of([]byte{5, 2}, beyond32, []byte{1}),
		"a revision beyond 64 bits":    of([]byte{5, 2, 0}, slices.Repeat([]byte{0xff}, 9), []byte{2}),
		"a time that is too late":      of(uvarint(1<<40), []byte{2, 0, 1}),
		"a time too late, in sum":      pair(slices.Concat(uvarint(1<<40-1), []byte{2, 0, 1}, key), later),
		"a time of 2^64-1":             of(maxVarint, []byte{2, 0, 1}),
		"a time not the shortest":      of([]byte{0x85, 0, 2, 0, 1}),
		"a group not the shortest":     of([]byte{5, 0x82, 0, 0, 1}),
		"an epoch not the shortest":    of([]byte{5, 2, 0x80, 0, 1}),
		"a revision not the shortest":  of([]byte{5, 2, 0, 0x81, 0}),
		"a sealing without all its id": slices.Concat([]byte{2, 1, 1, 5, 2, 0, 1, 0, 0}, empty(0)),

		"an id not the shortest":             record(1, 1, s, []byte{0x80, 0, 0}, ct),
		"an id beyond 32 bits":               record(1, 1, s, empty(uvarint(1<<32-1)...)),
		"an id beyond 32 bits behind one":    record(2, 1, s, empty(0), empty(uvarint(1<<32-2)...)),
		"an id beyond 32 bits of the second": record(2, 2, s, later, empty(0), empty(uvarint((1<<32-2)*2+1)...)),
		"an id of 2^64-1":                    record(1, 1, s, empty(maxVarint...)),
		"an id of 2^64-1 behind one":         record(2, 1, s, empty(0), empty(maxVarint...)),
		"a field behind the greatest id":     record(2, 1, s, empty(uvarint(1<<32-2)...), empty(0)),
		"a length not the shortest":          record(1, 1, s, []byte{0, 0x80, 0}, ct),
		"a length beyond the end":            record(1, 1, s, []byte{0, 1}, ct),
		"a length of 2^64-1":                 record(1, 1, s, []byte{0}, maxVarint, ct),
		"a length of 2^64-28":                record(1, 1, s, []byte{0}, uvarint(1<<64-bodyOverhead), ct),
		"a value beyond the largest":         record(1, 1, s, []byte{0}, uvarint(field.MaxValue+1), ciphertext(field.MaxValue+1).Body),
	} {
		if got, err := field.ParsePacked(bad, nil); !errors.Is(err, field.ErrFormat) || got != nil {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
}

// TestParsePackedAliases: the ciphertexts are those of the record, and nobody's
// room.
func TestParsePackedAliases(t *testing.T) {
	b := packed(t, sealedField(1), sealedField(2))
	got, err := field.ParsePacked(b, nil)
	if err != nil || &got[0].Ciphertext.Body[0] != &b[bytes.IndexByte(b, 0xc7)] {
		t.Error("the ciphertexts do not alias the record")
	}
	if grown := append(got[0].Ciphertext.Body, 0); &grown[0] == &got[0].Ciphertext.Body[0] {
		t.Error("appending to a ciphertext overwrites the next field")
	}
}

// TestPackedSize pins what the usual record costs: 3 bytes of version and counts, 12
// and 8 of its sealings, and 2 beside nonce, value and tag of each field.
func TestPackedSize(t *testing.T) {
	if n := len(packed(t, usualRecord(32)...)); n != 643 {
		t.Errorf("ten fields of 32 bytes of two groups take %d bytes", n)
	}
}

// FuzzParsePackedIsCanonical: what parses packs to the same bytes.
func FuzzParsePackedIsCanonical(f *testing.F) {
	f.Add([]byte{2, 0, 0})
	f.Add(packed(f, sealedField(1)))
	f.Add(packed(f, sealedField(1), sealedField(2), sealedField(70000)))
	f.Add(packed(f, usualRecord(1)...))
	f.Add(packed(f, manyFields(5)...))
	f.Add([]byte{2, 1, 1, 5, 2, 0, 1, 0, 0, 0, 9, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) { isCanonical(t, b) })
}
