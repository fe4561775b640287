package field

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"

	"github.com/fieldvault/fieldvault/crypto/secret"
)

// KeySize is the length of the keys of this package other than data keys, in
// bytes.
const KeySize = 32

// IndexKey computes blind index values: what equal values of one field have in
// common, for those who hold the key. There is one for each tenant, collection,
// field and index version. It prints as [key], and it is safe for concurrent
// use.
type IndexKey struct {
	opaque
	hashes hashes
	terms  [termKinds]hashes
}

// NewIndexKey returns the index key with the given 32 bytes, else [ErrFormat].
// It keeps a copy; k remains the caller's.
func NewIndexKey(k secret.Bytes) (*IndexKey, error) {
	key, err := copyKey(k)
	if err != nil {
		return nil, fmt.Errorf("making an index key: %w", err)
	}
	terms, err := termHashes(key)
	if err != nil {
		return nil, err
	}
	return &IndexKey{hashes: newHashes(key), terms: terms}, nil
}

// Index returns the first bits of HMAC-SHA-256 of a normalised value, in
// (bits+7)/8 bytes; the unused low bits of the last byte are zero. Fewer bits
// let more values share an index value: that is how collisions are planned,
// so that an index value tells less.
//
// bits is from 8 to 256. Index panics otherwise: the catalog has to refuse it,
// and an index of another length would lose rows or tell too much.
func (k *IndexKey) Index(normalised secret.Bytes, bits int) []byte {
	return k.hashes.first(normalised, bits)
}

// first is the first bits of the HMAC of b.
func (s hashes) first(b secret.Bytes, bits int) []byte {
	if bits < 8 || bits > 8*sha256.Size {
		panic("field: index bits out of range")
	}
	h := s.get()
	defer s.put(h)
	h.Write(b.Expose())
	sum := h.Sum(nil)[:(bits+7)/8]
	if spare := bits % 8; spare != 0 {
		sum[len(sum)-1] &= 0xff << (8 - spare)
	}
	return sum
}

// MACKey authenticates rows that are not secret, such as consents. It prints as
// [key], and it is safe for concurrent use.
type MACKey struct {
	opaque
	hashes hashes
}

// NewMACKey returns the MAC key with the given 32 bytes, else [ErrFormat]. It
// keeps a copy; k remains the caller's.
func NewMACKey(k secret.Bytes) (*MACKey, error) {
	key, err := copyKey(k)
	if err != nil {
		return nil, fmt.Errorf("making a MAC key: %w", err)
	}
	return &MACKey{hashes: newHashes(key)}, nil
}

// Sum returns HMAC-SHA-256 of the label and the parts, each preceded by its
// length: different lists of parts never give the same bytes. The label says
// what kind of row it is; a MAC under one label means nothing under another.
func (k *MACKey) Sum(label string, parts ...[]byte) [sha256.Size]byte {
	h := k.hashes.get()
	defer k.hashes.put(h)
	h.Write(appendString(h.scratch[:0], labelMAC))
	h.Write(appendString(h.scratch[:0], label))
	for _, p := range parts {
		h.Write(binary.AppendUvarint(h.scratch[:0], uint64(len(p))))
		h.Write(p)
	}
	h.Sum(h.scratch[:0])
	return [sha256.Size]byte(h.scratch[:])
}

// Verify reports whether mac is what [MACKey.Sum] gives, in constant time. A
// MAC of another length, none at all included, is refused.
func (k *MACKey) Verify(mac []byte, label string, parts ...[]byte) bool {
	sum := k.Sum(label, parts...)
	return subtle.ConstantTimeCompare(mac, sum[:]) == 1
}

// ShortSize is the length of a short MAC in bytes. It is the only one: fewer bytes
// would let a forgery be found by trying.
const ShortSize = 16

// Short returns the first [ShortSize] bytes of what [MACKey.Sum] gives, for rows of
// which there are many. Who does not hold the key guesses it with a chance of 2^-128.
func (k *MACKey) Short(label string, parts ...[]byte) [ShortSize]byte {
	sum := k.Sum(label, parts...)
	return [ShortSize]byte(sum[:])
}

// VerifyShort reports whether mac is what [MACKey.Short] gives, in constant time. A
// MAC of another length is refused: none at all, the whole one, and a shorter one.
func (k *MACKey) VerifyShort(mac []byte, label string, parts ...[]byte) bool {
	sum := k.Short(label, parts...)
	return subtle.ConstantTimeCompare(mac, sum[:]) == 1
}

// hashes keeps HMAC-SHA-256 states with the key already absorbed.
type hashes struct{ pool *sync.Pool }

// hasher is one such state. Its scratch space is what an interface would
// otherwise move from the stack to the heap.
type hasher struct {
	hash.Hash
	scratch [sha256.Size]byte
}

func newHashes(key []byte) hashes {
	return hashes{&sync.Pool{New: func() any { return &hasher{Hash: hmac.New(sha256.New, key)} }}}
}

func (s hashes) get() *hasher {
	h, ok := s.pool.Get().(*hasher)
	if !ok {
		panic("field: the pool holds hashers only")
	}
	return h
}

func (s hashes) put(h *hasher) {
	h.Reset()
	s.pool.Put(h)
}

func copyKey(k secret.Bytes) ([]byte, error) {
	if k.Len() != KeySize {
		return nil, fmt.Errorf("a key of %d bytes: %w", k.Len(), ErrFormat)
	}
	return k.Clone().Expose(), nil
}
