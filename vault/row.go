package vault

import (
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/crypto/field"
)

// rowMAC is the bytes of the MAC at the end of a stored record. Each sealed value
// is bound to its own place and revision; the MAC binds the record as a whole:
// which fields it has, since when, and at which revision.
const rowMAC = field.ShortSize

// packRow packs the fields of a record for storage.
func (t *tenant) packRow(uid uuid.UUID, r *Record, fields []field.Sealed) ([]byte, error) {
	packed, err := field.AppendPacked(nil, fields)
	if err != nil {
		return nil, err
	}
	mac := t.mac.Short("record", uid[:], rowNumbers(r), []byte(r.Record), packed)
	return append(packed, mac[:]...), nil
}

// unpackRow returns the fields of a stored record, which alias it. ErrIntegrity
// if a byte of them, or of the row around them, was changed.
func (t *tenant) unpackRow(uid uuid.UUID, r *Record) ([]field.Sealed, error) {
	return t.unpackInto(nil, uid, r)
}

// unpackInto is unpackRow that uses the memory of dst, if there is enough.
func (t *tenant) unpackInto(dst []field.Sealed, uid uuid.UUID, r *Record) ([]field.Sealed, error) {
	if len(r.Sealed) <= rowMAC {
		return nil, ErrIntegrity
	}
	packed, mac := r.Sealed[:len(r.Sealed)-rowMAC], r.Sealed[len(r.Sealed)-rowMAC:]
	if !t.mac.VerifyShort(mac, "record", uid[:], rowNumbers(r), []byte(r.Record), packed) {
		return nil, ErrIntegrity
	}
	fields, err := field.ParsePacked(packed, dst)
	if err != nil {
		return nil, ErrIntegrity
	}
	return fields, nil
}

// rowNumbers are the collection and the revision, as the MAC covers them.
func rowNumbers(r *Record) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint32(b, r.Collection)
	binary.BigEndian.PutUint64(b[4:], r.Revision)
	return b
}

// recordID is what the log names a record by: a UUID of version 8 (RFC 9562) that is
// the short MAC of its place. So it is one through deletion and coming back, for as
// long as the person has this uid, and nothing has to be stored. Without the tenant's
// MAC key it tells nothing, nor that two ids are of one name. With that key and a uid,
// a guess of a record's name can be tested: names must say nothing about a person, here
// as in the table where they stand in clear.
func (t *tenant) recordID(uid uuid.UUID, collection uint32, record string) uuid.UUID {
	id := uuid.UUID(t.mac.Short("record-id", uid[:], be32(collection), []byte(record)))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// wrote names a record, as it was written, in an event.
func (t *tenant) wrote(uid uuid.UUID, r *Record) audit.Write {
	return audit.Write{Row: t.recordID(uid, r.Collection, r.Record), Revision: r.Revision, Collection: r.Collection}
}
