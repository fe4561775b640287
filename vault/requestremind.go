package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fieldvault/fieldvault/vault/rights"
)

// rightsEvery is how often Run looks for deadlines that come near.
const rightsEvery = time.Minute

// RequestStats is how requests stand, over all tenants that are open here, as of the
// last look.
type RequestStats struct {
	Open    int64 // not ended
	Overdue int64 // of these, those with something owed that is late
}

// RequestStats says how requests stand. It asks nothing of the store.
func (v *Vault) RequestStats() RequestStats {
	if s := v.requestStats.Load(); s != nil {
		return *s
	}
	return RequestStats{}
}

// runRights reminds of deadlines and tells recipients until ctx ends.
func (v *Vault) runRights(ctx context.Context) {
	var recipients sync.WaitGroup
	defer recipients.Wait()
	for n := range v.rights.Recipients {
		recipients.Go(func() { v.runRecipient(ctx, n) })
	}
	tick := time.NewTicker(rightsEvery)
	defer tick.Stop()
	for {
		if err := v.remindAll(ctx); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "the deadlines of requests could not be looked at; trying again", "every", rightsEvery, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Remind looks at every open request once: it tells, to the log and to
// [RightsConfig].Reminded, the reminders that became due since the last look of any
// process, each exactly once, and tells recipients whose turn it is, side by side.
// [Vault.Run] does the same, and lets nobody wait for a recipient; a process that ends
// between the commit and the telling loses a reminder.
func (v *Vault) Remind(ctx context.Context) error {
	reminding := v.remindAll(ctx)
	told := make(chan error)
	for n := range v.rights.Recipients {
		go func() { told <- v.tellWaiting(ctx, n) }()
	}
	errs := []error{reminding}
	for range v.rights.Recipients {
		errs = append(errs, <-told)
	}
	return errors.Join(errs...)
}

func (v *Vault) remindAll(ctx context.Context) error {
	var stats RequestStats
	var errs []error
	for _, t := range v.openedTenants() {
		err := v.eachOpen(ctx, t, func(l *RequestLog) error { return v.remindOf(ctx, t, l, &stats) })
		errs = append(errs, err)
	}
	v.requestStats.Store(&stats)
	return errors.Join(errs...)
}

// eachOpen does f with the log of every request that is open, or of which somebody has
// yet to be told. An error of f does not end it.
func (v *Vault) eachOpen(ctx context.Context, t *tenant, f func(*RequestLog) error) error {
	q := RequestLogQuery{Tenant: t.row.ID, OpenOnly: true, Limit: sweepRows}
	var errs []error
	for {
		var page []RequestLog
		err := v.store.View(ctx, func(tx Tx) (err error) {
			page, err = tx.RequestLogs(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading the log of requests: %w", err)
		}
		for i := range page {
			if err := f(&page[i]); err != nil {
				errs = append(errs, err)
			}
		}
		if len(page) < sweepRows {
			return errors.Join(errs...)
		}
		last := &page[len(page)-1]
		q.AfterDue, q.AfterID = last.Due, last.ID
	}
}

// remindOf looks at one request.
func (v *Vault) remindOf(ctx context.Context, t *tenant, l *RequestLog, stats *RequestStats) error {
	d, err := t.openRequestLog(l)
	if err != nil {
		v.log.ErrorContext(ctx, "the log of a request was changed outside the service and does not count", "request", l.ID)
		return nil
	}
	if d.Request.State.Over() {
		return nil // somebody has yet to be told
	}
	stats.Open++
	rules, now := v.rulesOf(d.Request.Regime), v.now()
	if rights.Clock(d.Request, rules, v.rights.Calendar, now).Overdue {
		stats.Overdue++
	}
	if len(rights.Reminders(d.Request, rules, v.rights.Calendar, l.Reminded, now)) == 0 {
		return nil
	}
	var due []rights.Reminder
	err = v.store.Update(ctx, func(tx Tx) error {
		log, d, err := t.lockRequestLog(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		due = rights.Reminders(d.Request, rules, v.rights.Calendar, log.Reminded, now) // another may have told them
		if len(due) == 0 {
			return nil
		}
		log.Reminded = now
		return v.logRequest(ctx, tx, t, d, &log)
	})
	if err != nil {
		return fmt.Errorf("noting reminders: %w", err)
	}
	for _, m := range due {
		v.log.WarnContext(ctx, "a request has a deadline", "tenant", t.row.Name, "request", m.Request, "reminder", string(m.Kind),
			"task", string(m.Task), "by", m.By, "days", m.Days)
		if v.rights.Reminded != nil {
			v.rights.Reminded(ctx, t.row.Name, m, d.Request.Kind)
		}
	}
	return nil
}
