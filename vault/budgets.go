package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// A BudgetState says how much may be learnt of a collection for a purpose, and how much
// was. An epsilon is in millionths, a delta in 10^-15.
type BudgetState struct {
	Collection string
	Purpose    accessctl.Purpose
	// Epsilon and Delta are what the catalog declares for all answers together.
	Epsilon, Delta int64
	MinPeople      int64
	// Spent is the epsilon that all answers so far come to, together and with Delta.
	Spent int64
	// Left is the largest epsilon that one more answer may have; 0: none may.
	Left int64
	// OpenLeft is for how many answers with groups of the data there is delta left.
	OpenLeft int64
	// Answers is how many were paid for.
	Answers int64
	// Rho and SpentRho are, in billionths, what the answers may cost in all and what they
	// have: the numbers that add up (zero-concentrated differential privacy).
	Rho, SpentRho int64
}

// Share is the part of the whole budget, from 0 to 1, that an answer with such an
// epsilon takes. It is above 1 if the whole does not suffice.
func (b *BudgetState) Share(epsilon int64) float64 {
	return float64(aggregate.Epsilon(epsilon).Rho()) / float64(b.Rho)
}

// EpsilonOf is the largest epsilon, in millionths, that takes no more than a share of the
// whole budget; 0: none does.
func (b *BudgetState) EpsilonOf(share float64) int64 {
	return largestEpsilon(aggregate.Rho(share * float64(b.Rho)))
}

// A BudgetError refuses a statistic that costs more than is left. It is an ErrConflict.
type BudgetError struct {
	// Left is what is left.
	Left BudgetState
}

// Error says what is left, which is no secret: it depends on questions only.
func (e *BudgetError) Error() string {
	if e.Left.Left > 0 && e.Left.OpenLeft == 0 {
		return "the budget of statistics is spent for answers whose groups are those of the data"
	}
	return fmt.Sprintf("the budget of statistics does not suffice: one more answer may have an epsilon of at most %g", float64(e.Left.Left)/1e6)
}

// Unwrap makes it an ErrConflict.
func (e *BudgetError) Unwrap() error { return ErrConflict }

// codeBudget is why a statistic was refused.
const codeBudget = "budget"

// labelBudget is what the MAC of a budget is for.
const labelBudget = "budget"

// Budgets lists the budgets of statistics that the caller may use, under whatever
// purpose, and all of them to callers who may inspect the service. To others it is
// ErrDenied. It is ErrIntegrity if one was changed outside the service.
func (v *Vault) Budgets(ctx context.Context, c accessctl.Caller) ([]BudgetState, error) {
	t, s, err := v.freshOpen(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	inspects, uses := s.decider(c).PermitService(accessctl.ActionInspect).Allowed, false
	list := []BudgetState{}
	err = v.store.View(ctx, func(tx Tx) error {
		rows, err := tx.Budgets(ctx, t.row.ID)
		if err != nil {
			return fmt.Errorf("reading budgets: %w", err)
		}
		list, uses = list[:0], false
		for i := range s.catalog.Collections {
			coll := &s.catalog.Collections[i]
			if coll.Statistics == nil {
				continue
			}
			for j := range coll.Statistics.Budgets {
				b := &coll.Statistics.Budgets[j]
				if !inspects && !s.mayAggregate(c, coll, accessctl.Purpose(b.Purpose)) {
					continue
				}
				uses = true
				row, err := t.budgetIn(rows, coll.ID, b.Purpose)
				if err != nil {
					return err
				}
				state, err := budgetState(coll, b, &row)
				if err != nil {
					return err
				}
				list = append(list, state)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !inspects && !uses {
		return nil, v.denied(ctx, t, s, c, accessctl.ActionAggregate)
	}
	return list, nil
}

// mayAggregate says whether the caller may use a field of the collection in statistics
// for a purpose.
func (s *settings) mayAggregate(c accessctl.Caller, coll *catalog.Collection, p accessctl.Purpose) bool {
	c.Purpose = p
	return s.decider(c).Has(accessctl.ActionAggregate, measuredFields(coll, p))
}

// budgetState says what was spent of what the catalog declares.
func budgetState(coll *catalog.Collection, b *catalog.Budget, row *BudgetRow) (BudgetState, error) {
	limit, err := limitOf(b)
	if err != nil {
		return BudgetState{}, err
	}
	share := max(1, limit.Limit.Delta/openShares)
	limit.Spent = spentOf(row)
	left := limit.Left()
	return BudgetState{
		Collection: coll.Name, Purpose: accessctl.Purpose(b.Purpose), Epsilon: b.Epsilon, Delta: b.Delta, MinPeople: b.MinPeople,
		Spent: int64(limit.Spent.Epsilon(aggregate.Delta(b.Delta / 2))), Left: largestEpsilon(left.Rho),
		OpenLeft: int64(left.Delta / share), Answers: row.Answers, Rho: int64(limit.Limit.Rho), SpentRho: row.Rho,
	}, nil
}

func spentOf(row *BudgetRow) aggregate.Cost {
	return aggregate.Cost{Rho: aggregate.Rho(row.Rho), Delta: aggregate.Delta(row.Delta)}
}

// largestEpsilon is the largest one that an answer may have and costs no more than rho.
func largestEpsilon(rho aggregate.Rho) int64 {
	e := aggregate.Epsilon(math.Sqrt(2000 * float64(rho)))
	for e.Rho() > rho {
		e--
	}
	if e = min(e, 10_000_000); e < 1_000 {
		return 0
	}
	return int64(e)
}

// sealBudget gives a row its MAC.
func (t *tenant) sealBudget(b *BudgetRow) {
	mac := t.mac.Sum(labelBudget, budgetParts(b)...)
	b.MAC = mac[:]
}

func budgetParts(b *BudgetRow) [][]byte {
	numbers := be32(b.Collection)
	for _, n := range []int64{b.Rho, b.Delta, b.Answers} {
		numbers = binary.BigEndian.AppendUint64(numbers, uint64(n)) //nolint:gosec // the bits, whatever they say
	}
	return [][]byte{numbers, []byte(b.Purpose)}
}

// budgetIn finds a row. One that is missing was deleted: it was made with the catalog.
func (t *tenant) budgetIn(rows []BudgetRow, collection uint32, purpose string) (BudgetRow, error) {
	for i := range rows {
		if rows[i].Collection == collection && rows[i].Purpose == purpose {
			return rows[i], t.checkBudget(&rows[i])
		}
	}
	return BudgetRow{}, fmt.Errorf("%w: a budget is missing", ErrIntegrity)
}

func (t *tenant) checkBudget(b *BudgetRow) error {
	if b.Rho < 0 || b.Delta < 0 || !t.mac.Verify(b.MAC, labelBudget, budgetParts(b)...) {
		return fmt.Errorf("%w: a budget", ErrIntegrity)
	}
	return nil
}

// newBudgets are those that a catalog has and the one before did not.
func (t *tenant) newBudgets(prev, next *catalog.Catalog) (list []BudgetRow) {
	for i := range next.Collections {
		c := &next.Collections[i]
		if c.Statistics == nil {
			continue
		}
		for j := range c.Statistics.Budgets {
			row := BudgetRow{Tenant: t.row.ID, Collection: c.ID, Purpose: c.Statistics.Budgets[j].Purpose}
			if prev != nil {
				if old, ok := prev.CollectionByID(c.ID); ok {
					if _, had := old.Statistics.Budget(row.Purpose); had {
						continue
					}
				}
			}
			t.sealBudget(&row)
			list = append(list, row)
		}
	}
	return list
}

// spend takes the cost from the budget and records the question, in one transaction.
func (a *aggregating) spend(ctx context.Context) error {
	var refused *BudgetError
	var e audit.Event
	err := a.v.store.Update(ctx, func(tx Tx) error {
		refused = nil
		if err := a.v.stillOpen(ctx, tx); err != nil {
			return err
		}
		if err := a.s.stand(ctx, tx, a.t); err != nil {
			return err
		}
		if err := a.claim(ctx, tx); err != nil {
			return err
		}
		row, err := tx.LockBudget(ctx, a.t.row.ID, a.coll.ID, a.declare.Purpose)
		switch {
		case errors.Is(err, ErrNoRow):
			err = fmt.Errorf("%w: a budget is missing", ErrIntegrity)
		case err == nil:
			err = a.t.checkBudget(&row)
		}
		if err != nil {
			return err
		}
		if refused, err = a.take(&row); err != nil {
			return err
		}
		if err := tx.PutBudget(ctx, row); err != nil {
			return fmt.Errorf("spending a budget: %w", err)
		}
		e = a.record(row.Answers)
		return a.v.append(ctx, tx, a.t, e)
	})
	if refused == nil && (err == nil || errors.Is(err, errRestart)) {
		a.event = e.ID
		if err == nil && a.question != nil {
			a.question.paid = true
		}
		return err
	}
	if errors.Is(err, errAsked) {
		return err
	}
	e = a.record(0)
	if refused == nil {
		return a.v.refused(ctx, a.t, e, err)
	}
	e.Outcome, e.Code = audit.Denied, codeBudget
	if err := a.v.record(ctx, a.t, e); err != nil {
		return err
	}
	return refused
}

// take makes the row what it is after the answer, or says what is left.
func (a *aggregating) take(row *BudgetRow) (*BudgetError, error) {
	b := a.limit
	b.Spent = spentOf(row)
	next, err := b.Spend(a.cost)
	var spent *aggregate.SpentError
	if errors.As(err, &spent) {
		left, bad := budgetState(a.coll, a.declare, row)
		if bad != nil {
			return nil, bad
		}
		return &BudgetError{Left: left}, err
	}
	if err != nil {
		return nil, fmt.Errorf("spending a budget: %w", err)
	}
	row.Rho, row.Delta, row.Answers = int64(next.Spent.Rho), int64(next.Spent.Delta), row.Answers+1
	a.t.sealBudget(row)
	a.state, err = budgetState(a.coll, a.declare, row)
	return nil, err
}

// budgets checks the budgets of a tenant: each bears its MAC and has paid for at least the
// answers that the log has.
func (f *checking) budgets(ctx context.Context, t *tenant) error {
	var rows []BudgetRow
	err := f.v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Budgets(ctx, t.row.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading budgets: %w", err)
	}
	stands := map[toldBudget]int64{}
	for i := range rows {
		if t.checkBudget(&rows[i]) != nil {
			f.report.add(t, uuid.Nil, uuid.Nil, "a budget of statistics does not bear its MAC: it was written by SQL")
			continue
		}
		stands[toldBudget{t.row.Name, rows[i].Collection, accessctl.Purpose(rows[i].Purpose)}] = rows[i].Answers
	}
	for k, n := range f.told.budgets {
		if k.tenant == t.row.Name && stands[k] < n {
			f.report.add(t, uuid.Nil, uuid.Nil, "a budget of statistics has paid for fewer answers than the log says: an earlier row was put back, or it was removed")
		}
	}
	return nil
}
