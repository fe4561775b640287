package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// Reenrol opens a new generation for a person who comes back: live again under
// the same name, with another uid and none of the old life's data. It first
// sweeps what the erasure left. It returns the number of the new generation, from 2;
// ErrNotFound for a person who never was, ErrConflict unless the person is erased.
// The certificate of the earlier life stays in the row until the next erasure.
func (v *Vault) Reenrol(ctx context.Context, c accessctl.Caller, subject string) (uint32, error) {
	t, s, err := v.permitPerson(ctx, c, accessctl.ActionReenrol, subject)
	if err != nil {
		return 0, err
	}
	a := act{caller: c, tenant: t, set: s, action: accessctl.ActionReenrol, subject: subject, lock: ExclusiveLock}
	old, err := v.erasedRow(ctx, a)
	if err != nil {
		return 0, v.refused(ctx, t, v.event(t, s, c, accessctl.ActionReenrol), err)
	}
	if old.UID != uuid.Nil {
		if err := v.sweepOne(ctx, t, old); err != nil {
			return 0, fmt.Errorf("sweeping the earlier life: %w", err)
		}
	}
	p := newSubject(v, t, old.Lookup, old.Generation+1)
	k := heldKey{made: true}
	k.id.Tenant, k.id.UID, k.id.Group, k.id.Epoch, k.id.Version = t.row.Name, p.UID, identityGroup, 1, 1
	if err := v.makeHeld(ctx, []*heldKey{&k}); err != nil {
		return 0, err
	}
	if p.SealedID, err = sealID(t, &p, &k, subject); err != nil {
		return 0, err
	}
	p.Mark, p.Certificate = t.mark(&p, nil), old.Certificate
	err = v.store.Update(ctx, func(tx Tx) error {
		if err := v.stillOpen(ctx, tx); err != nil {
			return err
		}
		if err := tx.UpdateSubject(ctx, p, old.Generation); err != nil {
			return err
		}
		inserted, err := tx.InsertKey(ctx, t.row.ID, p.UID, k.row())
		if errors.Is(err, ErrStaleKEK) || err == nil && !inserted {
			return fmt.Errorf("%w: the key-encryption key was rotated meanwhile", ErrUnavailable)
		}
		if err != nil {
			return err
		}
		return v.append(ctx, tx, t, about(v.event(t, s, c, accessctl.ActionReenrol), c, p.UID, own(c, subject)))
	})
	if errors.Is(err, ErrStale) {
		err = ErrConflict
	}
	if err != nil {
		return 0, v.refused(ctx, t, v.event(t, s, c, accessctl.ActionReenrol), err)
	}
	return p.Generation, nil
}

// erasedRow reads the row of an erased person.
func (v *Vault) erasedRow(ctx context.Context, a act) (Subject, error) {
	var old *Subject
	err := v.store.View(ctx, func(tx Tx) (err error) {
		a.lock = NoLock
		old, err = a.read(ctx, tx)
		return err
	})
	switch {
	case errors.Is(err, ErrGone):
		return *old, nil
	case err == nil:
		return Subject{}, ErrConflict
	}
	return Subject{}, err
}
