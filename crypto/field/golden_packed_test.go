package field_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/crypto/field"
)

type goldenSealed struct {
	Field    uint32 `json:"field"`
	Group    uint32 `json:"group"`
	Epoch    uint32 `json:"epoch"`
	Revision uint64 `json:"revision"`
	At       int64  `json:"at"`
	KeyID    uint32 `json:"key_id"`
	Body     string `json:"body"`
}

func TestGoldenPackedRecords(t *testing.T) {
	const key, other = 0x01020304, 1<<32 - 1
	short, long := strings.Repeat("ab", bodyOverhead), strings.Repeat("cd", bodyOverhead+200)
	cases := []vector{
		{Name: "no field"},
		{Name: "one field", Fields: []goldenSealed{{1, 2, 0, 1, 1_750_000_000, key, short}}},
		{Name: "two groups, one write", Fields: []goldenSealed{
			{1, 3, 0, 1, 1_750_000_000, other, short},
			{2, 2, 0, 1, 1_750_000_000, key, short},
			{3, 2, 0, 1, 1_750_000_000, key, long},
			{64, 3, 0, 1, 1_750_000_000, other, short},
			{300, 2, 0, 1, 1_750_000_000, key, short},
		}},
		{Name: "several writes", Fields: []goldenSealed{
			{1, 2, 0, 1, 1_750_000_000, key, short},
			{2, 2, 0, 3, 1_750_000_500, key, long},
			{7, 3, 5, 2, 1_749_999_999, key, short},
			{300, 2, 0, 1 << 40, 1_750_000_000, key, short},
			{301, 2, 1, 0, 1_750_000_000, key, short},
			{302, 2, 0, 1, 1_750_000_000, key + 1, short},
			{400, 2, 0, 1, 1_750_000_000, key, short},
		}},
		{Name: "largest numbers", Fields: []goldenSealed{
			{1, 1, 0, 0, 0, 0, short},
			{1<<32 - 1, 1<<32 - 1, 1<<32 - 1, 1<<64 - 1, 1<<40 - 1, other, short},
		}},
	}
	list := vectors(t, "packed.jsonl", cases, func(v *vector) {
		b, err := field.AppendPacked(nil, unpackGolden(t, v.Fields))
		if err != nil {
			t.Fatal(err)
		}
		v.Result = hex.EncodeToString(b)
	})
	for _, v := range list {
		want := unpackGolden(t, v.Fields)
		got, err := field.ParsePacked(mustHex(t, v.Result), nil)
		if err != nil {
			t.Errorf("%s does not parse: %v", v.Name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: parsed (-want +got)\n%s", v.Name, diff)
		}
		if diff := cmp.Diff(v.Fields, unpackByHand(t, mustHex(t, v.Result))); diff != "" {
			t.Errorf("%s: parsed by hand (-want +got)\n%s", v.Name, diff)
		}
		b, err := field.AppendPacked(nil, want)
		if err != nil || hex.EncodeToString(b) != v.Result {
			t.Errorf("%s packs as %x, %v", v.Name, b, err)
		}
	}
}

func unpackGolden(t *testing.T, list []goldenSealed) (fields []field.Sealed) {
	for _, g := range list {
		fields = append(fields, field.Sealed{
			Field: g.Field, Group: g.Group, Epoch: g.Epoch, Revision: g.Revision, At: g.At,
			Ciphertext: field.Ciphertext{KeyID: g.KeyID, Body: mustHex(t, g.Body)},
		})
	}
	return fields
}

// unpackByHand reads a packed record as FORMAT.md says, without this package.
func unpackByHand(t *testing.T, b []byte) (fields []goldenSealed) {
	next := func() uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			t.Fatal("unpacking by hand: no number")
		}
		b = b[size:]
		return n
	}
	if next() != 2 {
		t.Fatal("unpacking by hand: not version 2")
	}
	count, shared := next(), next()
	var sealings []goldenSealed
	var at int64
	for range shared {
		at += int64(next())
		s := goldenSealed{At: at, Group: uint32(next()), Epoch: uint32(next()), Revision: next()}
		s.KeyID = binary.BigEndian.Uint32(b)
		sealings, b = append(sealings, s), b[4:]
	}
	var id uint32
	for range count {
		head, size := next(), next()+12+16
		id += 1 + uint32(head/shared)
		f := sealings[head%shared]
		f.Field, f.Body = id, hex.EncodeToString(b[:size])
		fields, b = append(fields, f), b[size:]
	}
	return fields
}
