package vault

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/watch"
)

// A ReadLimit bounds how many people one principal is shown within an hour. It holds
// in the request, before anything is opened, and for what is plain or masked alike. A
// search counts the people whose values it opens. People who read their own data are
// not counted. Each process counts for itself, from zero when it starts: with several
// nodes a principal may be shown as many times more.
type ReadLimit struct {
	// People is how many may be shown; 0: any number.
	People int
	// Approve: beyond, a second person may agree to an hour without the limit, which
	// begins when they do. Without it, what is beyond is refused.
	Approve bool
}

// readWindow is the time within which people are counted.
const readWindow = time.Hour

// kindReading is that of approvals to read on.
const kindReading = "reading"

// codeLimit: a principal was shown as many people as it may be.
const codeLimit = "limit"

// A LimitError says that the caller was shown as many people as may be within an
// hour, and that what was asked now goes beyond. Nothing was released, nor counted.
type LimitError struct {
	Retry time.Duration // after which there is room for what was asked
}

// Error says what happened.
func (e *LimitError) Error() string { return "the caller may be shown no more people within the hour" }

func newReadMeter(l ReadLimit) (*watch.Meter, error) {
	m, err := watch.NewMeter(watch.Limit{Count: l.People, Window: readWindow})
	if err != nil {
		return nil, fmt.Errorf("vault: Config.ReadLimit: %w", err)
	}
	return m, nil
}

// within counts the people whose values are about to be opened for the caller. Beyond
// the limit the error is a *LimitError or an *ApprovalError, and on record.
func (r *reading) within(ctx context.Context) error {
	if r.v.readLimit.People == 0 {
		return nil
	}
	uids := r.open.people()
	if len(uids) == 0 {
		return nil
	}
	key := string(principalOf(r.c.Principal))
	ok, over := r.v.reads.Allow(key, uids, r.v.now())
	if ok {
		return nil
	}
	e := r.v.event(r.t, r.s, r.c, r.action)
	e.Outcome, e.Code = audit.Denied, codeLimit
	if !r.v.readLimit.Approve {
		if err := r.v.record(ctx, r.t, e); err != nil {
			return err
		}
		return &LimitError{Retry: r.v.reads.Wait(key, over, r.v.now())}
	}
	until, err := r.v.readOn(ctx, r.c, r.t, e, over)
	if err != nil {
		return err
	}
	r.v.reads.Lift(key, until)
	r.v.reads.Allow(key, uids, r.v.now())
	return nil
}

// people are those of whom something is to be opened, less the caller. Some may be
// there twice.
func (o *openings) people() (uids []uuid.UUID) {
	var last *person
	for i := range o.list {
		if p := o.list[i].person; p != last && !p.own {
			uids, last = append(uids, p.uid), p
		}
	}
	return uids
}

// readOn is until when a second person has let the principal read on. If nobody has,
// it asks, records that in e, and the error is an *ApprovalError.
func (v *Vault) readOn(ctx context.Context, c accessctl.Caller, t *tenant, e audit.Event, over int) (until time.Time, err error) {
	digest := t.mac.Sum("approval", []byte(kindReading), t.asker(kindReading, c.Principal))
	b := &breaking{kind: kindReading, count: int64(over), digest: digest[:]}
	var stands Approval
	err = v.store.Update(ctx, func(tx Tx) (err error) {
		if stands, err = v.standing(ctx, tx, c, t, b); err != nil {
			return err
		}
		until = time.Time{}
		if stands.State == ApprovalApproved && bytes.Equal(stands.Body, t.sealOf(&stands)) {
			until = stands.Decided.Add(readWindow)
			return nil
		}
		e.Code, e.Subject = codeApproval, []audit.Attr{{Key: "approval", Value: stands.ID.String()}}
		return v.append(ctx, tx, t, e)
	})
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("asking for a second person: %w", err)
	case until.IsZero():
		return time.Time{}, &ApprovalError{
			ID: stands.ID, Kind: kindReading, Expires: stands.Expires,
			Why: "This shows more people than one person may see within an hour",
		}
	}
	return until, nil
}

// standing is the approval of a principal to read on, whether it was given or not. One
// whose hour is over makes room for another.
func (v *Vault) standing(ctx context.Context, tx Tx, c accessctl.Caller, t *tenant, b *breaking) (Approval, error) {
	stands, _, err := tx.InsertApproval(ctx, v.approval(c, t, b))
	if err != nil || stands.State != ApprovalApproved || v.now().Before(stands.Decided.Add(readWindow)) {
		return stands, err
	}
	over, err := tx.Approval(ctx, t.row.ID, stands.ID, ExclusiveLock)
	if err != nil {
		return stands, err
	}
	over.State = ApprovalDone
	over.Body = t.sealOf(&over)
	if err := tx.UpdateApproval(ctx, over); err != nil {
		return stands, err
	}
	stands, _, err = tx.InsertApproval(ctx, v.approval(c, t, b))
	return stands, err
}
