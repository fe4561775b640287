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

func consentColumns() []uint32 {
	return []uint32{pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.TimestamptzOID, pgtype.TimestamptzOID, pgtype.ByteaOID}
}

func TestListsOfRows(t *testing.T) {
	when := time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	early := time.Date(1969, 2, 3, 4, 5, 6, 7000, time.UTC)
	consents, err := pgstore.Consents(list(t, consentColumns(), []any{"b", "granted", "", "portal", when, nil, []byte("mac")}, []any{"a", "withdrawn", "n", "", early, when, []byte{}}))
	said := []vault.Consent{{Purpose: "a", Decision: "withdrawn", Notice: "n", At: early, Expires: when, MAC: []byte{}}, {Purpose: "b", Decision: "granted", Method: "portal", At: when, MAC: []byte("mac")}}
	if err != nil || !cmp.Equal(consents, said) {
		t.Errorf("%v, %s", err, cmp.Diff(said, consents))
	}
	for name, none := range map[string][]byte{"NULL": nil, "no rows": list(t, nil)} {
		if consents, err := pgstore.Consents(none); err != nil || len(consents) > 0 {
			t.Errorf("%s: %v %v", name, consents, err)
		}
	}
}

func TestListsOfAnotherForm(t *testing.T) {
	at := time.Unix(0, 0)
	good := list(t, consentColumns(), []any{"a", "granted", "", "", at, nil, []byte("mac")})
	columns := consentColumns()
	columns[3] = pgtype.ByteaOID
	numbers := consentColumns()
	numbers[4] = pgtype.Int8OID
	for name, b := range map[string][]byte{
		"empty":              {},
		"more at the end":    append(bytes.Clone(good), 0),
		"another type":       list(t, columns, []any{"a", "granted", "", []byte(""), at, nil, []byte("mac")}),
		"a number of a time": list(t, numbers, []any{"a", "granted", "", "", int64(1), nil, []byte("mac")}),
		"too few columns":    list(t, consentColumns(), []any{"a", "granted", "", "", at, nil}),
		"infinity":           list(t, consentColumns(), []any{"a", "granted", "", "", pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, nil, []byte("mac")}),
		"NULL for a text":    list(t, consentColumns(), []any{nil, "granted", "", "", at, nil, []byte("mac")}),
	} {
		if consents, err := pgstore.Consents(b); err == nil {
			t.Errorf("%s: %v", name, consents)
		}
	}
	for n := 1; n < len(good); n++ {
		if consents, err := pgstore.Consents(good[:n]); err == nil {
			t.Errorf("the first %d bytes: %v", n, consents)
		}
	}
}

// FuzzListsOfRows: whatever a server sends, reading it neither panics nor makes more of
// it than there is; and what is read as consents reads the same when it is written again.
func FuzzListsOfRows(f *testing.F) {
	f.Add(list(f, consentColumns(), []any{"a", "granted", "", "", time.Unix(0, 0), nil, []byte("mac")}))
	f.Add(list(f, consentColumns(), []any{"a", "granted", "1", "api", time.Unix(1, 0), time.Unix(2, 0), nil}, []any{"b", "refused", "", "", time.Unix(3, 0), nil, []byte{}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		consents, err := pgstore.Consents(b)
		if len(consents) > len(b) {
			t.Fatalf("%d consents of %d bytes", len(consents), len(b))
		}
		if err != nil || len(consents) > 255 {
			return
		}
		rows := make([][]any, len(consents))
		for i, c := range consents {
			rows[i] = []any{c.Purpose, c.Decision, c.Notice, c.Method, some(c.At), some(c.Expires), c.MAC}
		}
		again, err := pgstore.Consents(list(t, consentColumns(), rows...))
		if err != nil || !cmp.Equal(again, consents) {
			t.Fatalf("%v, %s", err, cmp.Diff(consents, again))
		}
	})
}

// some is a time as a column; zero is NULL.
func some(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}
