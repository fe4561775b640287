package pgstore_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// list is rows of columns as a server sends them, the rows by the encoder of pgx; at most 255.
func list(tb testing.TB, columns []uint32, rows ...[]any) []byte {
	tb.Helper()
	m := pgtype.NewMap()
	out := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x08, 0xc9, 0, 0, 0, byte(len(rows)), 0, 0, 0, 1} // one dimension of record, 2249, from 1
	if len(rows) == 0 {
		out = out[:12]
		out[3] = 0
	}
	for _, row := range rows {
		b := pgtype.NewCompositeBinaryBuilder(m, nil)
		for i, v := range row {
			b.AppendValue(columns[i], v)
		}
		record, err := b.Finish()
		if err != nil {
			tb.Fatal(err)
		}
		size := uint32(len(record))
		out = append(append(out, byte(size>>24), byte(size>>16), byte(size>>8), byte(size)), record...)
	}
	return out
}

func keyColumns() []uint32 {
	return []uint32{pgtype.Int8OID, pgtype.Int8OID, pgtype.Int8OID, pgtype.Int4OID, pgtype.ByteaOID}
}

func consentColumns() []uint32 {
	return []uint32{pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TimestamptzOID, pgtype.TimestamptzOID, pgtype.ByteaOID}
}

func TestListsOfRows(t *testing.T) {
	when := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	early := time.Date(1969, 2, 3, 4, 5, 6, 7000, time.UTC)
	keys, _, err, _ := pgstore.Lists(list(t, keyColumns(), []any{int64(9), int64(2), int64(1<<32 - 1), int32(-1), []byte("wrapped")}, []any{int64(1), int64(1), int64(1), int32(7), nil}))
	want := []vault.DataKey{{Group: 1, Epoch: 1, Version: 1, KEKVersion: 7}, {Group: 9, Epoch: 2, Version: 1<<32 - 1, KEKVersion: -1, Wrapped: []byte("wrapped")}}
	if err != nil || !cmp.Equal(keys, want) {
		t.Errorf("%v, %s", err, cmp.Diff(want, keys))
	}
	_, consents, _, err := pgstore.Lists(list(t, consentColumns(), []any{"b", "granted", "", "portal", when, nil, []byte("mac")}, []any{"a", "withdrawn", "n", "", early, when, []byte{}}))
	said := []vault.Consent{{Purpose: "a", Decision: "withdrawn", Notice: "n", At: early, Expires: when, MAC: []byte{}}, {Purpose: "b", Decision: "granted", Method: "portal", At: when, MAC: []byte("mac")}}
	if err != nil || !cmp.Equal(consents, said) {
		t.Errorf("%v, %s", err, cmp.Diff(said, consents))
	}
	for name, none := range map[string][]byte{"NULL": nil, "no rows": list(t, nil)} {
		if keys, consents, a, b := pgstore.Lists(none); a != nil || b != nil || len(keys) > 0 || len(consents) > 0 {
			t.Errorf("%s: %v %v %v %v", name, keys, consents, a, b)
		}
	}
}

func TestListsOfAnotherForm(t *testing.T) {
	good := list(t, keyColumns(), []any{int64(1), int64(1), int64(1), int32(1), []byte("wrapped")})
	columns := keyColumns()
	columns[3] = pgtype.Int8OID
	for name, b := range map[string][]byte{
		"empty":           {},
		"more at the end": append(bytes.Clone(good), 0),
		"another type":    list(t, columns, []any{int64(1), int64(1), int64(1), int64(1), []byte("wrapped")}),
		"too few columns": list(t, keyColumns(), []any{int64(1), int64(1), int64(1), int32(1)}),
		"beyond its kind": list(t, keyColumns(), []any{int64(1 << 32), int64(1), int64(1), int32(1), nil}),
		"below its kind":  list(t, keyColumns(), []any{int64(-1), int64(1), int64(1), int32(1), nil}),
		"NULL for a key":  list(t, keyColumns(), []any{nil, int64(1), int64(1), int32(1), nil}),
	} {
		if keys, _, err, _ := pgstore.Lists(b); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	for n := 1; n < len(good); n++ {
		if keys, _, err, _ := pgstore.Lists(good[:n]); err == nil {
			t.Errorf("the first %d bytes: %v", n, keys)
		}
	}
}

// FuzzListsOfRows: whatever a server sends, reading it neither panics nor makes more of
// it than there is; and what is read as keys reads the same when it is written again.
func FuzzListsOfRows(f *testing.F) {
	f.Add(list(f, keyColumns(), []any{int64(1), int64(1), int64(1), int32(1), []byte("wrapped")}))
	f.Add(list(f, consentColumns(), []any{"a", "granted", "", "", time.Unix(0, 0), nil, []byte("mac")}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, consents, err, _ := pgstore.Lists(b)
		if len(keys) > len(b) || len(consents) > len(b) {
			t.Fatalf("%d keys and %d consents of %d bytes", len(keys), len(consents), len(b))
		}
		if err != nil {
			return
		}
		rows := make([][]any, len(keys))
		for i, k := range keys {
			rows[i] = []any{int64(k.Group), int64(k.Epoch), int64(k.Version), k.KEKVersion, k.Wrapped}
		}
		again, _, err, _ := pgstore.Lists(list(t, keyColumns(), rows...))
		if err != nil || !cmp.Equal(again, keys) {
			t.Fatalf("%v, %s", err, cmp.Diff(keys, again))
		}
	})
}
