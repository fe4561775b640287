package vault

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/field"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/token"
)

// A TokenKind says how the text of a token is made, and whether asking again gives it again.
type TokenKind string

// The kinds. Whatever the kind, a token stands for one field of one record of one person, for
// the purpose for which it was made, and shows what stands in that field when it is used.
const (
	// TokenRandom is a new text each time.
	TokenRandom TokenKind = "random"
	// TokenDeterministic is the same text each time for the same value in the same field of
	// the same record, for one purpose. Whoever sees two of them learns whether they are of
	// the same field with the same value, and nothing of other records or people.
	TokenDeterministic TokenKind = "deterministic"
	// TokenFormat has the form that the catalog demands for the field. It is the same each
	// time as a deterministic one is, unless it expires or is for a single use.
	TokenFormat TokenKind = "format"
)

const (
	// MaxTokens is how many tokens that have not expired a field of a record may have.
	MaxTokens = 1000
	// MaxTokenLife is the longest time after which a token may expire: ten years.
	MaxTokenLife = 3653 * 24 * time.Hour
)

// number is the kind as it is stored; 0 for what is none.
func (k TokenKind) number() int16 {
	return int16(slices.Index([]TokenKind{TokenRandom, TokenDeterministic, TokenFormat}, k) + 1) //nolint:gosec // at most 3
}

// kindOfToken is the kind that is stored as a number.
func kindOfToken(n int16) TokenKind {
	for _, k := range []TokenKind{TokenRandom, TokenDeterministic, TokenFormat} {
		if k.number() == n {
			return k
		}
	}
	return ""
}

// The labels of keyed hashes about tokens.
const (
	labelTokenHash   = "token"
	labelTokenRow    = "token-row"
	labelTokenFormat = "token-format"
)

// tokenHash finds a token: a keyed hash of its text.
func (t *tenant) tokenHash(text string) []byte {
	h := t.lookup.Sum(labelTokenHash, []byte(text))
	return h[:]
}

// stampToken is the MAC of a token's row: moved to another person, field or purpose, or
// with another end, it counts for nothing.
func (t *tenant) stampToken(r *TokenRow) []byte {
	sum := t.mac.Sum(labelTokenRow, tokenParts(r)...)
	return sum[:]
}

func (t *tenant) tokenStands(r *TokenRow) bool {
	return t.mac.Verify(r.MAC, labelTokenRow, tokenParts(r)...)
}

func tokenParts(r *TokenRow) [][]byte {
	numbers := binary.BigEndian.AppendUint32(be32(r.Place.Collection), r.Place.Field)
	numbers = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(numbers, r.Group), r.Epoch)
	once := byte(0)
	if r.Once {
		once = 1
	}
	numbers = append(numbers, byte(r.Kind), once) //nolint:gosec // kinds are few
	times := binary.BigEndian.AppendUint64(nil, uint64(r.Created.UnixMicro()))
	if !r.Expires.IsZero() {
		times = binary.BigEndian.AppendUint64(times, uint64(r.Expires.UnixMicro()))
	}
	return [][]byte{r.Hash, r.UID[:], numbers, []byte(r.Place.Record), []byte(r.Purpose), times, r.Sealed}
}

// tokenExpired says whether a token's time is over.
func tokenExpired(r *TokenRow, now time.Time) bool {
	return !r.Expires.IsZero() && !now.Before(r.Expires)
}

// keptPlace is where what is kept of a token belongs: to its own row. No record has such a
// name.
func (t *tenant) keptPlace(r *TokenRow) field.Place {
	return field.Place{
		Tenant: t.row.Name, UID: r.UID, Group: r.Group, Epoch: r.Epoch, Collection: r.Place.Collection,
		Record: "/token/" + base64.RawURLEncoding.EncodeToString(r.Hash), Field: r.Place.Field,
	}
}

// sealToken seals what is kept of a token, and stamps its row.
func (t *tenant) sealToken(r *TokenRow, k *field.Key, kept *token.Kept) (err error) {
	if kept != nil {
		v := kept.Sealable()
		r.Sealed, err = k.Seal(t.keptPlace(r), v)
		v.Wipe()
		if err != nil {
			return fmt.Errorf("sealing what is kept of a token: %w", err)
		}
	}
	r.MAC = t.stampToken(r)
	return nil
}

// keptToken opens what is kept of a token. ErrIntegrity: it does not open.
func (t *tenant) keptToken(r *TokenRow, k *field.Key) (token.Kept, error) {
	v, err := k.Open(t.keptPlace(r), r.Sealed)
	if err != nil {
		return token.Kept{}, ErrIntegrity
	}
	defer v.Wipe()
	kept, err := token.ParseKept(v)
	if err != nil {
		return token.Kept{}, ErrIntegrity
	}
	return kept, nil
}

// A minting makes the texts of tokens for one value.
type minting struct {
	kind   TokenKind
	format token.Format
	key    [32]byte
	value  *tokenValue
}

// minting prepares to make texts for a field.
func (t *tenant) minting(kind TokenKind, coll *catalog.Collection, f *catalog.Field, v *tokenValue) minting {
	m := minting{kind: kind, value: v}
	if kind == TokenFormat && f.Token != nil {
		m.format = formatOf(f)
		m.key = t.mac.Sum(labelTokenFormat, be32(coll.ID), be32(f.ID), []byte(m.format.Alphabet))
	}
	return m
}

// formatOf is the form of the tokens of a field that has one.
func formatOf(f *catalog.Field) token.Format {
	return token.Format{Alphabet: f.Token.Characters(), Length: f.Token.Length, Keep: f.Token.Keep}
}

func (m *minting) text() (string, error) {
	if m.kind == TokenFormat {
		return m.format.Make(m.key, rand.Reader, m.value.plain)
	}
	return token.New(rand.Reader)
}

// row is a token of the text, but for what is sealed of it and its MAC.
func (k *tokenising) row(it *tokenItem, text string) TokenRow {
	r := TokenRow{
		Tenant: k.t.row.ID, Hash: k.t.tokenHash(text), UID: it.person.uid, Place: it.place, Group: it.sealed.Group, Epoch: it.sealed.Epoch,
		Purpose: string(k.c.Purpose), Kind: k.in.Kind.number(), Once: k.in.Once, Created: k.at,
	}
	if k.in.Life > 0 {
		r.Expires = k.at.Add(k.in.Life)
	}
	return r
}

// hashesOf are the keyed hashes of texts; nil for what is no text of a token.
func (t *tenant) hashesOf(texts []string) [][]byte {
	list := make([][]byte, len(texts))
	for i, s := range texts {
		if len(s) > 0 && len(s) <= token.MaxLen {
			list[i] = t.tokenHash(s)
		}
	}
	return list
}

// A tokenOwner finds whose token a row is.
type tokenOwner struct {
	row    *TokenRow
	lookup []byte
}

// ownersOf are the live tokens among hashes, by hash.
func ownersOf(rows []TokenRow, lookups map[uuid.UUID][]byte) map[string]tokenOwner {
	m := make(map[string]tokenOwner, len(rows))
	for i := range rows {
		if lookup, ok := lookups[rows[i].UID]; ok {
			m[string(rows[i].Hash)] = tokenOwner{&rows[i], lookup}
		}
	}
	return m
}
