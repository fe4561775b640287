package trail

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

// A Signer signs checkpoints.
type Signer interface {
	// Public is the key that checkpoints verify with.
	Public() ed25519.PublicKey
	// SignNote signs the text of a note with the key.
	SignNote(text []byte) []byte
}

// A Tenant is what the sequencer knows of one.
type Tenant struct {
	Name string
	// Vouches says whether a node of the service has written a row of events whose leaves
	// have the hashes; Keeps, whether an event may stand alone in a row without a MAC, as
	// keepers write them. No event of a node may have the id of one that may: anybody who
	// can write rows could else keep it out of the log. They are called by several
	// goroutines at once.
	Vouches func(leaves []tree.Hash, mac []byte) bool
	Keeps   func(e *audit.Event) bool
}

// Config is what a sequencer needs. All but Seen is required, unless it says so.
type Config struct {
	Store Store // keeps rows and logs
	// Origin names the service in checkpoints; the log of a tenant is Origin/<name>.
	Origin string
	// Owner names this process in the lease.
	Owner string
	// Signer returns the service's signing key, or nil while it is not open: nothing
	// is sequenced then.
	Signer func() Signer
	// Tenant returns an open tenant. Rows of others wait.
	Tenant func(id int32) (Tenant, bool)
	// Seen is told every event once it is in the tree, in order. It must not block.
	Seen func(tenant string, index int64, e *audit.Event)
	// Refused is told of every row that was refused, and why. It must not block.
	Refused func(tenant int32, row int64, why string)
	// Every is how often new rows are looked for; 0: 250 ms.
	Every time.Duration
	// Lease is for how long a process that says nothing stays the one; 0: 10 s.
	Lease time.Duration
	// Batch bounds the events of one step, about; 0: 16,384. A step takes fewer if it would
	// last for more than a second or two: each statement has a time-out.
	Batch  int
	Now    func() time.Time // the clock
	Logger *slog.Logger     // gets what operators must know, never an event
}

// A Sequencer is made by [New]. Its methods, but for Expect, Stats and Altered, are not
// safe for concurrent use.
type Sequencer struct {
	cfg    Config
	lease  Lease
	leads  bool
	last   time.Time // of the last lease taken
	batch  int       // events of the next step, about, from the hand and from the store each
	rows   int       // rows that it reads at most
	more   bool      // the last step has left some
	looked time.Time // when it was last looked for rows beyond all that are known
	full   bool      // the last step took as many as it might

	hand   hand
	intake intake
	logs   map[int32]*growing

	mu      sync.Mutex
	altered map[int32]string

	sequenced, refused atomic.Int64
	lag                atomic.Int64 // of the last step, in microseconds
	behind             atomic.Bool  // rows wait, as far as the last step knows
	complete           atomic.Int64 // when the last look began that left none, in microseconds since 1970
	leading            atomic.Bool
	round, settled     atomic.Int64
	gaps               atomic.Int64
}

// Stats are running totals of one process.
type Stats struct {
	Leads     bool
	Sequenced int64
	Refused   int64
	// Lag is how old the oldest event of the last step was when it was in the tree; 0
	// when there was none, and in a process that does not lead. While rows wait,
	// because a step took as many as it may, or steps fail, or the signing key is not
	// open, it is at least the time since a look that left none: no event that waits
	// is older. Rows of tenants that are not open or were altered do not count.
	Lag time.Duration
	// Gaps is how many ids were given whose rows have not been seen.
	Gaps int64
}

// New makes a sequencer.
func New(cfg Config) (*Sequencer, error) {
	if cfg.Store == nil || cfg.Origin == "" || cfg.Owner == "" || cfg.Signer == nil || cfg.Tenant == nil || cfg.Now == nil || cfg.Logger == nil {
		return nil, errors.New("trail: a part of the configuration is missing")
	}
	if cfg.Every == 0 {
		cfg.Every = 250 * time.Millisecond
	}
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Batch == 0 {
		cfg.Batch = 1 << 14
	}
	if cfg.Seen == nil {
		cfg.Seen = func(string, int64, *audit.Event) {}
	}
	if cfg.Refused == nil {
		cfg.Refused = func(int32, int64, string) {}
	}
	s := &Sequencer{cfg: cfg, batch: min(firstBatch, cfg.Batch), rows: cfg.Batch, altered: map[int32]string{}}
	s.complete.Store(cfg.Now().UnixMicro())
	return s, nil
}

// Origin is that of a tenant's log.
func Origin(service, tenant string) string { return service + "/" + tenant }

// Stats tells what was done so far.
func (s *Sequencer) Stats() Stats {
	return Stats{
		Leads: s.leading.Load(), Sequenced: s.sequenced.Load(), Refused: s.refused.Load(),
		Lag: s.lagNow(), Gaps: s.gaps.Load(),
	}
}

func (s *Sequencer) lagNow() time.Duration {
	lag := time.Duration(s.lag.Load()) * time.Microsecond
	if s.behind.Load() {
		lag = max(lag, s.cfg.Now().Sub(time.UnixMicro(s.complete.Load())))
	}
	return lag
}

// Altered says why logs of tenants are not grown, by id: see [ErrAltered].
func (s *Sequencer) Altered() map[int32]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[int32]string, len(s.altered))
	for id, why := range s.altered {
		m[id] = why
	}
	return m
}

// Run sequences until ctx ends, and returns nil then.
func (s *Sequencer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.settle(ctx) })
	failing := false
	for ctx.Err() == nil {
		_, err := s.Step(ctx)
		switch {
		case err == nil || errors.Is(err, ErrNotLeader):
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			s.cfg.Logger.WarnContext(ctx, "events are not sequenced; trying again", "error", err)
		}
		if !s.full {
			pause(ctx, s.cfg.Every)
		}
	}
	s.leave(ctx)
	return nil
}

// settle waits for transactions that may still bring rows which were not there.
func (s *Sequencer) settle(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, s.cfg.Every)
		if s.gaps.Load() == 0 {
			continue
		}
		round := s.round.Load()
		if err := s.cfg.Store.Settle(ctx); err == nil {
			s.settled.Store(round)
		}
	}
}

// leaveWithin bounds how long the end of a process waits.
const leaveWithin = 2 * time.Second

// leave lets the next one begin at once.
func (s *Sequencer) leave(ctx context.Context) {
	if !s.leads {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	s.drop()
	_ = s.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Leave(ctx, s.lease) }) // else it ends by itself
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Step sequences what there is, up to a batch, and says how many rows it has taken.
// ErrNotLeader while another process does.
func (s *Sequencer) Step(ctx context.Context) (int, error) {
	if s.cfg.Signer() == nil {
		s.behind.Store(true)
		s.full = false
		return 0, nil
	}
	began := s.cfg.Now()
	n, err := s.step(ctx)
	failed := err != nil && !errors.Is(err, ErrNotLeader)
	s.full = err == nil && (n >= s.batch || s.more)
	if !failed && !s.full && (err != nil || !s.looked.Before(began)) {
		s.complete.Store(began.UnixMicro()) // if another leads, it is as far
	}
	s.behind.Store(failed || s.full)
	s.adapt(failed, s.cfg.Now().Sub(began))
	return n, err
}

// The events of a step, and how long one should take: far less than the time-out of a
// statement, and long enough that its waits for the store do not count.
const (
	firstBatch = 2048
	leastBatch = 256
	shortStep  = time.Second
	longStep   = 2 * time.Second
)

// adapt chooses how many events the next step takes: twice as many after a short one that
// was full, half as many after a long one or one that failed.
func (s *Sequencer) adapt(failed bool, took time.Duration) {
	switch {
	case failed || s.full && took > longStep:
		s.batch = max(s.batch/2, min(leastBatch, s.cfg.Batch))
	case s.full && took < shortStep:
		s.batch = min(2*s.batch, s.cfg.Batch)
	}
}

func (s *Sequencer) step(ctx context.Context) (int, error) {
	if err := s.takeLease(ctx); err != nil {
		return 0, err
	}
	b, err := s.read(ctx)
	if err != nil {
		return 0, err
	}
	gs, err := s.plan(ctx, b)
	if err != nil {
		return 0, err
	}
	if err := s.store(ctx, b, gs); err != nil {
		return 0, err
	}
	return len(b.rows) - b.later, nil
}

// takeLease sees to it that the lease is this process's for a while.
func (s *Sequencer) takeLease(ctx context.Context) error {
	now := s.cfg.Now()
	if s.leads && now.Sub(s.last) < s.cfg.Lease/3 && !now.Before(s.last) {
		return nil
	}
	if !s.leads && now.Sub(s.last) < s.cfg.Lease/5 && !now.Before(s.last) {
		return ErrNotLeader
	}
	s.last = now
	var l Lease
	err := s.cfg.Store.Update(ctx, func(tx Tx) (err error) {
		l, err = tx.Lead(ctx, s.cfg.Owner, now, now.Add(s.cfg.Lease))
		return err
	})
	if err != nil {
		s.drop()
		return fmt.Errorf("taking the lease: %w", err)
	}
	if s.leads && l.Fence == s.lease.Fence {
		s.lease.Until = l.Until
		return nil
	}
	s.lease = l
	s.hand.begin(true)
	if err := s.begin(ctx); err != nil {
		s.drop()
		return err
	}
	s.leads = true
	s.leading.Store(true)
	s.cfg.Logger.InfoContext(ctx, "this process sequences the audit logs")
	return nil
}

// drop forgets everything: the next step begins anew.
func (s *Sequencer) drop() {
	s.leads, s.full, s.more = false, false, false
	s.leading.Store(false)
	s.hand.begin(false)
	s.intake, s.logs, s.looked = intake{}, nil, time.Time{}
	s.gaps.Store(0)
	s.lag.Store(0)
}

// begin learns which rows are in the tree.
func (s *Sequencer) begin(ctx context.Context) error {
	in := newIntake(s.lease.Settled)
	for {
		var ids []int64
		err := s.cfg.Store.View(ctx, func(tx Tx) (err error) {
			ids, err = tx.Sequenced(ctx, in.top, s.cfg.Batch)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading what is sequenced: %w", err)
		}
		round := s.round.Add(1)
		for _, id := range ids {
			if id > in.top+MaxGap {
				return fmt.Errorf("%w: a leaf names a row that was never there", ErrAltered)
			}
			in.saw(id, round)
		}
		if len(ids) < s.cfg.Batch {
			break
		}
	}
	s.intake, s.logs = in, map[int32]*growing{}
	return nil
}
