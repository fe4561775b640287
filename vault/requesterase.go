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
func (v *Vault) endRequests(ctx context.Context, tx Tx, t *tenant, p *Subject, e audit.Event) (ended []uuid.UUID, err error) {
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
		ended = append(ended, rows[i].ID)
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
// more. A log row that does not verify is left: fsck names it.
func (v *Vault) forgetRequests(ctx context.Context) error {
	var errs []error
	for _, t := range v.openedTenants() {
		if err := v.forgetRequestsOf(ctx, t); err != nil {
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
		err = v.store.Update(ctx, func(tx Tx) error {
			for i := range page {
				now, _, err := t.lockRequestLog(ctx, tx, page[i].ID)
				if errors.Is(err, ErrIntegrity) || err == nil && (now.Open || !now.Forget.Equal(page[i].Forget)) {
					continue
				}
				if err != nil {
					return err
				}
				if err := tx.DropRequest(ctx, t.row.ID, now.ID); err != nil {
					return fmt.Errorf("removing a request: %w", err)
				}
			}
			return nil
		})
		if err != nil || len(page) < sweepRows {
			return err
		}
		last := &page[len(page)-1]
		q.AfterDue, q.AfterID = last.Due, last.ID
	}
}
