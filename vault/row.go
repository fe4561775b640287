package vault

import (
	"crypto/subtle"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// rowMAC is the bytes of the MAC at the end of a stored record. Each sealed value
// is bound to its own place and revision; the MAC binds the record as a whole:
// which fields it has, since when, and at which revision.
const rowMAC = 16

// packRow packs the fields of a record for storage.
func (t *tenant) packRow(uid uuid.UUID, r *Record, fields []field.Sealed) ([]byte, error) {
	packed, err := field.AppendPacked(nil, fields)
	if err != nil {
		return nil, err
	}
	sum := t.mac.Sum("record", rowParts(uid, r, packed)...)
	return append(packed, sum[:rowMAC]...), nil
}

// unpackRow returns the fields of a stored record, which alias it. ErrIntegrity
// if a byte of them, or of the row around them, was changed.
func (t *tenant) unpackRow(uid uuid.UUID, r *Record) ([]field.Sealed, error) {
	if len(r.Sealed) <= rowMAC {
		return nil, ErrIntegrity
	}
	packed, mac := r.Sealed[:len(r.Sealed)-rowMAC], r.Sealed[len(r.Sealed)-rowMAC:]
	sum := t.mac.Sum("record", rowParts(uid, r, packed)...)
	if subtle.ConstantTimeCompare(mac, sum[:rowMAC]) != 1 {
		return nil, ErrIntegrity
	}
	fields, err := field.ParsePacked(packed, nil)
	if err != nil {
		return nil, ErrIntegrity
	}
	return fields, nil
}

func rowParts(uid uuid.UUID, r *Record, packed []byte) [][]byte {
	numbers := binary.BigEndian.AppendUint64(be32(r.Collection), r.Revision)
	return [][]byte{uid[:], numbers, []byte(r.Record), r.Row[:], packed}
}
