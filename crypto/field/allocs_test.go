//go:build !race

package field_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/crypto/secret"
)

// TestAllocations pins how often the hot paths allocate, which does not depend
// on the machine. Tink itself allocates once to seal and once to open. (The race
// detector allocates as well, and makes pools forget: hence the build tag.)
func TestAllocations(t *testing.T) {
	k := field.NewKey(newAEAD(t))
	value := secret.New(bytes.Repeat([]byte("v"), 64))
	sealed := mustSeal(t, k, place(), string(value.Expose()))
	index, mac := indexKey(t, key32(1)), macKey(t, key32(1))
	part := []byte("part")
	var parts [8]byte
	split, long := field.Split(sealed), field.Split(mustSeal(t, k, place(), strings.Repeat("v", field.MaxValue)))
	fields := usualRecord(64)
	record := packed(t, fields...)
	forged := slices.Concat([]byte{2, 100, 2}, record[3:]) // more than there are bytes for
	room, parsed := make([]byte, 0, len(record)), make([]field.Sealed, 0, len(fields)+2)
	at := place()
	var opener field.Opener
	defer opener.Close()
	for _, c := range []struct {
		name string
		want float64
		f    func()
	}{
		{"Seal: the ciphertext", 1, func() { _, _ = k.Seal(place(), value) }},
		{"Open: the value", 1, func() { _, _ = k.Open(place(), sealed) }},
		{"OpenSplit: the value", 1, func() { _, _ = k.OpenSplit(place(), split) }},
		{"OpenSplit of the longest: the value", 1, func() { _, _ = k.OpenSplit(place(), long) }},
		{"Opener: the value", 1, func() { _, _ = opener.Open(k, &at, split) }},
		{"AppendPacked with room: nothing", 0, func() { _, _ = field.AppendPacked(room, fields) }},
		{"ParsePacked with room: nothing", 0, func() { _, _ = field.ParsePacked(record, parsed) }},
		{"ParsePacked of a forged count: the error", 2, func() { _, _ = field.ParsePacked(forged, nil) }},
		{"ParsePacked: the fields", 1, func() { _, _ = field.ParsePacked(record, nil) }},
		{"Index: the index value", 1, func() { index.Index(value, 64) }},
		{"VerifyShort: nothing", 0, func() { mac.VerifyShort(part, "record", part, parts[:]) }},
		{"Sum: nothing", 0, func() { mac.Sum("consent/1", part, parts[:]) }},
	} {
		if got := testing.AllocsPerRun(200, c.f); got > c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
}
