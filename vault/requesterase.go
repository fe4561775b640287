package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/vault/rights"
)

// endRequests ends, in the log, the open requests of a person who has just been erased
// by the event e. What does not verify is left as it is: it must not stop an erasure,
// and fsck names it.
// It returns which they were.
func (v *Vault) endRequests(ctx context.Context, tx Tx, t *tenant, p *Subject, e audit.Event) (ended []rights.Request, err error) {
	if p.UID == uuid.Nil {
		return nil, nil
	}
	rows, err := tx.RequestsOf(ctx, t.row.ID, p.UID)
	if err != nil {
		return nil, fmt.Errorf("reading requests: %w", err)
	}
	for i := range rows {
		if _, err := t.openRequest(&rows[i]); err != nil {
			continue
		}
		log, d, err := t.lockRequestLog(ctx, tx, rows[i].ID)
		if errors.Is(err, ErrIntegrity) || err == nil && d.Request.State.Over() {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := v.endByErasure(ctx, tx, t, d, deed{t, p, &e}); err != nil {
			return nil, err
		}
		if err := v.logRequest(ctx, tx, t, d, &log); err != nil {
			return nil, err
		}
		ended = append(ended, d.Request)
	}
	return ended, nil
}

// endByErasure ends one request in the log.
func (v *Vault) endByErasure(ctx context.Context, tx Tx, t *tenant, d *requestLogDoc, by deed) error {
	d.Request = rights.Erased(d.Request, by.p.ErasedAt)
	d.Steps = append(d.Steps, requestStep{Step: rights.Complete, At: d.Request.Ended, Event: by.e.ID, Reason: d.Request.Reason})
	last, err := tx.LastErasure(ctx, t.row.ID, by.p.Lookup, by.p.Generation, nil)
	if err != nil && !errors.Is(err, ErrNoRow) {
		return fmt.Errorf("reading a certificate: %w", err)
	}
	d.Erasure, d.Told = last.ID, v.toBeTold(&d.Request)
	return nil
}

// forgetRequests removes requests, and what is logged of them, that need not be kept any
// more. What is a held person's is kept until the hold is lifted, and everything while
// the database may lack a hold that the ledger knows. What does not verify is left: fsck
// names it.
func (v *Vault) forgetRequests(ctx context.Context) error {
	var errs []error
	for _, t := range v.openedTenants() {
		if err := v.forgetRequestsOf(ctx, t); err != nil && !errors.Is(err, ErrBehind) {
			errs = append(errs, fmt.Errorf("removing requests that had their time: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (v *Vault) forgetRequestsOf(ctx context.Context, t *tenant) error {
	q := RequestLogQuery{Tenant: t.row.ID, ForgetBefore: v.now(), Limit: sweepRows}
	for {
		var page []RequestLog
		err := v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.RequestLogs(ctx, q)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		l, err := v.store.LoadForReveal(ctx, LoadQuery{Tenant: t.row.ID})
		if err != nil {
			return fmt.Errorf("asking for the database's incarnation: %w", err)
		}
		if err := v.guard(ctx, l.Incarnation); err != nil {
			return err
		}
		for i := range page {
			if err := v.forgetRequest(ctx, t, &page[i]); err != nil {
				return err
			}
		}
		if len(page) < sweepRows {
			return nil
		}
		last := &page[len(page)-1]
		q.AfterDue, q.AfterID = last.Due, last.ID
	}
}

// forgetRequest removes one request, unless it has changed since it was listed, or must
// be kept.
func (v *Vault) forgetRequest(ctx context.Context, t *tenant, listed *RequestLog) error {
	return v.store.Update(ctx, func(tx Tx) error {
		if err := v.stillOpen(ctx, tx); err != nil {
			return err
		}
		if kept, err := t.keptByHold(ctx, tx, listed.ID); kept || err != nil {
			return err
		}
		now, _, err := t.lockRequestLog(ctx, tx, listed.ID)
		if errors.Is(err, ErrIntegrity) || err == nil && (now.Open || !now.Forget.Equal(listed.Forget)) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := tx.DropRequest(ctx, t.row.ID, now.ID); err != nil {
			return fmt.Errorf("removing a request: %w", err)
		}
		return nil
	})
}

// keptByHold says whether a request is of a person who is under a hold, or of whom
// nobody can tell, because a row was changed outside the service. The person is locked.
func (t *tenant) keptByHold(ctx context.Context, tx Tx, id uuid.UUID) (bool, error) {
	row, err := tx.RequestRow(ctx, t.row.ID, id)
	if errors.Is(err, ErrNoRow) {
		return false, nil // the person was erased: nobody who is held is
	}
	if err != nil {
		return false, fmt.Errorf("reading a request: %w", err)
	}
	if _, err := t.openRequest(&row); err != nil {
		return true, nil //nolint:nilerr // it is kept
	}
	p, err := tx.SubjectByUID(ctx, t.row.ID, row.UID, ShareLock)
	if errors.Is(err, ErrNoRow) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a person: %w", err)
	}
	return p.Held || !t.marked(&p), nil
}
