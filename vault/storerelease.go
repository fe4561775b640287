package vault

import "context"

// A ReleaseTurn says when tables about a collection were released for a purpose. Times are
// in microseconds since 1970, 0: never. Without a good MAC nothing is released.
type ReleaseTurn struct {
	Tenant     int32
	Collection uint32
	Purpose    string
	Releases   int64  // tables that were released, ever
	Tries      int64  // requests whose data were read, ever, released or not
	First      int64  // of Tries, when the present turn began
	Began      int64  // when the present turn began
	Last       int64  // when a table was released last; it is Began if this turn's was
	MAC        []byte // under the tenant's key, over all of the above
}

// ReleaseTx keeps when tables were released.
type ReleaseTx interface {
	// InsertReleaseTurn stores a row unless there is one of the same (tenant, collection,
	// purpose).
	InsertReleaseTurn(ctx context.Context, r ReleaseTurn) (inserted bool, err error)
	// LockReleaseTurn returns a row, locked until the transaction ends. ErrNoRow if absent.
	LockReleaseTurn(ctx context.Context, tenant int32, collection uint32, purpose string) (ReleaseTurn, error)
	// PutReleaseTurn writes a row that LockReleaseTurn returned in this transaction. The
	// schema, too, lets no number fall, and no row be deleted.
	PutReleaseTurn(ctx context.Context, r ReleaseTurn) error
	// ReleaseTurns lists the rows of a tenant by (collection, purpose).
	ReleaseTurns(ctx context.Context, tenant int32) ([]ReleaseTurn, error)
}
