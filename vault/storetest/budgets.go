package storetest

import (
	"context"
	"math"
	"slices"

	"github.com/fieldvault/fieldvault/vault"
)

// budgetOf is a budget of which n answers took something.
func budgetOf(tenant int32, collection uint32, purpose string, n int64) vault.BudgetRow {
	return vault.BudgetRow{Tenant: tenant, Collection: collection, Purpose: purpose, Rho: 5 * n, Delta: 7 * n, Answers: n, MAC: hash(purpose)}
}

func (w *world) budgets(tenant int32) (list []vault.BudgetRow) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		list, err = tx.Budgets(ctx, tenant)
		return err
	})
	return list
}

func (w *world) insertBudget(b vault.BudgetRow) (inserted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		inserted, err = tx.InsertBudget(ctx, b)
		return err
	})
	return inserted
}

func (w *world) tryBudget(b vault.BudgetRow) error {
	return w.try(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.LockBudget(ctx, b.Tenant, b.Collection, b.Purpose); err != nil {
			return err
		}
		return tx.PutBudget(ctx, b)
	})
}

func budgetWrites() []write {
	return []write{
		{"InsertBudget", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.InsertBudget(ctx, budgetOf(s.Tenant, 1, "new", 1)))
		}},
		{"LockBudget with ExclusiveLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.LockBudget(ctx, s.Tenant, 1, "staged")
			return err
		}},
		{"PutBudget", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutBudget(ctx, budgetOf(s.Tenant, 1, "staged", 2))
		}},
	}
}

func budgets(w *world) {
	w.run("Rows", budgetRows)
	w.run("OnlyRises", func(w *world) {
		b := budgetOf(w.tenant(), 1, "p", 3)
		w.insertBudget(b)
		for what, change := range map[string]func(*vault.BudgetRow){
			"rho": func(b *vault.BudgetRow) { b.Rho-- }, "delta": func(b *vault.BudgetRow) { b.Delta-- },
			"answers": func(b *vault.BudgetRow) { b.Answers-- },
		} {
			less := b
			change(&less)
			if err := w.tryBudget(less); err == nil {
				w.Errorf("a budget with less %s was taken", what)
			}
		}
		w.equal("the budget", w.budgets(b.Tenant), []vault.BudgetRow{b})
	})
	w.run("Survey", survey)
}

func budgetRows(w *world) {
	tenant, other := w.tenant(), w.tenant()
	a, b := budgetOf(tenant, 1, "a", 0), budgetOf(tenant, math.MaxUint32, "b", 2)
	c, foreign := budgetOf(tenant, 1, "B", 1), budgetOf(other, 1, "a", 9)
	for _, row := range []vault.BudgetRow{b, a, c, foreign} {
		w.equal("a new budget is stored", w.insertBudget(row), true)
	}
	w.equal("a second one is stored", w.insertBudget(budgetOf(tenant, 1, "a", 7)), false)
	w.equal("budgets", w.budgets(tenant), []vault.BudgetRow{c, a, b})
	a = budgetOf(tenant, 1, "a", 5)
	a.Rho, a.MAC = math.MaxInt64, hash("other")
	w.is("PutBudget", w.tryBudget(a), nil)
	w.equal("budgets after one has spent", w.budgets(tenant), []vault.BudgetRow{c, a, b})
	w.equal("budgets of another tenant", w.budgets(other), []vault.BudgetRow{foreign})
	w.equal("budgets of a new tenant", w.budgets(w.tenant()), []vault.BudgetRow{})
	w.is("LockBudget of none", w.tryBudget(budgetOf(tenant, 2, "a", 1)), vault.ErrNoRow)
	w.is("PutBudget of none", w.try(func(ctx context.Context, tx vault.Tx) error {
		return tx.PutBudget(ctx, budgetOf(tenant, 2, "a", 1))
	}), vault.ErrNoRow)
}

// survey: the records of one collection, of the living, each once, in order.
func survey(w *world) {
	tenant, other := w.tenant(), w.tenant()
	var want []vault.Candidate
	for i := range 7 {
		p := w.person(tenant)
		for _, ref := range []vault.RecordRef{{Collection: 1, Record: "a"}, {Collection: 2, Record: "a"}, {Collection: 2, Record: "B"}, {Collection: 3, Record: "a"}} {
			w.record(p, ref, i == 6 && ref.Record == "B")
			if ref.Collection == 2 && i != 5 && (i != 6 || ref.Record != "B") {
				want = append(want, candidate(p, ref.Record))
			}
		}
		if i == 5 {
			w.erase(p)
		}
	}
	w.record(w.person(other), vault.RecordRef{Collection: 2, Record: "a"}, false)
	slices.SortFunc(want, compareCandidates)
	for _, limit := range []int{1, 3, 100} {
		w.equal("the records of a collection", w.survey(vault.SurveyQuery{Tenant: tenant, Collection: 2, Limit: limit}), want)
	}
	w.equal("another collection", len(w.survey(vault.SurveyQuery{Tenant: tenant, Collection: 1, Limit: 2})), 6)
	w.equal("another tenant", len(w.survey(vault.SurveyQuery{Tenant: other, Collection: 2, Limit: 2})), 1)
	w.equal("a collection without records", len(w.survey(vault.SurveyQuery{Tenant: tenant, Collection: 9, Limit: 2})), 0)
}

// record stores a record, or one that was deleted.
func (w *world) record(p vault.Subject, ref vault.RecordRef, deleted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		r, err := tx.LockRecord(ctx, p.Tenant, p.UID, ref)
		if err != nil {
			return err
		}
		r.Revision, r.Deleted, r.Sealed = 1, deleted, []byte("sealed")
		if deleted {
			r.Sealed = nil
		}
		return tx.PutRecord(ctx, p.Tenant, p.UID, r)
	})
}

// survey reads to the end, in pages.
func (w *world) survey(q vault.SurveyQuery) (out []vault.Candidate) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) error {
		for {
			got, err := tx.SurveyRecords(ctx, q)
			if err != nil || len(got) == 0 {
				return err
			}
			w.page("SurveyRecords", len(got), q.Limit, len(out))
			out = append(out, got...)
			q.AfterUID, q.AfterRec = got[len(got)-1].UID, got[len(got)-1].Record
		}
	})
	return out
}

// raceBudget: many askers at once never spend more than there is.
func raceBudget(w *world) {
	b := budgetOf(w.tenant(), 1, "p", 0)
	w.insertBudget(b)
	const enough = racers / 2
	spent := w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
		row, err := tx.LockBudget(ctx, b.Tenant, b.Collection, b.Purpose)
		if err != nil || row.Answers == enough {
			return false, err
		}
		row.Rho, row.Delta, row.Answers = row.Rho+5, row.Delta+7, row.Answers+1
		return true, tx.PutBudget(ctx, row)
	})
	w.equal("answers", spent, enough)
	b = budgetOf(b.Tenant, 1, "p", enough)
	w.equal("what was spent", w.budgets(b.Tenant), []vault.BudgetRow{b})
}
