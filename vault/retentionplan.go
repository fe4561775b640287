package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// passesKept is for how long the passes of retention that found nothing wrong are
// listed as jobs: an hourly one would else hide every other job.
const passesKept = 48 * time.Hour

// PlanRetention asks for a job of the kind JobRetention for every tenant that is open
// here, where one can find something: the last pass says when the first time ends, and
// what was written since has a time of its own. A pass that ended less than every ago,
// on whichever node, is enough. Its caller calls it again and again.
func (v *Vault) PlanRetention(ctx context.Context, every time.Duration) error {
	var errs []error
	for _, t := range v.openedTenants() {
		if err := v.planRetention(ctx, t, every); err != nil {
			errs = append(errs, fmt.Errorf("planning retention: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (v *Vault) planRetention(ctx context.Context, t *tenant, every time.Duration) error {
	if t.settings.Load() == nil {
		if err := v.loadCurrent(ctx, t); errors.Is(err, ErrNoRow) {
			return nil // no catalog or no policy: nobody can have written anything
		}
	}
	_, s, err := v.freshOpen(ctx, t.row.Name)
	if err != nil {
		return err
	}
	shortest := limitsOf(s.catalog).shortest()
	var list []Job
	err = v.store.View(ctx, func(tx Tx) (err error) {
		list, err = tx.Jobs(ctx, t.row.ID, MaxPage)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading jobs: %w", err)
	}
	list = slices.DeleteFunc(list, func(j Job) bool { return j.Kind != JobRetention })
	t.noteRetention(list)
	if shortest == 0 {
		t.retention.Store(nil)
		return nil
	}
	now := v.now()
	for _, j := range list { // newest first
		var cur retentionCursor
		switch {
		case j.State == JobQueued || j.State == JobRunning:
			return nil
		case j.State != JobDone || json.Unmarshal(j.Cursor, &cur) != nil:
			continue // one that failed says nothing
		case cur.Catalog == s.catalog.Version && (!now.After(cur.next(shortest)) || now.Sub(cur.Began) < every):
			return nil
		}
		break
	}
	return v.store.Update(ctx, func(tx Tx) error {
		if _, err := tx.DropJobs(ctx, t.row.ID, JobRetention, now.Add(-passesKept)); err != nil {
			return err
		}
		_, _, err := tx.InsertJob(ctx, Job{
			ID: v.newID(), Tenant: t.row.ID, Kind: JobRetention, State: JobQueued, Params: []byte(`{}`),
			By: "service", Created: now, Updated: now,
		})
		return err
	})
}

// noteRetention notes what the last pass said.
func (t *tenant) noteRetention(list []Job) {
	for i := range list {
		var cur retentionCursor
		if list[i].State == JobDone && json.Unmarshal(list[i].Cursor, &cur) == nil {
			t.retention.Store(&cur)
			return
		}
	}
}

// RetentionStats is how retention stands, over all tenants that are open here, by the
// last pass over each.
type RetentionStats struct {
	// Overdue is for how long the value has been past its time that is so for the
	// longest and may be removed; 0: none. While no pass runs it grows by itself.
	Overdue time.Duration
	// Kept is how many values a hold or a restriction kept past their time.
	Kept int64
	// Stuck is how many records could not be looked at.
	Stuck int64
	// Last is when the pass began that is the oldest of the last ones; zero: none.
	Last time.Time
}

// retentionCheck is the line of readyz about retention, if there is something to say.
// It takes no node out of service: requests are answered as before.
func (v *Vault) retentionCheck() []Check {
	late := v.RetentionStats().Overdue
	if late < lateAfter {
		return nil
	}
	return []Check{{Name: "retention", OK: true, Note: fmt.Sprintf(
		"a value has been past its time for %s and is not removed: look at the job %q under /v1/jobs", late.Round(time.Minute), JobRetention)}}
}

// lateAfter is from when on readyz speaks of a value that is not removed.
const lateAfter = 24 * time.Hour

// RetentionStats says how retention stands. It asks nothing of the store: another
// node's pass is known after the next [Vault.PlanRetention].
func (v *Vault) RetentionStats() (x RetentionStats) {
	now := v.now()
	for _, t := range v.openedTenants() {
		cur := t.retention.Load()
		if cur == nil {
			continue
		}
		x.Kept, x.Stuck = x.Kept+cur.Kept, x.Stuck+cur.Stuck
		if !cur.First.IsZero() {
			x.Overdue = max(x.Overdue, now.Sub(cur.First))
		}
		if x.Last.IsZero() || cur.Began.Before(x.Last) {
			x.Last = cur.Began
		}
	}
	return x
}
