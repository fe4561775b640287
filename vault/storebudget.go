package vault

import (
	"context"

	"github.com/google/uuid"
)

// A BudgetRow is what was spent of the budget of a collection's statistics for a
// purpose. Without a good MAC it counts as spent.
type BudgetRow struct {
	Tenant     int32
	Collection uint32
	Purpose    string
	Rho        int64 // in billionths
	Delta      int64 // in 10^-15
	Answers    int64
	MAC        []byte // under the tenant's key, over all of the above
}

// A SurveyQuery asks for the records of a collection, of the living.
type SurveyQuery struct {
	Tenant     int32
	Collection uint32
	AfterUID   uuid.UUID // continue after (uid, record)
	AfterRec   string
	Limit      int
}

// BudgetTx keeps what statistics have spent, and lists whom they may be about.
type BudgetTx interface {
	// InsertBudget stores a row unless there is one of the same (tenant, collection,
	// purpose).
	InsertBudget(ctx context.Context, b BudgetRow) (inserted bool, err error)
	// LockBudget returns a row, locked until the transaction ends. ErrNoRow if absent.
	LockBudget(ctx context.Context, tenant int32, collection uint32, purpose string) (BudgetRow, error)
	// PutBudget writes a row that LockBudget returned in this transaction. The schema,
	// too, lets no number fall, and no row be deleted.
	PutBudget(ctx context.Context, b BudgetRow) error
	// Budgets lists the rows of a tenant by (collection, purpose).
	Budgets(ctx context.Context, tenant int32) ([]BudgetRow, error)
	// SurveyRecords lists undeleted records of live people by (uid, record).
	SurveyRecords(ctx context.Context, q SurveyQuery) ([]Candidate, error)
}
