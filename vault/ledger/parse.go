package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Parse returns the entry whose form b is: Append gives b again, byte by byte.
// The error is [ErrNewer] for another version, [ErrEntry] for everything else.
// The entry keeps nothing of b.
func Parse(b []byte) (Entry, error) {
	switch {
	case len(b) == 0 || len(b) > MaxEntry || b[0] == 0:
		return Entry{}, fmt.Errorf("%w: form", ErrEntry)
	case b[0] != Version:
		return Entry{}, ErrNewer
	}
	p := parser{rest: b[1:], good: true}
	e := p.entry()
	if !p.good || len(p.rest) > 0 {
		return Entry{}, fmt.Errorf("%w: form", ErrEntry)
	}
	again, err := e.Append(make([]byte, 0, len(b)))
	if err != nil {
		return Entry{}, err
	}
	if !bytes.Equal(again, b) {
		return Entry{}, fmt.Errorf("%w: form", ErrEntry)
	}
	return e, nil
}

// parser reads an entry from left to right. Once something is wrong, good is
// false and stays so. It checks lengths only: Parse checks the rest.
type parser struct {
	rest []byte
	good bool
}

func (p *parser) entry() Entry {
	var e Entry
	e.Kind = coded(p, kinds())
	e.ID = p.uuid()
	e.At = time.UnixMicro(int64(p.number(8))).UTC() //nolint:gosec // two's complement is the form
	e.Event = p.uuid()
	e.Tenant = p.name()
	e.Lookup = p.bytes(LookupSize)
	e.UID = p.uuid()
	e.Generation = uint32(p.number(4)) //nolint:gosec // of 4 bytes
	switch e.Kind {
	case Erase:
		e.Certificate = p.certificate()
	case EraseGroups:
		e.Groups = p.groups()
		e.Certificate = p.certificate()
	case Withdraw:
		e.Decision = coded(p, decisions())
		e.Purpose = p.name()
	case Object:
		e.Purpose = p.name()
	case Restrict, Unrestrict, Hold, Release:
	}
	e.MAC = p.bytes(hashSize)
	return e
}

// take takes the next n bytes.
func (p *parser) take(n int) []byte {
	if !p.good || n > len(p.rest) {
		p.good = false
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// bytes takes the next n bytes and copies them; nil for none.
func (p *parser) bytes(n int) []byte { return append([]byte(nil), p.take(n)...) }

// number takes an unsigned number of n bytes, at most 8.
func (p *parser) number(n int) uint64 {
	var b [8]byte
	copy(b[8-n:], p.take(n))
	return binary.BigEndian.Uint64(b[:])
}

func (p *parser) uuid() (id uuid.UUID) {
	copy(id[:], p.take(len(id)))
	return id
}

func (p *parser) name() string { return string(p.take(int(p.number(1)))) } //nolint:gosec // of 1 byte

func (p *parser) certificate() []byte {
	n := p.number(4)
	if n > MaxCertificate {
		p.good = false
		return nil
	}
	return p.bytes(int(n))
}

func (p *parser) groups() []GroupEpoch {
	n := p.number(2)
	if n > MaxGroups {
		p.good = false
		return nil
	}
	list := make([]GroupEpoch, n)
	for i := range list {
		list[i] = GroupEpoch{Group: uint32(p.number(4)), Epoch: uint32(p.number(4))} //nolint:gosec // of 4 bytes each
	}
	return list
}

// coded takes a byte that stands for a member of list.
func coded[T any](p *parser, list []T) (v T) {
	n := int(p.number(1)) //nolint:gosec // of 1 byte
	if n < 1 || n > len(list) {
		p.good = false
		return v
	}
	return list[n-1]
}
