package storetest

import (
	"context"
	"math"

	"github.com/fieldvault/fieldvault/vault"
)

// turnOf is a turn of which n requests came.
func turnOf(tenant int32, collection uint32, purpose string, n int64) vault.ReleaseTurn {
	return vault.ReleaseTurn{
		Tenant: tenant, Collection: collection, Purpose: purpose,
		Releases: n, Tries: 3 * n, First: 2 * n, Began: 7 * n, Last: 5 * n, MAC: hash(purpose),
	}
}

func (w *world) turns(tenant int32) (list []vault.ReleaseTurn) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		list, err = tx.ReleaseTurns(ctx, tenant)
		return err
	})
	return list
}

func (w *world) insertTurn(r vault.ReleaseTurn) (inserted bool) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		inserted, err = tx.InsertReleaseTurn(ctx, r)
		return err
	})
	return inserted
}

func (w *world) tryTurn(r vault.ReleaseTurn) error {
	return w.try(func(ctx context.Context, tx vault.Tx) error {
		if _, err := tx.LockReleaseTurn(ctx, r.Tenant, r.Collection, r.Purpose); err != nil {
			return err
		}
		return tx.PutReleaseTurn(ctx, r)
	})
}

func turnWrites() []write {
	return []write{
		{"InsertReleaseTurn", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return insert(tx.InsertReleaseTurn(ctx, turnOf(s.Tenant, 1, "new", 1)))
		}},
		{"LockReleaseTurn with ExclusiveLock", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			_, err := tx.LockReleaseTurn(ctx, s.Tenant, 1, "staged")
			return err
		}},
		{"PutReleaseTurn", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.PutReleaseTurn(ctx, turnOf(s.Tenant, 1, "staged", 2))
		}},
	}
}

// refusedTurns are calls that take a text.
func refusedTurns() []refusedCall {
	return []refusedCall{
		{"InsertReleaseTurn", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			return insert(tx.InsertReleaseTurn(ctx, turnOf(s.Tenant, 1, text, 1)))
		}},
		{"LockReleaseTurn", func(ctx context.Context, tx vault.Tx, s vault.Subject, text string) error {
			_, err := tx.LockReleaseTurn(ctx, s.Tenant, 1, text)
			return err
		}},
	}
}

func turns(w *world) {
	w.run("Rows", turnRows)
	w.run("OnlyRises", func(w *world) {
		r := turnOf(w.tenant(), 1, "p", 3)
		w.insertTurn(r)
		for what, change := range map[string]func(*vault.ReleaseTurn){
			"releases": func(r *vault.ReleaseTurn) { r.Releases-- }, "tries": func(r *vault.ReleaseTurn) { r.Tries-- },
			"first": func(r *vault.ReleaseTurn) { r.First-- }, "began": func(r *vault.ReleaseTurn) { r.Began-- },
			"last": func(r *vault.ReleaseTurn) { r.Last-- },
		} {
			less := r
			change(&less)
			if err := w.tryTurn(less); err == nil {
				w.Errorf("a turn with less of %s was taken", what)
			}
		}
		w.equal("the turn", w.turns(r.Tenant), []vault.ReleaseTurn{r})
	})
}

func turnRows(w *world) {
	tenant, other := w.tenant(), w.tenant()
	a, b := turnOf(tenant, 1, "a", 0), turnOf(tenant, math.MaxUint32, "b", 2)
	c, foreign := turnOf(tenant, 1, "B", 1), turnOf(other, 1, "a", 9)
	for _, row := range []vault.ReleaseTurn{b, a, c, foreign} {
		w.equal("a new turn is stored", w.insertTurn(row), true)
	}
	w.equal("a second one is stored", w.insertTurn(turnOf(tenant, 1, "a", 7)), false)
	w.equal("turns", w.turns(tenant), []vault.ReleaseTurn{c, a, b})
	a = turnOf(tenant, 1, "a", 5)
	a.Last, a.MAC = math.MaxInt64, hash("other")
	w.is("PutReleaseTurn", w.tryTurn(a), nil)
	w.equal("turns after one was taken", w.turns(tenant), []vault.ReleaseTurn{c, a, b})
	w.equal("turns of another tenant", w.turns(other), []vault.ReleaseTurn{foreign})
	w.equal("turns of a new tenant", w.turns(w.tenant()), []vault.ReleaseTurn{})
	w.is("LockReleaseTurn of none", w.tryTurn(turnOf(tenant, 2, "a", 1)), vault.ErrNoRow)
	w.is("PutReleaseTurn of none", w.try(func(ctx context.Context, tx vault.Tx) error {
		return tx.PutReleaseTurn(ctx, turnOf(tenant, 2, "a", 1))
	}), vault.ErrNoRow)
}

// raceTurn: of many who ask at once, as many get a turn as there are.
func raceTurn(w *world) {
	r := turnOf(w.tenant(), 1, "p", 0)
	w.insertTurn(r)
	const enough = racers / 2
	taken := w.race(func(ctx context.Context, tx vault.Tx, _ int) (bool, error) {
		row, err := tx.LockReleaseTurn(ctx, r.Tenant, r.Collection, r.Purpose)
		if err != nil || row.Tries == 3*enough {
			return false, err
		}
		next := turnOf(r.Tenant, 1, "p", row.Releases+1)
		return true, tx.PutReleaseTurn(ctx, next)
	})
	w.equal("turns taken", taken, enough)
	w.equal("the turn", w.turns(r.Tenant), []vault.ReleaseTurn{turnOf(r.Tenant, 1, "p", enough)})
}
