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
	"github.com/fieldvault/fieldvault/audit/tree"
)

// followUps is how much later than the window the log is read: a release that failed
// says so in an event of its own.
const followUps = 5 * time.Minute

// Breach says which people and fields were shown in a window, from the log, to who has
// the action audit. Every event that counts is compared with its leaf, and the leaves
// with the newest signed checkpoint; if they do not fit, the report says that it was not
// verified. Events of the last second may not be in the log yet. q.Tenant is not read:
// it is the caller's. progress, if not nil, is told how many events were read. An
// *InvalidError says what is wrong with the query.
func (v *Vault) Breach(ctx context.Context, c accessctl.Caller, q report.Query, progress func(events int64)) (*report.Report, error) {
	t, s, log, err := v.openLog(ctx, c)
	if err != nil {
		return nil, err
	}
	q.Tenant = t.row.Name
	if err := q.Check(); err != nil {
		return nil, invalid("from and to", "must be times, from before to")
	}
	names, err := v.namesOf(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := v.record(ctx, t, v.event(t, s, c, accessctl.ActionAudit)); err != nil {
		return nil, err
	}
	current, signed, err := log.At(ctx)
	if err != nil {
		return nil, logError(err)
	}
	scan := breachScan{log: log, query: q, below: current.Size, progress: progress}
	b, err := scan.run(ctx)
	if err != nil {
		return nil, logError(err)
	}
	verified := true
	if err := log.Authentic(ctx, current); errors.Is(err, trail.ErrAltered) || scan.altered {
		verified = false
	} else if err != nil {
		return nil, logError(err)
	}
	return b.Report(names, &report.Checkpoint{Size: current.Size, Root: current.Root, Time: signed, Verified: verified}), nil
}

// A breachScan reads a window of the log.
type breachScan struct {
	log      trail.Log
	query    report.Query
	below    int64
	progress func(int64)
	altered  bool // an event is not the one of its leaf, or is not there
}

// breachReaders is how many parse at the same time.
const breachReaders = 4

// run reads page by page; others parse.
func (s *breachScan) run(ctx context.Context) (*report.Breach, error) {
	pages := make(chan []trail.Entry, breachReaders)
	parts := make([]*report.Breach, breachReaders)
	altered := make([]bool, breachReaders)
	var wg sync.WaitGroup
	for i := range parts {
		parts[i] = report.NewBreach(s.query)
		wg.Go(func() {
			for page := range pages {
				altered[i] = !see(parts[i], page) || altered[i]
			}
		})
	}
	err := s.read(ctx, pages)
	close(pages)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	for i := range parts {
		s.altered = s.altered || altered[i]
		if i > 0 {
			parts[0].Merge(parts[i])
		}
	}
	return parts[0], nil
}

func (s *breachScan) read(ctx context.Context, pages chan<- []trail.Entry) error {
	find := trail.Find{From: s.query.From, To: s.query.To.Add(followUps), BelowIndex: s.below, Limit: logScan}
	read := int64(0)
	for {
		list, err := s.log.Find(ctx, find)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			pages <- list
			find.FromIndex = list[len(list)-1].Index + 1
		}
		read += int64(len(list))
		if s.progress != nil {
			s.progress(read)
		}
		if len(list) < logScan {
			return nil
		}
	}
}

// see takes in a page, and says whether each event is the one of its leaf. One that
// was altered counts all the same: the report errs towards more.
func see(b *report.Breach, page []trail.Entry) (genuine bool) {
	genuine = true
	for i := range page {
		x := &page[i]
		genuine = genuine && tree.LeafHash(x.Body) == x.Hash
		e, err := audit.ParseLeaf(x.Body)
		if err != nil {
			genuine = false
			continue
		}
		b.See(x.Index, &e)
	}
	return genuine
}
