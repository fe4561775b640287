package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const insertBudget = `
INSERT INTO budget (tenant, collection, purpose, rho, delta, answers, mac) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, collection, purpose) DO NOTHING`

func (t *tx) InsertBudget(ctx context.Context, b vault.BudgetRow) (bool, error) {
	n, err := t.exec(ctx, "storing a budget", insertBudget, b.Tenant, b.Collection, b.Purpose, b.Rho, b.Delta, b.Answers, some(b.MAC))
	return n == 1, err
}

const (
	budgetColumns = `tenant, collection, purpose, rho, delta, answers, mac`
	lockBudget    = `SELECT ` + budgetColumns + ` FROM budget WHERE tenant = $1 AND collection = $2 AND purpose = $3 FOR UPDATE`
)

func (t *tx) LockBudget(ctx context.Context, tenant int32, collection uint32, purpose string) (vault.BudgetRow, error) {
	return first(ctx, t, "locking a budget", lockBudget, []any{tenant, collection, purpose}, readBudget)
}

func readBudget(r pgx.CollectableRow) (b vault.BudgetRow, err error) {
	err = r.Scan(&b.Tenant, &b.Collection, &b.Purpose, &b.Rho, &b.Delta, &b.Answers, &b.MAC)
	return b, err
}

const putBudget = `
UPDATE budget SET rho = $4, delta = $5, answers = $6, mac = $7 WHERE tenant = $1 AND collection = $2 AND purpose = $3`

// PutBudget is [vault.ErrNoRow] when the row is not there.
func (t *tx) PutBudget(ctx context.Context, b vault.BudgetRow) error {
	const doing = "storing a budget"
	n, err := t.exec(ctx, doing, putBudget, b.Tenant, b.Collection, b.Purpose, b.Rho, b.Delta, b.Answers, some(b.MAC))
	return found(doing, n, err)
}

const listBudgets = `SELECT ` + budgetColumns + ` FROM budget WHERE tenant = $1 ORDER BY collection, purpose`

func (t *tx) Budgets(ctx context.Context, tenant int32) ([]vault.BudgetRow, error) {
	return rows(ctx, t, "listing budgets", listBudgets, []any{tenant}, readBudget)
}

// surveyRecords walks the primary key of the records of a tenant.
const surveyRecords = `
SELECT r.uid, r.record, s.lookup
FROM record r
JOIN subject s ON s.tenant = r.tenant AND s.uid = r.uid AND s.state = 1
WHERE r.tenant = $1 AND r.collection = $2 AND r.sealed IS NOT NULL AND (r.uid, r.collection, r.record) > ($3, $2, $4)
ORDER BY r.uid, r.collection, r.record LIMIT $5`

func (t *tx) SurveyRecords(ctx context.Context, q vault.SurveyQuery) ([]vault.Candidate, error) {
	return rows(ctx, t, "listing the records of a collection", surveyRecords,
		[]any{q.Tenant, q.Collection, anyID(q.AfterUID), q.AfterRec, q.Limit},
		func(r pgx.CollectableRow) (c vault.Candidate, err error) {
			err = r.Scan(&c.UID, &c.Record, &c.Lookup)
			return c, err
		})
}
