package field

import (
	"encoding/binary"
	"fmt"
)

// The labels that begin associated data and wrap contexts, one a use.
const (
	labelValue    = "fv/value/1"
	labelPortable = "fv/portable/1"
	labelKey      = "fv/data-key/1"
	labelSecret   = "fv/secret/1"
	labelBox      = "fv/box/1"
	labelMAC      = "fv/mac/1"
)

// Place is where a value belongs. All of it is authenticated with the value.
type Place struct {
	Tenant     string   // required
	UID        [16]byte // the person, in one generation; required
	Group      uint32   // the key group, from 1; required
	Epoch      uint32   // of the key group
	Collection uint32   // id of the collection
	Record     string   // the application's name of the record; empty for portable ciphertexts
	Field      uint32   // id of the field
	Revision   uint64   // of the record when the field was sealed; 0 for portable ciphertexts
}

// check refuses a place that lacks what no place can lack. An empty member
// here is a mistake of the program, never data.
func (p *Place) check() error {
	switch {
	case p.Tenant == "":
		return fmt.Errorf("a place without tenant: %w", ErrFormat)
	case p.UID == [16]byte{}:
		return fmt.Errorf("a place without person: %w", ErrFormat)
	case p.Group == 0:
		return fmt.Errorf("a place without key group: %w", ErrFormat)
	}
	return nil
}

// appendData appends the associated data of a value at p: the label and the
// members in their order, each preceded by its length.
func (p *Place) appendData(dst []byte, label string) []byte {
	// In one piece where each length is one byte and dst has room, as it nearly always is: this
	// is a tenth of the time of opening a short value.
	const fixed = 1 + 16 + 3*(1+4)
	const last = 1 + 4 + 1 + 8
	n := 3 + len(label) + len(p.Tenant) + fixed + len(p.Record) + last
	if len(label) > 127 || len(p.Tenant) > 127 || len(p.Record) > 127 || cap(dst)-len(dst) < n {
		return p.appendLong(dst, label)
	}
	b := dst[len(dst) : len(dst)+n]
	b[0] = byte(len(label)) //nolint:gosec // at most 127, as the two below
	at := 1 + copy(b[1:], label)
	b[at] = byte(len(p.Tenant)) //nolint:gosec // see above
	at += 1 + copy(b[at+1:], p.Tenant)
	f := (*[fixed]byte)(b[at:])
	f[0] = 16
	copy(f[1:17], p.UID[:])
	f[17], f[22], f[27] = 4, 4, 4
	binary.BigEndian.PutUint32(f[18:], p.Group)
	binary.BigEndian.PutUint32(f[23:], p.Epoch)
	binary.BigEndian.PutUint32(f[28:], p.Collection)
	at += fixed
	b[at] = byte(len(p.Record)) //nolint:gosec // see above
	at += 1 + copy(b[at+1:], p.Record)
	l := (*[last]byte)(b[at:])
	l[0], l[5] = 4, 8
	binary.BigEndian.PutUint32(l[1:], p.Field)
	binary.BigEndian.PutUint64(l[6:], p.Revision)
	return dst[:len(dst)+n]
}

// appendLong is appendData for any lengths and a dst without room.
func (p *Place) appendLong(dst []byte, label string) []byte {
	dst = appendString(dst, label)
	dst = appendString(dst, p.Tenant)
	dst = appendBytes(dst, p.UID[:])
	dst = appendUint32(dst, p.Group)
	dst = appendUint32(dst, p.Epoch)
	dst = appendUint32(dst, p.Collection)
	dst = appendString(dst, p.Record)
	dst = appendUint32(dst, p.Field)
	return binary.BigEndian.AppendUint64(append(dst, 8), p.Revision)
}

// KeyContext returns the context under which a data key is wrapped: length-
// prefixed label, tenant, person, key group and epoch. A KEK opens a wrapped
// data key only under the context with which it was wrapped.
func KeyContext(tenant string, uid [16]byte, group, epoch uint32) []byte {
	b := make([]byte, 0, 48+len(labelKey)+len(tenant))
	b = appendString(b, labelKey)
	b = appendString(b, tenant)
	b = appendBytes(b, uid[:])
	b = appendUint32(b, group)
	return appendUint32(b, epoch)
}

// SecretContext returns the context under which a named secret of a tenant is
// wrapped: length-prefixed label, tenant and the secret's name.
func SecretContext(tenant, name string) []byte {
	b := make([]byte, 0, 8+len(labelSecret)+len(tenant)+len(name))
	b = appendString(b, labelSecret)
	b = appendString(b, tenant)
	return appendString(b, name)
}

// Every part is preceded by its length as an unsigned varint (one byte below
// 128); integers are parts of four or eight bytes, big-endian.

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendUint32(dst []byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 4), n)
}
