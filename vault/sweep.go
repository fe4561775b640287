package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// How much one transaction of the sweep removes, how many people it lists at a
// time, and how often at most before it pauses.
const (
	sweepRows   = 500
	sweepPeople = 100
	sweepRuns   = 1000
)

// A checkpointer can rewrite its files so that deleted bytes are gone from them.
type checkpointer interface {
	Checkpoint(ctx context.Context) error
}

// Sweep removes the ciphertext, index entries and every other row that erasures
// left behind, then lets the directory forget the uid, and says for how many
// people. It may be stopped at any time and goes on where it was. It also
// removes idempotency keys that have expired.
func (v *Vault) Sweep(ctx context.Context) (int, error) {
	done := 0
	for range sweepRuns {
		var list []Subject
		err := v.store.View(ctx, func(tx Tx) (err error) {
			list, err = tx.Unswept(ctx, sweepPeople)
			return err
		})
		if err != nil {
			return done, fmt.Errorf("listing erased people: %w", err)
		}
		swept := 0
		for _, s := range list {
			t := v.tenantByID(s.Tenant)
			if t == nil {
				continue // not open yet
			}
			if err := v.sweepOne(ctx, t, s); err != nil {
				return done, err
			}
			swept++
		}
		done += swept
		if swept == 0 || len(list) < sweepPeople {
			break
		}
	}
	return done, errors.Join(v.dropEffects(ctx), v.checkpoint(ctx, done))
}

func (v *Vault) checkpoint(ctx context.Context, done int) error {
	c, ok := v.store.(checkpointer)
	if !ok || done == 0 {
		return nil
	}
	return c.Checkpoint(ctx)
}

func (v *Vault) dropEffects(ctx context.Context) error {
	return v.store.Update(ctx, func(tx Tx) error {
		_, err := tx.DeleteEffects(ctx, v.now(), sweepRows)
		return err
	})
}

// sweepOne removes one erased person's rows in bounded transactions.
func (v *Vault) sweepOne(ctx context.Context, t *tenant, s Subject) error {
	for {
		var n int
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			n, err = tx.Sweep(ctx, s.Tenant, s.UID, sweepRows)
			return err
		})
		if err != nil {
			return fmt.Errorf("sweeping: %w", err)
		}
		if n == 0 {
			break
		}
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
