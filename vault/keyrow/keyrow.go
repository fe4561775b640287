// Package keyrow packs all wrapped keys of a person, as a store keeps them in two columns
// of the person's row of the directory; without keys both are NULL.
//
// keys is
//
//	01 | uvarint count | key ... key
//
// with 1 to 4096 keys in ascending order of their groups, and nothing after the last. A
// key is
//
//	group, less that of the key before (0 for the first)  uvarint, at least 1; the group fits 32 bits
//	epoch                                                 uvarint, 1 to 2^32-1
//	version of the key                                    uvarint, 1 to 2^32-1
//	version of the key-encryption key                     uvarint, 1 to 2^31-1
//	length of the wrapped key                             uvarint
//	the wrapped key                                       as crypto/field/FORMAT.md has it
//
// A uvarint is that of encoding/binary, in its one shortest form. Where a group's key was
// destroyed, and none was stored since, the length and both versions are 0, and only the
// epoch speaks.
//
// kek_version is the lowest version of the key-encryption key that wraps one of them, 0
// if none is wrapped: the database finds by it what is left to rewrap. [Row.Unpack]
// takes no other, so that the two never speak of different things.
//
// [Insert], [Destroy], [Replace] and [Rewrap] are what may happen to the keys of a
// person, on a list of them in ascending order of groups. A store runs them on a row
// that nobody else writes meanwhile. None of them brings back a key that was destroyed.
package keyrow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	format = 1
	// maxKeys is the largest number of keys of one person.
	maxKeys = 4096
	// minKey is how many bytes a key has at least: five numbers.
	minKey = 5
)

// errKeys is all that is said of keys that no row holds.
var errKeys = errors.New("keys that do not fit a row")

// A Row is what the columns hold.
type Row struct {
	KEKVersion int32
	Keys       []byte
}

// Pack makes the row of a person's keys, which must be in ascending order of groups, at
// least one, and each within its range.
func Pack(keys []vault.DataKey) (Row, error) {
	if len(keys) == 0 || len(keys) > maxKeys {
		return Row{}, fmt.Errorf("packing %d keys: %w", len(keys), errKeys)
	}
	size := 2 + binary.MaxVarintLen16
	for i := range keys {
		size += minKey + 3*binary.MaxVarintLen32 + len(keys[i].Wrapped)
	}
	b := binary.AppendUvarint(append(make([]byte, 0, size), format), uint64(len(keys)))
	before := uint32(0)
	for i := range keys {
		k := &keys[i]
		if !fits(k, before) {
			return Row{}, fmt.Errorf("packing a key of group %d: %w", k.Group, errKeys)
		}
		b = binary.AppendUvarint(b, uint64(k.Group-before))
		b = binary.AppendUvarint(b, uint64(k.Epoch))
		b = binary.AppendUvarint(b, uint64(k.Version))
		b = binary.AppendUvarint(b, uint64(k.KEKVersion)) //nolint:gosec // fits says that it is not negative
		b = binary.AppendUvarint(b, uint64(len(k.Wrapped)))
		b = append(b, k.Wrapped...)
		before = k.Group
	}
	return Row{KEKVersion: lowest(keys), Keys: b}, nil
}

// fits reports whether k may stand after a key of the group before, and is in range.
func fits(k *vault.DataKey, before uint32) bool {
	if k.Group <= before || k.Epoch == 0 {
		return false
	}
	if len(k.Wrapped) == 0 {
		return k.Version == 0 && k.KEKVersion == 0
	}
	return k.Version > 0 && k.KEKVersion > 0
}

// lowest is the lowest version of the key-encryption key that wraps one of the keys.
func lowest(keys []vault.DataKey) int32 {
	low := int32(0)
	for i := range keys {
		if v := keys[i].KEKVersion; v > 0 && (low == 0 || v < low) {
			low = v
		}
	}
	return low
}

// Unpack appends the keys of a row to dst[:0] and returns them, by group. It takes
// exactly what [Pack] makes, and returns [vault.ErrIntegrity] for everything else. The
// wrapped keys alias the row; those that were destroyed have none.
func (r Row) Unpack(dst []vault.DataKey) ([]vault.DataKey, error) {
	p := parser{rest: r.Keys}
	if len(p.rest) == 0 || p.rest[0] != format {
		return nil, errUnpack()
	}
	p.rest = p.rest[1:]
	count := p.number(maxKeys)
	if p.bad || count == 0 || count > uint64(len(p.rest)/minKey) {
		return nil, errUnpack()
	}
	if dst = dst[:0]; uint64(cap(dst)) < count {
		dst = make([]vault.DataKey, 0, count)
	}
	before := uint32(0)
	for range count {
		k := p.key(before)
		if p.bad || !fits(&k, before) {
			return nil, errUnpack()
		}
		dst = append(dst, k)
		before = k.Group
	}
	if len(p.rest) > 0 || r.KEKVersion != lowest(dst) {
		return nil, errUnpack()
	}
	return dst, nil
}

func errUnpack() error { return fmt.Errorf("unpacking a person's keys: %w", vault.ErrIntegrity) }

// A parser takes numbers and keys off the front of a row. What does not fit makes it bad.
type parser struct {
	rest []byte
	bad  bool
}

// number takes a uvarint in its one shortest form, of at most the given size.
func (p *parser) number(most uint64) uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 || size > 1 && p.rest[size-1] == 0 || n > most {
		p.bad, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

// key takes a key that stands after one of the group before.
func (p *parser) key(before uint32) (k vault.DataKey) {
	k.Group = before + uint32(p.number(uint64(math.MaxUint32-before))) //nolint:gosec // within the range
	k.Epoch = uint32(p.number(math.MaxUint32))                         //nolint:gosec // within the range
	k.Version = uint32(p.number(math.MaxUint32))                       //nolint:gosec // within the range
	k.KEKVersion = int32(p.number(math.MaxInt32))                      //nolint:gosec // within the range
	if n := p.number(math.MaxInt32); n > uint64(len(p.rest)) {
		p.bad = true
	} else if n > 0 {
		k.Wrapped, p.rest = p.rest[:n:n], p.rest[n:]
	}
	return k
}

// Load gives the keys of a row, or what stands for keys that cannot be read. They alias
// the row.
func (r Row) Load() []vault.DataKey {
	keys, err := r.Unpack(nil)
	if err != nil {
		return vault.UnreadableKeys(r.Keys)
	}
	return keys
}

// Count adds to the wrapped keys that stand under each version. Keys that cannot be read
// count as one under version 0, below every other: they are not known to be above.
// It returns the list to unpack the next row into.
func (r Row) Count(into map[int32]int64, dst []vault.DataKey) []vault.DataKey {
	keys, err := r.Unpack(dst)
	if err != nil {
		into[0]++
		return dst
	}
	for i := range keys {
		if keys[i].Wrapped != nil {
			into[keys[i].KEKVersion]++
		}
	}
	return keys
}
