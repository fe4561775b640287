package vault

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
)

// MaxErasures is the most people of one list of erasures.
const MaxErasures = 100_000

// An ErasedOne answers for one person of a list.
type ErasedOne struct {
	Subject     string
	Certificate json.RawMessage // nil if Err is set and the erasure is not in force
	Err         error           // as of Erase
}

// EraseMany erases several people, or the same key groups of each, one transaction
// after the other, and tells each as it is done. The breaker is asked once, for the
// whole list: beyond it the error is an *ApprovalError, bound to exactly this list,
// and nobody is erased. After the approval the same call, with the same list, may be
// repeated until the approval expires, so that a run that broke off is completed.
//
// An error of one person stops nobody else's erasure; the error that is returned is
// of the call as a whole.
func (v *Vault) EraseMany(ctx context.Context, c accessctl.Caller, subjects, groups []string, told func(ErasedOne)) error {
	if len(subjects) > MaxErasures {
		return ErrTooLarge
	}
	subjects = slices.Clone(subjects)
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	for _, s := range subjects {
		if err := checkID("subjects", s); err != nil {
			return err
		}
	}
	t, s, err := v.permitAnyone(ctx, c, accessctl.ActionErase)
	if err != nil || len(subjects) == 0 {
		return err
	}
	er, err := v.erasing(c, t, s, groups)
	if err != nil {
		return err
	}
	if err := er.permitList(ctx, subjects); err != nil {
		return err
	}
	for _, subject := range subjects {
		if err := ctx.Err(); err != nil {
			return unavailable(err)
		}
		cert, err := er.run(ctx, subject)
		told(ErasedOne{Subject: subject, Certificate: cert, Err: err})
		if errors.Is(err, ErrUnavailable) && cert == nil {
			return err // the others would fare the same
		}
	}
	return nil
}

// permitList asks the breaker about the whole list, in a transaction of its own.
func (er *erasing) permitList(ctx context.Context, subjects []string) error {
	v := er.v
	live, err := v.livePeople(ctx, er.t)
	if err != nil {
		return err
	}
	b := breaking{kind: kindErasure, count: int64(len(subjects)), digest: er.digest(subjects), live: live}
	err = v.store.Update(ctx, func(tx Tx) (err error) {
		b.approver, err = v.permitBreak(ctx, tx, er.c, er.t, &b)
		return err
	})
	if asksSecond(err) {
		e := v.event(er.t, er.s, er.c, accessctl.ActionErase)
		e.UID = uuid.Nil
		return v.ask(ctx, er.c, er.t, e, &b)
	}
	b.passed = true
	er.breaks = b
	return err
}
