package trail

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/fieldvault/fieldvault/audit/tree"
)

// Events that are written together share most of what they say, and a row costs the store
// more than what is in it. So a row holds the leaf of one event as it is, or those of
// several, packed: the byte 1, their number, and a block of S2 with the bundle of their
// leaves ([tree.AppendEntry]). A leaf does not begin with that byte.
const packed = 1

const (
	// MaxPack is how many events a row holds at most.
	MaxPack = 32
	// MaxPackSize is how many bytes the bundle of several events has at most.
	MaxPackSize = 1 << 15
)

// ErrPack says that a row holds no pack, although it begins like one.
var ErrPack = errors.New("trail: no pack of events")

// A Packer packs events that are written together. The zero value is empty.
type Packer struct {
	bundle []byte
	events int
	block  []byte
}

// Fits says whether a leaf of the given size may be added.
func (p *Packer) Fits(size int) bool {
	return p.events == 0 || p.events < MaxPack && len(p.bundle)+2+size <= MaxPackSize
}

// Add adds a leaf.
func (p *Packer) Add(leaf []byte) error {
	b, err := tree.AppendEntry(p.bundle, leaf)
	if err != nil {
		return fmt.Errorf("packing events: %w", err)
	}
	p.bundle, p.events = b, p.events+1
	return nil
}

// Events is how many leaves were added.
func (p *Packer) Events() int { return p.events }

// Append appends what the row of the leaves holds to dst, and begins anew.
func (p *Packer) Append(dst []byte) []byte {
	if p.events == 1 {
		dst = append(dst, p.bundle[2:]...)
	} else if p.events > 1 {
		if n := s2.MaxEncodedLen(len(p.bundle)); len(p.block) < n {
			p.block = make([]byte, n)
		}
		dst = append(append(dst, packed, byte(p.events)), s2.Encode(p.block, p.bundle)...) //nolint:gosec // at most MaxPack
	}
	p.bundle, p.events = p.bundle[:0], 0
	return dst
}

// Unpack returns the leaves of a row, one or more. ErrPack if it begins like a pack and is
// none.
func Unpack(row []byte) ([][]byte, error) {
	leaves, _, err := unpack(row, nil)
	return leaves, err
}

// unpack has room for the bundle, and returns it to be used again.
func unpack(row, room []byte) (leaves [][]byte, bundle []byte, err error) {
	if len(row) == 0 || row[0] != packed {
		return [][]byte{row}, room, nil
	}
	if len(row) < 2 || row[1] < 2 || row[1] > MaxPack {
		return nil, room, fmt.Errorf("%w: the number of events", ErrPack)
	}
	n, err := s2.DecodedLen(row[2:])
	if err != nil || n > MaxPackSize {
		return nil, room, fmt.Errorf("%w: the size", ErrPack)
	}
	if cap(room) < n {
		room = make([]byte, n)
	}
	bundle, err = s2.Decode(room[:n], row[2:])
	if err != nil {
		return nil, room, fmt.Errorf("%w: %w", ErrPack, err)
	}
	leaves, err = tree.SplitEntries(bundle, int(row[1]))
	if err != nil {
		return nil, room, fmt.Errorf("%w: %w", ErrPack, err)
	}
	return leaves, bundle, nil
}

// eventsIn says how many events a row holds, without unpacking it.
func eventsIn(row []byte) int {
	if len(row) < 2 || row[0] != packed {
		return 1
	}
	return int(min(row[1], MaxPack))
}

// An Opener takes events out of rows. A row is unpacked once for entries that come one
// after the other.
type Opener struct {
	opened bool
	row    int64
	leaves [][]byte // of a pack; none: it is not one
	bundle []byte
}

// Open sets what an entry says of its event, from its Row and Part and from what the row
// holds, which may be used again; nil: there is none. Where the row has no such event, Body
// is empty and not nil, which is no leaf.
func (o *Opener) Open(e *Entry, row []byte) {
	e.Body, e.Rest = nil, 0
	if row == nil {
		return
	}
	if len(row) == 0 || row[0] != packed {
		if e.Body = []byte{}; e.Part == 0 {
			e.Body = append(e.Body, row...)
		}
		return
	}
	if !o.opened || o.row != e.Row {
		o.leaves, o.bundle, _ = unpack(row, o.bundle) // the leaves say whether it is a pack
		o.opened, o.row = true, e.Row
	}
	e.Body = []byte{}
	if e.Part >= 0 && e.Part < len(o.leaves) {
		e.Body, e.Rest = append(e.Body, o.leaves[e.Part]...), len(o.leaves)-1-e.Part
	}
}
