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
	"github.com/fieldvault/fieldvault/vault/catalog"
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
	q.Redacted = redactedIn(s)
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
	b := report.NewBreach(q)
	scan := logScanning{
		log: log, from: q.From, to: q.To.Add(followUps), below: current.Size, progress: progress,
		see:    b.See,
		settle: b.Settle,
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
		return nil, logError(err)
	}
	verified := !altered && !scan.altered
	return b.Report(names, &report.Checkpoint{Size: current.Size, Root: current.Root, Time: signed, Verified: verified}), nil
}

// redactedIn says which fields are texts that are redacted for those who get them masked,
// by the catalog in force.
func redactedIn(s *settings) func(collection, field uint32) bool {
	if s == nil {
		return nil // there is no catalog
	}
	return func(collection, field uint32) bool {
		if c, ok := s.catalog.CollectionByID(collection); ok {
			if f, ok := c.FieldByID(field); ok {
				return f.Mask == catalog.MaskRedact
			}
		}
		return false
	}
}

// A logScanning reads a window of the log: one goroutine reads pages, several parse
// them, and one sees their events in the order of the log. So a follow-up is never
// looked for in another's part, and what is certain is settled as the scan goes on:
// memory is bounded by the report and the events of an hour.
type logScanning struct {
	log      trail.Log
	from, to time.Time // of events
	below    int64
	see      func(index int64, e *audit.Event)
	settle   func(before time.Time) // nil: nothing is to be settled
	progress func(int64)            // nil: nobody is told
	altered  bool                   // an event is not the one of its leaf, or is not there
}

const (
	// breachParsers is how many parse at the same time.
	breachParsers = 4
	// settleAfter is how long after a release a follow-up may come, and more.
	settleAfter = time.Hour
	// settleEvery is how many pages are between two settlements: each looks at all
	// that is not settled yet.
	settleEvery = 20
)

// A breachPage is a part of the log on its way.
type breachPage struct {
	entries []trail.Entry

	// Set before done is closed.
	events  []audit.Event // as entries, without those that are none
	indexes []int64       // of events
	genuine bool          // each entry is the one of its leaf
	done    chan struct{}
}

func (s *logScanning) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	work, order := make(chan *breachPage, breachParsers), make(chan *breachPage, breachParsers)
	var failed error
	wg.Go(func() {
		defer close(order)
		defer close(work)
		failed = s.read(ctx, work, order)
	})
	for range breachParsers {
		wg.Go(func() {
			for p := range work {
				p.parse()
			}
		})
	}
	pages := 0
	for p := range order {
		<-p.done
		s.altered = s.altered || !p.genuine
		for i := range p.events {
			s.see(p.indexes[i], &p.events[i])
		}
		if pages++; s.settle != nil && pages%settleEvery == 0 && len(p.events) > 0 {
			s.settle(p.events[len(p.events)-1].Time.Add(-settleAfter))
		}
	}
	return failed
}

func (s *logScanning) read(ctx context.Context, to ...chan<- *breachPage) error {
	find := trail.Find{From: s.from, To: s.to, BelowIndex: s.below, Limit: logScan}
	read := int64(0)
	for {
		list, err := s.log.Find(ctx, find)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			p := &breachPage{entries: list, done: make(chan struct{})}
			for _, c := range to {
				select {
				case c <- p:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
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

// parse reads the events of a page. One that was altered counts all the same: the
// report errs towards more.
func (p *breachPage) parse() {
	defer close(p.done)
	p.events, p.indexes = make([]audit.Event, 0, len(p.entries)), make([]int64, 0, len(p.entries))
	p.genuine = true
	for i := range p.entries {
		x := &p.entries[i]
		p.genuine = p.genuine && tree.LeafHash(x.Body) == x.Hash
		e, err := audit.ParseLeaf(x.Body)
		if err != nil {
			p.genuine = false
			continue
		}
		p.events, p.indexes = append(p.events, e), append(p.indexes, x.Index)
	}
}
