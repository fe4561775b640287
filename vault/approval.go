package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// A Waiting is something that waits, or waited, for a second person. It names
// nobody concerned: who asked knows the list, and the approval is bound to it.
type Waiting struct {
	ID      uuid.UUID
	Kind    string // "erasure", "deletion", "reading"
	Count   int    // how many people or records; of reading, how many people beyond the limit
	By      string // who asked
	Decider string // who decided; "" while pending
	State   string // "pending", "approved", "done", "refused", "expired"
	Created time.Time
	Expires time.Time
	Decided time.Time // zero while pending
}

// Approve lets, as a second person, what waits be done, or refuses it. Who holds
// the action approve may, unless they asked themself: that is ErrConflict, like an
// approval that was decided or has expired. ErrNotFound if the tenant has none of
// that id.
func (v *Vault) Approve(ctx context.Context, c accessctl.Caller, id uuid.UUID, agree bool) (Waiting, error) {
	t, s, err := v.permitService(ctx, c, accessctl.ActionApprove)
	if err != nil {
		return Waiting{}, err
	}
	e := v.event(t, s, c, accessctl.ActionApprove)
	e.Subject = []audit.Attr{{Key: "agree", Value: yesNo(agree)}, {Key: "approval", Value: id.String()}}
	var a Approval
	err = v.store.Update(ctx, func(tx Tx) (err error) {
		a, err = tx.Approval(ctx, t.row.ID, id, ExclusiveLock)
		if err != nil {
			return notRow(err, ErrNotFound)
		}
		if err := v.decide(t, c, &a, agree); err != nil {
			return err
		}
		if err := tx.UpdateApproval(ctx, a); err != nil {
			return fmt.Errorf("storing an approval: %w", err)
		}
		return v.append(ctx, tx, t, e)
	})
	if err != nil {
		return Waiting{}, v.refused(ctx, t, e, err)
	}
	return v.waiting(&a), nil
}

// decide sets an approval, if this caller may.
func (v *Vault) decide(t *tenant, c accessctl.Caller, a *Approval, agree bool) error {
	switch {
	case !bytes.Equal(a.Body, t.sealOf(a)):
		return ErrIntegrity
	case a.State != ApprovalPending || v.now().After(a.Expires):
		return ErrConflict
	case bytes.Equal(a.Asker, t.asker("approval", c.Principal)) || a.By == c.Actor():
		return ErrConflict
	}
	a.State, a.Decider, a.Decided = ApprovalRefused, c.Actor(), v.now()
	if agree {
		a.State = ApprovalApproved
	}
	a.Body = t.sealOf(a)
	return nil
}

// Approvals lists what waits for a second person, and what waited lately, newest
// first, to who may approve.
func (v *Vault) Approvals(ctx context.Context, c accessctl.Caller) ([]Waiting, error) {
	t, _, err := v.permitService(ctx, c, accessctl.ActionApprove)
	if err != nil {
		return nil, err
	}
	var rows []Approval
	err = v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Approvals(ctx, t.row.ID, MaxPage)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading approvals: %w", err)
	}
	list := make([]Waiting, len(rows))
	for i := range rows {
		list[i] = v.waiting(&rows[i])
	}
	return list, nil
}

func (v *Vault) waiting(a *Approval) Waiting {
	state := map[int16]string{
		ApprovalPending: "pending", ApprovalApproved: "approved", ApprovalDone: "done", ApprovalRefused: "refused",
	}[a.State]
	if v.now().After(a.Expires) && (a.State == ApprovalPending || a.State == ApprovalApproved) {
		state = "expired"
	}
	return Waiting{
		ID: a.ID, Kind: a.Kind, Count: int(a.Count), By: a.By, Decider: a.Decider, State: state,
		Created: a.Created, Expires: a.Expires, Decided: a.Decided,
	}
}

// permitAnyone decides an action on people as a whole, of nobody in particular.
func (v *Vault) permitAnyone(ctx context.Context, c accessctl.Caller, a accessctl.Action) (*tenant, *settings, error) {
	t, s, err := v.fresh(ctx, c.Tenant)
	if err != nil {
		return nil, nil, err
	}
	if !s.decider(c).PermitPerson(a, false).Allowed {
		return nil, nil, v.denied(ctx, t, s, c, a)
	}
	return t, s, nil
}

// asksSecond says whether an error is that a second person has to agree.
func asksSecond(err error) bool { return errors.Is(err, errBreak) }
