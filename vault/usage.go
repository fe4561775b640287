package vault

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// MaxUsageDays is the longest window of a usage report, in days.
const MaxUsageDays = 3660

// Usage says what was read under a purpose (empty: under any) in the last days, by
// field and caller: from the log, compared with its newest signed checkpoint, to who has
// the action audit. Events of the last second may not be in the log yet, and pruned
// ones are not read. A purpose that the catalog does not have is ErrNotFound. progress,
// if not nil, is told how many events were read.
func (v *Vault) Usage(ctx context.Context, c accessctl.Caller, purpose accessctl.Purpose, days int, progress func(events int64)) (*report.UsageReport, error) {
	r, _, err := v.usageOf(ctx, c, purpose, days, seeing{progress: progress})
	return r, err
}

// seeing is what else is done while the log is read.
type seeing struct {
	progress func(events int64)
	trend    *report.Trend // nil: none is made
}

func (v *Vault) usageOf(ctx context.Context, c accessctl.Caller, purpose accessctl.Purpose, days int, also seeing) (*report.UsageReport, *settings, error) {
	t, s, log, err := v.openLog(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	if days < 1 || days > MaxUsageDays {
		return nil, nil, invalid("days", "must be from 1 to 3660")
	}
	if s == nil {
		return nil, nil, ErrNotFound // there is no catalog
	}
	if purpose != "" && purpose != accessctl.PurposeSelf {
		if _, ok := s.catalog.Purpose(string(purpose)); !ok {
			return nil, nil, ErrNotFound
		}
	}
	names, err := v.namesOf(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if err := v.record(ctx, t, v.event(t, s, c, accessctl.ActionAudit)); err != nil {
		return nil, nil, err
	}
	current, signed, err := log.At(ctx)
	if err != nil {
		return nil, nil, logError(err)
	}
	to := v.now()
	u := report.NewUsage(report.UsageQuery{Tenant: t.row.Name, Purpose: purpose, From: to.AddDate(0, 0, -days), To: to})
	scan := logScanning{
		log: log, from: to.AddDate(0, 0, -days), to: to, below: current.Size, progress: also.progress,
		see: func(_ int64, e *audit.Event) {
			u.See(e)
			if also.trend != nil {
				also.trend.See(e)
			}
		},
	}
	var authentic error
	var wg sync.WaitGroup
	wg.Go(func() { authentic = log.Authentic(ctx, current) })
	err = scan.run(ctx)
	wg.Wait()
	altered := errors.Is(authentic, trail.ErrAltered)
	if err == nil && !altered {
		err = authentic
	}
	if err != nil {
		return nil, nil, logError(err)
	}
	verified := !altered && !scan.altered
	return u.Report(names, &report.Checkpoint{Size: current.Size, Root: current.Root, Time: signed, Verified: verified}), s, nil
}

// Minimisation is what may be more than is needed: fields and purposes that nobody used
// in a window, and purposes whose review is overdue.
type Minimisation struct {
	Usage *report.UsageReport
	// Fields were read or counted under no purpose, in the order of the catalog.
	Fields []*catalog.Field
	// Purposes were claimed by no reading, statistic or pseudonym.
	Purposes []*catalog.Purpose
	// Unread are purposes that fields list and under which they were not read, though
	// field and purpose are in use: the field can do without the purpose.
	Unread []UnreadFor
	// Review are the purposes past their review date.
	Review []*catalog.Purpose
}

// An UnreadFor is a field and a purpose that it lists.
type UnreadFor struct {
	Field   *catalog.Field
	Purpose *catalog.Purpose
}

// Minimise compares the catalog in force with what was read in the last days, as
// [Vault.Usage] counts it: to who has the action audit. A field that a person saw of
// themself alone counts as unused: nobody else needed it.
func (v *Vault) Minimise(ctx context.Context, c accessctl.Caller, days int, progress func(events int64)) (*Minimisation, error) {
	r, s, err := v.usageOf(ctx, c, "", days, seeing{progress: progress})
	if err != nil {
		return nil, err
	}
	return minimise(r, s.catalog, v.now()), nil
}

// Trend says how things went in the last days, in the given number of equal steps, with
// what [Vault.Minimise] says of the same window; from one reading of the log: to who has
// the action audit.
func (v *Vault) Trend(ctx context.Context, c accessctl.Caller, days, steps int) (*report.TrendReport, *Minimisation, error) {
	if steps < 1 || steps > 1000 {
		return nil, nil, invalid("steps", "must be from 1 to 1000")
	}
	if days < 1 || days > MaxUsageDays {
		return nil, nil, invalid("days", "must be from 1 to 3660")
	}
	to := v.now()
	trend := report.NewTrend(to.AddDate(0, 0, -days), to, steps)
	r, s, err := v.usageOf(ctx, c, "", days, seeing{trend: trend})
	if err != nil {
		return nil, nil, err
	}
	return trend.Report(), minimise(r, s.catalog, v.now()), nil
}

func minimise(r *report.UsageReport, c *catalog.Catalog, now time.Time) *Minimisation {
	type reading struct {
		collection, field uint32
		purpose           string
	}
	read, fields, purposes := map[reading]bool{}, map[[2]uint32]bool{}, map[string]bool{}
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Caller == "self" && row.Purpose == accessctl.PurposeSelf {
			continue
		}
		purposes[string(row.Purpose)] = true
		fields[[2]uint32{row.CollectionID, row.FieldID}] = true
		read[reading{row.CollectionID, row.FieldID, string(row.Purpose)}] = true
	}
	m := &Minimisation{Usage: r, Review: c.PastReview(now)}
	for i := range c.Purposes {
		if p := &c.Purposes[i]; !purposes[p.ID] {
			m.Purposes = append(m.Purposes, p)
		}
	}
	for i := range c.Collections {
		coll := &c.Collections[i]
		for j := range coll.Fields {
			f := &coll.Fields[j]
			if !fields[[2]uint32{coll.ID, f.ID}] {
				m.Fields = append(m.Fields, f)
				continue
			}
			for _, id := range f.Purposes {
				if p, ok := c.Purpose(id); ok && purposes[id] && !read[reading{coll.ID, f.ID, id}] {
					m.Unread = append(m.Unread, UnreadFor{f, p})
				}
			}
		}
	}
	return m
}
