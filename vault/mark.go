package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldvault/fieldvault/crypto/field"
)

// markSize is the bytes of the MAC at the head of a mark.
const markSize = field.ShortSize

// mark is the MAC over a person's row, and behind it the digests of what the row
// answers for (see standing), which the MAC covers. So a change by SQL does not
// count, nor does a consent or a key of an earlier epoch that is put back.
func (t *tenant) mark(s *Subject, answersFor []byte) []byte {
	generation, flags := markParts(s)
	mac := t.mac.Short("subject", s.Lookup, s.UID[:], generation, flags, answersFor)
	return append(mac[:], answersFor...)
}

func (t *tenant) marked(s *Subject) bool {
	if len(s.Mark) < markSize {
		return false
	}
	generation, flags := markParts(s)
	return t.mac.VerifyShort(s.Mark[:markSize], "subject", s.Lookup, s.UID[:], generation, flags, s.Mark[markSize:])
}

// markParts are the numbers that a mark covers.
func markParts(s *Subject) (generation, flags []byte) {
	b := make([]byte, 4, 7)
	binary.BigEndian.PutUint32(b, s.Generation)
	for _, is := range [...]bool{s.State == Erased, s.Restricted, s.Held} {
		if is {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b[:4:4], b[4:]
}

// stands says whether these consents, and these keys, are the ones that the row
// answers for. The row's mark must be good.
func stands(s *Subject, consents []Consent, keys []DataKey) (consentsStand, keysStand bool) {
	var want [2 * sha256.Size]byte
	switch has := s.Mark[markSize:]; len(has) {
	case 0:
	case len(want):
		want = [2 * sha256.Size]byte(has)
	default:
		return false, false
	}
	c, k := consentDigest(consents), epochDigest(keys)
	return [sha256.Size]byte(want[:sha256.Size]) == c, [sha256.Size]byte(want[sha256.Size:]) == k
}

// standing is a digest of the current consents and one of the groups that were
// erased; zeros for none, and nothing while there are neither.
func standing(consents []Consent, keys []DataKey) []byte {
	c, k := consentDigest(consents), epochDigest(keys)
	if c == [sha256.Size]byte{} && k == c {
		return nil
	}
	return append(c[:], k[:]...)
}

func consentDigest(consents []Consent) (sum [sha256.Size]byte) {
	if len(consents) == 0 {
		return sum
	}
	consents = slices.Clone(consents)
	slices.SortFunc(consents, func(x, y Consent) int { return strings.Compare(x.Purpose, y.Purpose) })
	var b []byte
	for i := range consents {
		b = append(binary.AppendUvarint(b, uint64(len(consents[i].Purpose))), consents[i].Purpose...)
		b = append(binary.AppendUvarint(b, uint64(len(consents[i].MAC))), consents[i].MAC...)
	}
	return sha256.Sum256(b)
}

func epochDigest(keys []DataKey) (sum [sha256.Size]byte) {
	first := func(k DataKey) bool { return k.Epoch <= 1 }
	if !slices.ContainsFunc(keys, func(k DataKey) bool { return !first(k) }) {
		return sum
	}
	keys = slices.DeleteFunc(slices.Clone(keys), first)
	slices.SortFunc(keys, func(x, y DataKey) int { return cmp.Compare(x.Group, y.Group) })
	var b []byte
	for i := range keys {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(keys[i].Group)), uint64(keys[i].Epoch))
	}
	return sha256.Sum256(b)
}

// change writes a person's row back with its new mark. What it answers for stays
// as it is: answer changes that.
func (t *tenant) change(ctx context.Context, tx Tx, p *Subject) error {
	p.Mark = t.mark(p, p.Mark[markSize:])
	if err := tx.UpdateSubject(ctx, *p, p.Generation); err != nil {
		return fmt.Errorf("changing a person's row: %w", err)
	}
	return nil
}

// answer makes the row answer for the keys as they now stand in the transaction
// and, unless they did not stand before, for the consents.
func (t *tenant) answer(ctx context.Context, tx Tx, p *Subject, consentsStood bool) error {
	consents, err := tx.Consents(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading consents: %w", err)
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	now := standing(consents, keys)
	if was := p.Mark[markSize:]; !consentsStood && len(now) > 0 {
		clear(now[:sha256.Size])
		copy(now, was)
		keysNow := epochDigest(keys)
		copy(now[sha256.Size:], keysNow[:])
	}
	p.Mark = append(p.Mark[:markSize:markSize], now...)
	return t.change(ctx, tx, p)
}

// consents reads the person's consents. stand is false, and there are none, if
// they are not the ones that the row answers for. ErrIntegrity if the keys are not.
func (t *tenant) consents(ctx context.Context, tx Tx, p *Subject) (list []Consent, stand bool, err error) {
	if list, err = tx.Consents(ctx, t.row.ID, p.UID); err != nil {
		return nil, false, fmt.Errorf("reading consents: %w", err)
	}
	keys, err := tx.Keys(ctx, t.row.ID, p.UID)
	if err != nil {
		return nil, false, fmt.Errorf("reading keys: %w", err)
	}
	stand, keysStand := stands(p, list, keys)
	switch {
	case !keysStand:
		return nil, false, ErrIntegrity
	case !stand:
		return nil, false, nil
	}
	return list, true, nil
}
