package vault

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// A TokenPlace is the field of a record for which a token stands.
type TokenPlace struct {
	Collection uint32
	Record     string
	Field      uint32
}

// A TokenRow is one token. Its text is not in it in clear: who has the table has no token,
// and learns from one only with the tenant's key which row it is. It is a row of the
// person's: the sweep removes it too.
type TokenRow struct {
	Tenant  int32
	Hash    []byte // 32 bytes: keyed hash of the text; no two of a tenant are alike
	UID     uuid.UUID
	Place   TokenPlace
	Group   uint32 // of the field, and its epoch when the token was made
	Epoch   uint32
	Purpose string
	Kind    int16
	Once    bool
	Created time.Time
	Expires time.Time // zero: never
	Sealed  []byte    // the text and what it was made for, under the person's key; nil: not kept
	MAC     []byte    // under the tenant's key, over all of the above
}

// TokenTx keeps tokens. No method changes for whom, what or how long one stands.
type TokenTx interface {
	// InsertTokens stores rows of one tenant, and returns the hashes of those that it did
	// not store since the tenant has a token of the same hash. No two rows have one hash.
	InsertTokens(ctx context.Context, tenant int32, rows []TokenRow) (taken [][]byte, err error)
	// TokensByHash finds the tokens of these hashes, in any order.
	TokensByHash(ctx context.Context, tenant int32, hashes [][]byte) ([]TokenRow, error)
	// TokensOf lists at most limit tokens of a person by hash, after the given one.
	TokensOf(ctx context.Context, tenant int32, uid uuid.UUID, after []byte, limit int) ([]TokenRow, error)
	// CountTokens says how many tokens of a place have not expired at a time.
	CountTokens(ctx context.Context, tenant int32, uid uuid.UUID, place TokenPlace, at time.Time) (int, error)
	// KeptTokens lists the tokens of a place, purpose and kind that have Sealed, newest first.
	KeptTokens(ctx context.Context, tenant int32, uid uuid.UUID, place TokenPlace, purpose string, kind int16) ([]TokenRow, error)
	// ResealToken writes Sealed and MAC of the row with r's tenant, hash and uid. ErrStale
	// unless there is one.
	ResealToken(ctx context.Context, r TokenRow) error
	// SpendTokens removes tokens, and returns the hashes of those that stood: of two callers
	// one is told so.
	SpendTokens(ctx context.Context, tenant int32, hashes [][]byte) (spent [][]byte, err error)
	// DropFieldTokens removes the tokens of fields of a record, nil: of all its fields.
	DropFieldTokens(ctx context.Context, tenant int32, uid uuid.UUID, ref RecordRef, fields []uint32) error
	// DropGroupTokens removes the tokens of a person's group of epochs below the given one.
	DropGroupTokens(ctx context.Context, tenant int32, uid uuid.UUID, group, epoch uint32) error
	// DropTokens removes at most limit tokens that expired before t, of all tenants, and
	// says how many.
	DropTokens(ctx context.Context, t time.Time, limit int) (int, error)
	// Tokens lists at most limit tokens of a tenant by hash, after the given one.
	Tokens(ctx context.Context, tenant int32, after []byte, limit int) ([]TokenRow, error)
}
