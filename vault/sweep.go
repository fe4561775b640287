package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/failpoint"
)

// How much one transaction of the sweep removes, and how many people it lists:
// the second bound only while rows that cannot be swept fill the first.
const (
	sweepRows   = 500
	sweepPeople = 200
	sweepMost   = 100_000
)

// A checkpointer can rewrite its files so that deleted bytes are gone from them.
type checkpointer interface {
	Checkpoint(ctx context.Context) error
}

// Sweep removes the ciphertext, index entries and every other row that erasures
// left behind, then lets the directory forget the uid, and says for how many
// people. It may be stopped at any time and goes on where it was. It also
// removes idempotency keys, tickets and tokens that have expired, and requests that need not be
// kept any more.
func (v *Vault) Sweep(ctx context.Context) (int, error) {
	done, limit := 0, sweepPeople
	var errs []error
	for {
		var list []Subject
		err := v.store.View(ctx, func(tx Tx) (err error) {
			list, err = tx.Unswept(ctx, limit)
			return err
		})
		if err != nil {
			return done, errors.Join(append(errs, fmt.Errorf("listing erased people: %w", err))...)
		}
		swept := 0
		for i := range list {
			forgot, err := v.sweepErased(ctx, &list[i])
			if err != nil {
				errs = append(errs, err)
			} else if forgot {
				swept++
			}
		}
		done += swept
		if swept > 0 {
			v.unclean.Store(true)
		}
		switch {
		case len(list) < limit || ctx.Err() != nil:
			return done, errors.Join(append(errs, v.cleanShreds(ctx), v.resumeReseals(ctx), v.dropEffects(ctx), v.dropTickets(ctx), v.dropTokens(ctx), v.forgetRequests(ctx), v.checkpoint(ctx))...)
		case swept == 0 && limit < sweepMost:
			limit *= 10
		case swept == 0:
			return done, errors.Join(errs...)
		}
		errs = nil // those that failed come again
	}
}

// sweepErased sweeps one person, if the tenant is open and the row, whose mark
// must be good, says erased. A row that was changed outside the service destroys
// nothing: fsck names it.
func (v *Vault) sweepErased(ctx context.Context, s *Subject) (bool, error) {
	t := v.tenantByID(s.Tenant)
	if t == nil || s.State != Erased || !t.marked(s) {
		return false, nil
	}
	return true, v.sweepOne(ctx, t, *s)
}

// checkpoint takes destroyed bytes out of the store's files. What could not be
// done now, because somebody reads, is done the next time.
func (v *Vault) checkpoint(ctx context.Context) error {
	c, ok := v.store.(checkpointer)
	if !ok || !v.unclean.Swap(false) {
		return nil
	}
	err := c.Checkpoint(ctx)
	if err != nil {
		v.unclean.Store(true)
	}
	return err
}

// dropEffects removes idempotency keys that have expired.
func (v *Vault) dropEffects(ctx context.Context) error {
	for {
		var n int
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.DeleteEffects(ctx, v.now(), sweepRows)
			return err
		})
		if err != nil {
			return fmt.Errorf("removing idempotency keys: %w", err)
		}
		if n < sweepRows {
			return nil
		}
	}
}

// dropTickets removes tickets that have expired.
func (v *Vault) dropTickets(ctx context.Context) error {
	for {
		var n int
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.DropTickets(ctx, v.now(), sweepRows)
			return err
		})
		if err != nil {
			return fmt.Errorf("removing tickets: %w", err)
		}
		if n < sweepRows {
			return nil
		}
	}
}

// dropTokens removes tokens that have expired.
func (v *Vault) dropTokens(ctx context.Context) error {
	for {
		var n int
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.DropTokens(ctx, v.now(), sweepRows)
			return err
		})
		if err != nil {
			return fmt.Errorf("removing tokens: %w", err)
		}
		if n > 0 {
			v.unclean.Store(true)
		}
		if n < sweepRows {
			return nil
		}
	}
}

// sweepOne removes one erased person's rows in bounded transactions.
func (v *Vault) sweepOne(ctx context.Context, t *tenant, s Subject) error {
	for {
		var n int
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.Sweep(ctx, s.Tenant, s.UID, sweepRows)
			failpoint.Hit("sweep-deleted")
			return err
		})
		if err != nil {
			return fmt.Errorf("sweeping: %w", err)
		}
		if n == 0 {
			break
		}
		failpoint.Hit("sweep-between")
	}
	err := v.store.Update(ctx, func(tx Tx) error {
		now, err := tx.Subject(ctx, s.Tenant, s.Lookup, ExclusiveLock)
		if err != nil {
			return err
		}
		if now.State != Erased || now.UID != s.UID || !t.marked(&now) {
			return nil // swept or re-enrolled by another; or changed outside: fsck names it
		}
		now.UID = uuid.Nil
		failpoint.Hit("sweep-forgetting")
		return t.change(ctx, tx, &now)
	})
	if err != nil {
		return fmt.Errorf("forgetting a uid: %w", err)
	}
	return nil
}

func (v *Vault) tenantByID(id int32) *tenant {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, t := range v.tenants {
		if t.row.ID == id {
			return t
		}
	}
	return nil
}
