package pgstore

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

// consentsOf is the list of a person's consents as one column of type record[]: one
// aggregate costs the database, and one value costs us, a fraction of what a list for
// every column of theirs did.
const consentsOf = `array_agg(ROW(purpose, decision, notice, method, at, expires, mac))`

// A rowList is a value of type record[] as PostgreSQL sends it: see array_send and
// record_send in its sources. NULL is nil, and has no rows.
type rowList = pgtype.UndecodedBytes

// eachRow calls f for every row of a list with a reader of its columns. A list of
// another form than was asked for is an [unfitError].
func eachRow(list rowList, columns int, f func(*columnReader)) error {
	if list == nil {
		return nil
	}
	r := columnReader{rest: list}
	dimensions, _, of := r.int32(), r.int32(), r.int32()
	if r.bad || dimensions == 0 {
		return r.end()
	}
	n, _ := r.int32(), r.int32()
	if dimensions != 1 || of != pgtype.RecordOID || n < 0 {
		return errRowList()
	}
	for range n {
		row := columnReader{rest: r.value(r.int32())}
		if int(row.int32()) != columns {
			return errRowList()
		}
		f(&row)
		if err := row.end(); err != nil {
			return err
		}
	}
	return r.end()
}

func errRowList() error { return unfitError("the database sent a list of another form") }

// A columnReader takes the columns of a row, or the parts of a list, one by one. What
// does not fit makes it bad; it then gives zero values.
type columnReader struct {
	rest []byte
	bad  bool
}

// end says whether all was as it should, and nothing was left.
func (r *columnReader) end() error {
	if r.bad || len(r.rest) > 0 {
		return errRowList()
	}
	return nil
}

// value takes n bytes.
func (r *columnReader) value(n int32) []byte {
	if r.bad || n < 0 || int(n) > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *columnReader) int32() int32 {
	b := r.value(4)
	if b == nil {
		return 0
	}
	return int32(binary.BigEndian.Uint32(b)) //nolint:gosec // the bits of it
}

// column takes a column of a type; absent if it is NULL.
func (r *columnReader) column(of uint32) (b []byte, present bool) {
	if oid := r.int32(); uint32(oid) != of { //nolint:gosec // the bits of it
		r.bad = true
	}
	n := r.int32()
	if n == -1 {
		return nil, false
	}
	b = r.value(n)
	return b, !r.bad
}

// bytes takes a bytea, nil for NULL. It is a part of the list.
func (r *columnReader) bytes() []byte {
	b, _ := r.column(pgtype.ByteaOID)
	return b
}

func (r *columnReader) text() string {
	b, present := r.column(pgtype.TextOID)
	r.bad = r.bad || !present
	return string(b)
}

// time takes a timestamptz: microseconds since 2000 in UTC. NULL is the zero time.
func (r *columnReader) time() time.Time {
	b, present := r.column(pgtype.TimestamptzOID)
	if !present {
		return time.Time{}
	}
	if len(b) != 8 {
		r.bad = true
		return time.Time{}
	}
	const epoch = 946_684_800 * 1_000_000   // 2000-01-01 in Unix time
	us := int64(binary.BigEndian.Uint64(b)) //nolint:gosec // the bits of it
	if us > 1<<62 || us < -1<<62 {
		r.bad = true // infinity, which no column of ours holds
		return time.Time{}
	}
	return time.UnixMicro(us + epoch).UTC()
}

// consents reads consentsOf, by purpose.
func consents(list rowList) ([]vault.Consent, error) {
	var all []vault.Consent
	err := eachRow(list, 7, func(r *columnReader) {
		all = append(all, vault.Consent{
			Purpose: r.text(), Decision: r.text(), Notice: r.text(), Method: r.text(),
			At: r.time(), Expires: r.time(), MAC: r.bytes(),
		})
	})
	slices.SortFunc(all, func(a, b vault.Consent) int { return strings.Compare(a.Purpose, b.Purpose) })
	return all, err
}
