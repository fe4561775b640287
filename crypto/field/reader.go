package field

import (
	"encoding/binary"
	"math"
)

// A reader takes apart what the encoders of this package make. After the first
// mistake it stays bad and gives zeros, so that callers check once. It never
// allocates: what it returns aliases the input.
type reader struct {
	b   []byte
	bad bool
}

// uvarint reads an unsigned varint in its one shortest form.
func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || size > 1 && r.b[size-1] == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

// uint32 reads a varint that must fit.
func (r *reader) uint32() uint32 {
	n := r.uvarint()
	if n > math.MaxUint32 {
		r.bad = true
		return 0
	}
	return uint32(n)
}

// fixed32 reads 4 bytes, big endian.
func (r *reader) fixed32() uint32 {
	b := r.bytes(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// byte reads one byte.
func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

// bytes reads n bytes, with no room to append behind them.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}
