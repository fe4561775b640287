package vault

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// A RequestRow is a person's request with what they wrote and were told: a row of the
// person's, which the sweep removes.
type RequestRow struct {
	Tenant int32
	UID    uuid.UUID
	ID     uuid.UUID
	Filed  time.Time
	Body   []byte // facts and steps; words are sealed in it
	MAC    []byte // under the tenant's key, over all of the above
}

// A RequestLog is what is kept of a request after its person: no personal data. It has
// the id of the request.
type RequestLog struct {
	Tenant   int32
	ID       uuid.UUID
	Open     bool      // not ended, or a recipient has yet to be told
	Due      time.Time // when the answer is late, whatever the state
	Reminded time.Time // up to when reminders of it were told
	Forget   time.Time // from when on it may be removed; zero while open
	Body     []byte    // the facts
	MAC      []byte    // under the tenant's key, over all of the above
}

// A RequestLogQuery asks for log rows of a tenant by (Due, ID), after a place.
type RequestLogQuery struct {
	Tenant       int32
	OpenOnly     bool
	DueBefore    time.Time // zero: whenever due
	ForgetBefore time.Time // zero: all; else only those whose Forget is set, and before it
	AfterDue     time.Time // the zero place is the beginning
	AfterID      uuid.UUID
	Limit        int
}

// RequestTx keeps people's requests and their log.
type RequestTx interface {
	// PutRequest stores a request, or Body and MAC of the one of the same (tenant, id)
	// and uid. ErrStale if another person has the id.
	PutRequest(ctx context.Context, r RequestRow) error
	// RequestRow reads one. ErrNoRow if the tenant has none of that id.
	RequestRow(ctx context.Context, tenant int32, id uuid.UUID) (RequestRow, error)
	// RequestsOf lists a person's, by (Filed, ID).
	RequestsOf(ctx context.Context, tenant int32, uid uuid.UUID) ([]RequestRow, error)
	// PutRequestLog stores a log row, in place of the one of the same (tenant, id).
	PutRequestLog(ctx context.Context, l RequestLog) error
	// RequestLog reads one. ErrNoRow if the tenant has none of that id.
	RequestLog(ctx context.Context, tenant int32, id uuid.UUID, lock Lock) (RequestLog, error)
	// RequestLogs lists log rows.
	RequestLogs(ctx context.Context, q RequestLogQuery) ([]RequestLog, error)
	// DropRequest removes the request and the log row of an id, as far as they are there.
	DropRequest(ctx context.Context, tenant int32, id uuid.UUID) error
}
