package field

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	packedVersion = 1
	// maxPacked is the largest number of fields of one record.
	maxPacked = 4096
	// maxAt bounds the time of sealing, in seconds: beyond the year 36000.
	maxAt = 1 << 40
)

// Sealed is one sealed field of a record, with what is needed to find its key
// and its place. Ciphertext is from [Key.Seal]; the rest stands in clear.
type Sealed struct {
	Field      uint32 // id of the field, from 1
	Group      uint32 // its key group, from 1
	Epoch      uint32 // of the key group, when the field was sealed
	Revision   uint64 // of the record, when the field was sealed
	At         int64  // when it was sealed, in Unix seconds; for retention
	Ciphertext []byte
}

// AppendPacked appends the packed form of a record's fields to dst. The fields
// must be sorted by Field, without duplicates, at most 4,096; otherwise, or if
// one is out of its range, it returns [ErrFormat] and dst as it was.
func AppendPacked(dst []byte, fields []Sealed) ([]byte, error) {
	if len(fields) > maxPacked {
		return dst, fmt.Errorf("packing %d fields: %w", len(fields), ErrFormat)
	}
	b := append(dst, packedVersion)
	b = binary.AppendUvarint(b, uint64(len(fields)))
	var last Sealed
	for i := range fields {
		f := &fields[i]
		if !f.follows(&last) {
			return dst, fmt.Errorf("packing field %d: %w", f.Field, ErrFormat)
		}
		b = binary.AppendUvarint(b, uint64(f.Field-last.Field))
		b = binary.AppendUvarint(b, uint64(f.Group))
		b = binary.AppendUvarint(b, uint64(f.Epoch))
		b = binary.AppendUvarint(b, f.Revision)
		b = binary.AppendVarint(b, f.At-last.At)
		b = binary.AppendUvarint(b, uint64(len(f.Ciphertext)-Overhead)) //nolint:gosec // follows checks the length
		b = append(b, f.Ciphertext...)
		last = *f
	}
	return b, nil
}

// ParsePacked appends the fields of a packed record to dst[:0] and returns
// them. It accepts exactly what [AppendPacked] makes, and returns [ErrFormat]
// for everything else. The ciphertexts alias b. It allocates only if dst is too
// short, and then no more than the length of b allows.
func ParsePacked(b []byte, dst []Sealed) ([]Sealed, error) {
	r := reader{b: b}
	version, count := r.byte(), r.uvarint()
	if r.bad || version != packedVersion || count > maxPacked {
		return nil, fmt.Errorf("parsing a packed record: %w", ErrFormat)
	}
	if dst = dst[:0]; cap(dst) == 0 && count > 0 {
		dst = make([]Sealed, 0, min(count, uint64(len(r.b)/minSealed+1)))
	}
	var last Sealed
	for range count {
		f := r.sealed(&last)
		if r.bad || !f.follows(&last) {
			return nil, fmt.Errorf("parsing a packed record: %w", ErrFormat)
		}
		dst = append(dst, f)
		last = f
	}
	if len(r.b) != 0 {
		return nil, fmt.Errorf("parsing a packed record: %w", ErrFormat)
	}
	return dst, nil
}

// minSealed is how many bytes a field has at least: six numbers and a ciphertext.
const minSealed = 6 + Overhead

// sealed reads the next field. Its id and time stand as differences to the
// last one's. An id that would overflow stays 0, which follows refuses.
func (r *reader) sealed(last *Sealed) Sealed {
	delta := r.uvarint()
	f := Sealed{Group: r.uint32(), Epoch: r.uint32(), Revision: r.uvarint()}
	at, size := r.varint(), r.uvarint()
	if delta <= uint64(math.MaxUint32-last.Field) {
		f.Field = last.Field + uint32(delta) //nolint:gosec // it fits, as the line above says
	}
	if at < -maxAt || at > maxAt || size > MaxValue {
		r.bad = true
		return f
	}
	f.At = last.At + at
	f.Ciphertext = r.bytes(size + Overhead)
	return f
}

// follows reports whether f may stand after last, and is within all limits.
func (f *Sealed) follows(last *Sealed) bool {
	return f.Field > last.Field && f.Group > 0 && f.At >= 0 && f.At < maxAt &&
		len(f.Ciphertext) >= Overhead && len(f.Ciphertext) <= MaxValue+Overhead
}
