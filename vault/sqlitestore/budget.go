package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) InsertBudget(ctx context.Context, b vault.BudgetRow) (bool, error) {
	if err := t.text(b.Purpose); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `
		INSERT INTO budget (tenant, collection, purpose, rho, delta, answers, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT (tenant, collection, purpose) DO NOTHING`,
		b.Tenant, b.Collection, b.Purpose, b.Rho, b.Delta, b.Answers, blob(b.MAC))
	if err != nil {
		return false, fmt.Errorf("storing a budget: %w", err)
	}
	return n == 1, nil
}

const budgetColumns = `tenant, collection, purpose, rho, delta, answers, mac`

func scanBudget(r *sql.Rows) (b vault.BudgetRow, err error) {
	err = r.Scan(&b.Tenant, &b.Collection, &b.Purpose, &b.Rho, &b.Delta, &b.Answers, &b.MAC)
	return b, err
}

func (t *tx) LockBudget(ctx context.Context, tenant int32, collection uint32, purpose string) (vault.BudgetRow, error) {
	// The one writer holds every lock already.
	if err := t.usable(true); err != nil {
		return vault.BudgetRow{}, err
	}
	if err := t.text(purpose); err != nil {
		return vault.BudgetRow{}, err
	}
	b, err := one(ctx, t, `SELECT `+budgetColumns+` FROM budget WHERE tenant = ?1 AND collection = ?2 AND purpose = ?3`,
		scanBudget, tenant, collection, purpose)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return b, err
	case err != nil:
		return b, fmt.Errorf("locking a budget: %w", err)
	}
	return b, nil
}

func (t *tx) PutBudget(ctx context.Context, b vault.BudgetRow) error {
	if err := t.text(b.Purpose); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE budget SET rho = ?4, delta = ?5, answers = ?6, mac = ?7 WHERE tenant = ?1 AND collection = ?2 AND purpose = ?3`,
		b.Tenant, b.Collection, b.Purpose, b.Rho, b.Delta, b.Answers, blob(b.MAC))
	if err != nil {
		return fmt.Errorf("storing a budget: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) Budgets(ctx context.Context, tenant int32) ([]vault.BudgetRow, error) {
	out, err := list(ctx, t, `SELECT `+budgetColumns+` FROM budget WHERE tenant = ?1 ORDER BY collection, purpose`, scanBudget, tenant)
	if err != nil {
		return nil, fmt.Errorf("listing budgets: %w", err)
	}
	return out, nil
}

func (t *tx) SurveyRecords(ctx context.Context, q vault.SurveyQuery) ([]vault.Candidate, error) {
	if err := t.text(q.AfterRec); err != nil {
		return nil, err
	}
	// CROSS JOIN fixes the order: records by their primary key, and the person of each.
	found, err := list(ctx, t, `
		SELECT s.lookup, r.uid, r.record
		FROM record r
		CROSS JOIN subject s ON s.tenant = r.tenant AND s.uid = r.uid AND s.state = 1
		WHERE r.tenant = ?1 AND r.collection = ?2 AND r.deleted = 0 AND (r.uid, r.collection, r.record) > (?3, ?2, ?4)
		ORDER BY r.uid, r.collection, r.record LIMIT ?5`,
		func(r *sql.Rows) (c vault.Candidate, err error) {
			err = r.Scan(&c.Lookup, uidColumn{&c.UID}, &c.Record)
			return c, err
		},
		q.Tenant, q.Collection, q.AfterUID[:], q.AfterRec, atMost(q.Limit))
	if err != nil {
		return nil, fmt.Errorf("listing the records of a collection: %w", err)
	}
	return found, nil
}
