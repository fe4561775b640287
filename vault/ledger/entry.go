package ledger

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Version is the version of the format that [Entry.Append] writes.
const Version = 1

// Bounds of an entry.
const (
	MaxGroups      = 256     // groups of an erasure of groups
	MaxCertificate = 1 << 16 // bytes of a certificate
	MaxEntry       = 1<<16 + 1<<12
)

// Kind says what was done. The zero value is no kind.
type Kind string

// The kinds of entries. A new one comes with a new version of the format.
const (
	Erase       Kind = "erase"        // the life that UID names ended
	EraseGroups Kind = "erase_groups" // groups of it ended, up to an epoch
	Withdraw    Kind = "withdraw"     // a consent was refused or withdrawn
	Object      Kind = "object"       // an objection to a purpose
	Restrict    Kind = "restrict"     // a restriction began
	Unrestrict  Kind = "unrestrict"   // it ended
	Hold        Kind = "hold"         // a legal hold began
	Release     Kind = "release"      // it ended
)

// The decisions of a [Withdraw].
const (
	Withdrawn = "withdrawn"
	Refused   = "refused"
)

// GroupEpoch says that the epochs of a key group below Epoch are dead.
type GroupEpoch struct {
	Group uint32 // id in the catalog, from 1
	Epoch uint32 // from 2: the first one that may live
}

// An Entry is one thing that must not be forgotten about one life of a person. It
// holds no personal data, no free text and no external id.
//
// Its slices belong to the caller; the functions of this package do not keep or
// change them, apart from those of an [Index], which copies.
type Entry struct {
	ID     uuid.UUID // of the entry, from outside: appended twice, it stands once
	Kind   Kind
	Tenant string // [a-z][a-z0-9-]{0,62}
	// Lookup is the keyed hash of the external id, LookupSize bytes. It finds the person
	// in the directory of a database that has forgotten the UID, or never had it.
	Lookup     []byte
	UID        uuid.UUID // of the life meant
	Generation uint32    // of that life, from 1

	Groups   []GroupEpoch // EraseGroups: 1 to MaxGroups, strictly ascending by group
	Purpose  string       // Withdraw, Object: [a-z][a-z0-9_]{0,62}
	Decision string       // Withdraw: Withdrawn or Refused

	// Certificate is the signed statement of an Erase or EraseGroups, so that a
	// replay can put it back; at most MaxCertificate bytes, empty if there is none.
	Certificate []byte

	Event uuid.UUID // the audit event that records it
	At    time.Time // when: UTC, whole microseconds, years 1 to 9999

	// MAC is the caller's, 32 bytes over Signed under a key of the tenant. The
	// ledger carries it and does not check it.
	MAC []byte
}

// Placed is an entry with its position in a ledger, from 1.
type Placed struct {
	Position int64
	Entry
}

// The bytes that stand for kinds and decisions in the format: their place in
// these lists, from 1.
func kinds() []Kind {
	return []Kind{Erase, EraseGroups, Withdraw, Object, Restrict, Unrestrict, Hold, Release}
}

func decisions() []string { return []string{Withdrawn, Refused} }

// Append appends the entry's one form, described in FORMAT.md. The error is
// [ErrEntry] if the entry lacks a part, has one that its kind does not have, or
// breaks a bound; dst is then returned as it was.
func (e *Entry) Append(dst []byte) ([]byte, error) {
	if part := e.invalid(); part != "" {
		return dst, fmt.Errorf("%w: %s", ErrEntry, part)
	}
	if len(e.MAC) != hashSize {
		return dst, fmt.Errorf("%w: MAC", ErrEntry)
	}
	return append(e.appendSigned(dst), e.MAC...), nil
}

// Signed returns what the MAC is made over: all of the entry's form before the
// MAC. Two different entries never have the same. It is nil if the entry, whatever
// its MAC, is not valid.
func (e *Entry) Signed() []byte {
	if e.invalid() != "" {
		return nil
	}
	return e.appendSigned(nil)
}

func (e *Entry) appendSigned(b []byte) []byte {
	b = append(b, Version, code(kinds(), e.Kind))
	b = append(b, e.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMicro()))
	b = append(b, e.Event[:]...)
	b = appendName(b, e.Tenant)
	b = append(b, e.Lookup...)
	b = append(b, e.UID[:]...)
	b = binary.BigEndian.AppendUint32(b, e.Generation)
	switch e.Kind {
	case Erase:
		b = e.appendCertificate(b)
	case EraseGroups:
		b = e.appendCertificate(e.appendGroups(b))
	case Withdraw:
		b = appendName(append(b, code(decisions(), e.Decision)), e.Purpose)
	case Object:
		b = appendName(b, e.Purpose)
	case Restrict, Unrestrict, Hold, Release:
	}
	return b
}

func (e *Entry) appendGroups(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(e.Groups))) //nolint:gosec // invalid has checked it
	for _, g := range e.Groups {
		b = binary.BigEndian.AppendUint32(b, g.Group)
		b = binary.BigEndian.AppendUint32(b, g.Epoch)
	}
	return b
}

func (e *Entry) appendCertificate(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Certificate))) //nolint:gosec // invalid has checked it
	return append(b, e.Certificate...)
}

func appendName(b []byte, s string) []byte {
	return append(append(b, byte(len(s))), s...) //nolint:gosec // at most maxName
}

// code is the place of v in list, from 1; 0 if it is not there.
func code[T comparable](list []T, v T) byte {
	for i, x := range list {
		if x == v {
			return byte(i + 1)
		}
	}
	return 0
}
