package pgstore_test

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// TestByteasAreBytea is what pgx itself sends for the same list, behind what stands in
// the buffer already.
func TestByteasAreBytea(t *testing.T) {
	own, plain := pgstore.NewMap(), pgtype.NewMap()
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "list")
		if len(list) > 0 && rapid.Bool().Draw(t, "null") {
			list[rapid.IntRange(0, len(list)-1).Draw(t, "place")] = nil
		}
		for i := range list {
			if list[i] != nil && rapid.Bool().Draw(t, "cut") {
				list[i] = list[i][:0] // empty is not NULL
			}
		}
		before := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "before")
		got, err := own.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, pgstore.Byteas(list), bytes.Clone(before))
		if err != nil {
			t.Fatal(err)
		}
		if list == nil {
			list = [][]byte{}
		}
		want, err := plain.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, list, bytes.Clone(before))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x, %v", got, want, err)
		}
	})
	// What is no byteas goes the way of pgx.
	got, err := own.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, [][]byte{{1}, nil}, nil)
	want, _ := plain.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, [][]byte{{1}, nil}, nil)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, want %x, %v", got, want, err)
	}
	if _, err := own.Encode(pgtype.ByteaOID, pgtype.BinaryFormatCode, pgstore.Byteas{{1}}, nil); err == nil {
		t.Error("a list went as a single bytea")
	}
}
