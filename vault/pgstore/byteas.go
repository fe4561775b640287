package pgstore

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5/pgtype"
)

// byteas is a parameter of type bytea[] that is put together in one piece. A [][]byte
// serves as well, but each of its elements is encoded by reflection into a buffer that
// is copied whenever it is full, which shows where a hundred events are appended.
type byteas [][]byte

// A byteaArrayCodec is the codec of bytea[], and knows byteas.
type byteaArrayCodec struct{ *pgtype.ArrayCodec }

// PlanEncode is that of [pgtype.ArrayCodec] for all but byteas in binary form.
func (c byteaArrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(byteas); ok && format == pgtype.BinaryFormatCode {
		return encodeByteas{}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// registerByteas makes it known to a connection.
func registerByteas(m *pgtype.Map) {
	element, _ := m.TypeForOID(pgtype.ByteaOID) // every map has it
	m.RegisterType(&pgtype.Type{
		Name: "_bytea", OID: pgtype.ByteaArrayOID,
		Codec: byteaArrayCodec{&pgtype.ArrayCodec{ElementType: element}},
	})
}

type encodeByteas struct{}

// Encode appends the array as array_recv of PostgreSQL reads it: dimensions, whether there
// are NULLs, the type of the elements, length and lower bound of the one dimension, and
// each element behind its length, which is -1 for NULL.
func (encodeByteas) Encode(value any, buf []byte) ([]byte, error) {
	list, ok := value.(byteas)
	if !ok || len(list) > math.MaxInt32 {
		return nil, fmt.Errorf("%T of this length is no bytea[]", value)
	}
	size, nulls := 20, uint32(0)
	for _, b := range list {
		if len(b) > math.MaxInt32 {
			return nil, fmt.Errorf("a value of %d bytes is no bytea", len(b))
		}
		if b == nil {
			nulls = 1
		}
		size += 4 + len(b)
	}
	if cap(buf)-len(buf) < size {
		buf = append(make([]byte, 0, len(buf)+size), buf...)
	}
	for _, v := range []uint32{1, nulls, pgtype.ByteaOID, uint32(len(list)), 1} { //nolint:gosec // at most MaxInt32
		buf = binary.BigEndian.AppendUint32(buf, v)
	}
	for _, b := range list {
		if b == nil {
			buf = binary.BigEndian.AppendUint32(buf, math.MaxUint32)
			continue
		}
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b))) //nolint:gosec // at most MaxInt32
		buf = append(buf, b...)
	}
	return buf, nil
}
