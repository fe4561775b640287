package field

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	packedVersion = 2
	// maxPacked is the largest number of fields of one record.
	maxPacked = 4096
	// maxAt bounds the time of sealing, in seconds: beyond the year 36000.
	maxAt = 1 << 40
	// minField is how many bytes a packed field has at least: two numbers and a body.
	minField = 2 + bodyOverhead
	// minSealing is how many a sealing has at least: four numbers and a key id.
	minSealing = 4 + 4
)

// Sealed is one sealed field of a record, with what is needed to find its key
// and its place. Ciphertext is from [Key.Seal] and [Split]; the rest stands in
// clear.
type Sealed struct {
	Field      uint32 // id of the field, from 1
	Group      uint32 // its key group, from 1
	Epoch      uint32 // of the key group, when the field was sealed
	Revision   uint64 // of the record, when the field was sealed
	At         int64  // when it was sealed, in Unix seconds; for retention
	Ciphertext Ciphertext
}

// A sealing is what all fields have in common that one write sealed with one
// key. It stands once in a packed record.
type sealing struct {
	at       int64
	revision uint64
	group    uint32
	epoch    uint32
	key      uint32 // id
}

func (f *Sealed) sealing() sealing {
	return sealing{f.At, f.Revision, f.Group, f.Epoch, f.Ciphertext.KeyID}
}

// compare gives sealings their one order: that in which their parts are written.
func (s sealing) compare(t sealing) int {
	return cmp.Or(cmp.Compare(s.at, t.at), cmp.Compare(s.group, t.group), cmp.Compare(s.epoch, t.epoch),
		cmp.Compare(s.revision, t.revision), cmp.Compare(s.key, t.key))
}

// AppendPacked appends the packed form of a record's fields to dst. The fields
// must be sorted by Field, without duplicates, at most 4,096; otherwise, or if
// one is out of its range, it returns [ErrFormat] and dst as it was.
func AppendPacked(dst []byte, fields []Sealed) ([]byte, error) {
	if len(fields) > maxPacked {
		return dst, fmt.Errorf("packing %d fields: %w", len(fields), ErrFormat)
	}
	sealings := appendSealings(make([]sealing, 0, 16), fields) // mostly two, on the stack
	b := append(dst, packedVersion)
	b = binary.AppendUvarint(b, uint64(len(fields)))
	b = binary.AppendUvarint(b, uint64(len(sealings)))
	var at int64
	for i := range sealings {
		b = sealings[i].append(b, at)
		at = sealings[i].at
	}
	var last uint32
	for i := range fields {
		f := &fields[i]
		if f.Field <= last || !f.valid() {
			return dst, fmt.Errorf("packing field %d: %w", f.Field, ErrFormat)
		}
		n, _ := slices.BinarySearchFunc(sealings, f.sealing(), sealing.compare)
		b = binary.AppendUvarint(b, uint64(f.Field-last-1)*uint64(len(sealings))+uint64(n)) //nolint:gosec // n is an index
		b = binary.AppendUvarint(b, uint64(len(f.Ciphertext.Body)-bodyOverhead))            //nolint:gosec // valid checks the length
		b = append(b, f.Ciphertext.Body...)
		last = f.Field
	}
	return b, nil
}

// appendSealings appends the sealings of fields to dst, which is empty: each
// once, in their order.
func appendSealings(dst []sealing, fields []Sealed) []sealing {
	for i := range fields {
		if s := fields[i].sealing(); !slices.Contains(dst[max(0, len(dst)-2):], s) {
			dst = append(dst, s)
		}
	}
	slices.SortFunc(dst, sealing.compare)
	return slices.Compact(dst)
}

// append appends the packed form of s, which stands behind a sealing of the time at.
func (s *sealing) append(b []byte, at int64) []byte {
	b = binary.AppendUvarint(b, uint64(s.at-at)) //nolint:gosec // not negative: sealings are in order
	b = binary.AppendUvarint(b, uint64(s.group))
	b = binary.AppendUvarint(b, uint64(s.epoch))
	b = binary.AppendUvarint(b, s.revision)
	return binary.BigEndian.AppendUint32(b, s.key)
}

// ParsePacked appends the fields of a packed record to dst[:0] and returns
// them. It accepts exactly what [AppendPacked] makes, and returns [ErrFormat]
// for everything else. The ciphertexts alias b. It allocates only if dst is too
// short, and then no more than the length of b allows; behind the fields dst
// needs room for what they share, which is at most as long again.
func ParsePacked(b []byte, dst []Sealed) ([]Sealed, error) {
	r := reader{b: b}
	version, count, shared := r.byte(), r.uvarint(), r.uvarint()
	if r.bad || version != packedVersion || count > maxPacked || shared > count || shared == 0 && count > 0 ||
		count*minField+shared*minSealing > uint64(len(r.b)) {
		return nil, fmt.Errorf("parsing a packed record: %w", ErrFormat)
	}
	all := slices.Grow(dst[:0], int(count+shared))[:count+shared] //nolint:gosec // at most twice maxPacked
	fields, sealings := all[:count], all[count:]
	r.sealings(sealings)
	r.fields(fields, sealings)
	if r.bad || len(r.b) != 0 {
		return nil, fmt.Errorf("parsing a packed record: %w", ErrFormat)
	}
	return fields, nil
}

// sealings reads sealings that are in order, each as a field without id and body.
func (r *reader) sealings(list []Sealed) {
	var at int64
	for i := range list {
		s := &list[i]
		delta := r.uvarint()
		if delta >= maxAt {
			r.bad = true
			return
		}
		at += int64(delta)
		*s = Sealed{At: at, Group: r.uint32(), Epoch: r.uint32(), Revision: r.uvarint()}
		s.Ciphertext.KeyID = r.fixed32()
		if s.Group == 0 || at >= maxAt || i > 0 && s.sealing().compare(list[i-1].sealing()) <= 0 {
			r.bad = true
			return
		}
	}
}

// fields reads fields of these sealings, each of which has one at least: the id
// of a sealing that has none yet is 0.
func (r *reader) fields(list, sealings []Sealed) {
	var last uint32
	unused := len(sealings)
	for i := range list {
		head, size := r.uvarint(), r.uvarint()
		delta, n := head/uint64(len(sealings)), head%uint64(len(sealings))
		if r.bad || delta >= uint64(math.MaxUint32-last) || size > MaxValue {
			r.bad = true
			return
		}
		last += uint32(delta) + 1 //nolint:gosec // it fits, as the line above says
		s, f := &sealings[n], &list[i]
		if s.Field == 0 {
			unused--
		}
		s.Field = last
		*f = *s
		f.Ciphertext.Body = r.bytes(size + bodyOverhead)
	}
	r.bad = r.bad || unused != 0
}

// valid reports whether f, but for its id, is within all limits.
func (f *Sealed) valid() bool {
	return f.Group > 0 && f.At >= 0 && f.At < maxAt &&
		len(f.Ciphertext.Body) >= bodyOverhead && len(f.Ciphertext.Body) <= MaxValue+bodyOverhead
}
