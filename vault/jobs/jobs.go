// Package jobs is a clock and a lock: it runs bounded work on one node at a
// time, and knows nothing of the work.
//
// A [Job] is a row that somebody else keeps. A [Runner] takes one by a lease,
// calls its [Worker] for one step after another, and after each step saves where
// the work stands and renews the lease. What holds:
//
//   - Of two runners only one makes progress with a job: a save names the fence
//     that the lease was taken under, and the next owner has a higher one.
//   - A step may be repeated: a process can end after the step and before the save.
//     Two steps of one job may also overlap, when the first ran past its lease. A
//     worker must be right in both cases; its context ends with the lease.
//   - When a runner stops, its jobs can be taken by others at once; when it dies,
//     as soon as the lease ends.
//   - A step that fails is tried again, later and later, until it succeeds or says
//     that it never will. The job runs all the while and shows why it waits.
//   - A panic fails the job that caused it, and nothing else.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
)

// State is where a job stands in its life.
type State int16

// The states. Done and Failed are for ever.
const (
	Queued  State = 1
	Running State = 2
	Done    State = 3
	Failed  State = 4
)

// A Job is bounded work, a step at a time.
type Job struct {
	ID     uuid.UUID
	Tenant int32
	Kind   string
	State  State
	Params []byte // what is to be done; never changed
	Cursor []byte // where the work stands: the worker's own
	Done   int64  // units done, of Total
	Total  int64  // 0: not known
	Note   string // what is being done, or why it failed or waits, in words
	// Owner has the lease until Lease, under Fence.
	Owner   string
	Fence   int64
	Lease   time.Time
	Updated time.Time
}

// A Source keeps jobs.
type Source interface {
	// Take leases the oldest job of one of the kinds that is queued, or that runs
	// under a lease that ended before now: to owner, until lease, under the next
	// fence. [ErrNone] if there is none. Two callers never get the same one.
	Take(ctx context.Context, kinds []string, owner string, now, lease time.Time) (Job, error)
	// Save writes State, Cursor, Done, Total, Note, Lease and Updated. [ErrLost]
	// unless the job still runs under j.Fence.
	Save(ctx context.Context, j Job) error
}

// A Worker does the work of one kind of job.
type Worker interface {
	// Step does a bounded part of the work, about a second's, and returns j with
	// new Cursor, Done, Total and Note; what else it changes is ignored. done says
	// that nothing is left. ctx ends with the lease.
	Step(ctx context.Context, j Job) (next Job, done bool, err error)
}

// WorkerFunc is a Worker that is a function.
type WorkerFunc func(ctx context.Context, j Job) (next Job, done bool, err error)

// Step calls f.
func (f WorkerFunc) Step(ctx context.Context, j Job) (Job, bool, error) { return f(ctx, j) }

// Config says how a [Runner] works.
type Config struct {
	// Source keeps the jobs. Required.
	Source Source
	// Work has the worker of each kind; other kinds are left alone. Required.
	Work map[string]Worker
	// Owner names this process among all others, for people to read. Required.
	Owner string
	// Now is the clock of leases; nodes agree on it to within a few seconds.
	// Required.
	Now func() time.Time
	// Logger gets what went wrong. Required.
	Logger *slog.Logger
	// Ready says of a kind whether this process can work on it now: what it cannot do
	// it must leave to others, since a job whose steps fail is not given back. nil: it can
	// work on all.
	Ready func(kind string) bool
	// Lease is for how long a job is taken; a step must end within it. 0: 30 s.
	Lease time.Duration
	// Every is how often to look for jobs while there are none. 0: 1 s.
	Every time.Duration
	// Parallel is how many jobs run here at once, so that one that waits for a
	// dependency holds up no other. 0: 4.
	Parallel int
	// Pause is how long to rest between two steps of a job, to leave room for
	// requests. 0: not at all.
	Pause time.Duration
	// Busy says whether there is anybody to leave room for. nil: there always is.
	Busy func() bool
	// MaxRetry bounds the wait between two tries of a step, which begins with a
	// second and doubles. 0: 30 s.
	MaxRetry time.Duration
}

// A Runner runs jobs. See [Runner.Run].
type Runner struct {
	cfg   Config
	kinds []string // sorted
}

// New makes a runner. It refuses a configuration with a gap.
func New(cfg Config) (*Runner, error) {
	switch {
	case cfg.Source == nil:
		return nil, errors.New("jobs: Config.Source is required")
	case len(cfg.Work) == 0:
		return nil, errors.New("jobs: Config.Work is required")
	case cfg.Owner == "":
		return nil, errors.New("jobs: Config.Owner is required")
	case cfg.Now == nil:
		return nil, errors.New("jobs: Config.Now is required")
	case cfg.Logger == nil:
		return nil, errors.New("jobs: Config.Logger is required")
	case cfg.Lease < 0 || cfg.Every < 0 || cfg.Parallel < 0 || cfg.Pause < 0 || cfg.MaxRetry < 0:
		return nil, errors.New("jobs: a duration or number of Config is negative")
	}
	cfg.Lease = orDefault(cfg.Lease, 30*time.Second)
	cfg.Every = orDefault(cfg.Every, time.Second)
	cfg.MaxRetry = orDefault(cfg.MaxRetry, 30*time.Second)
	cfg.Parallel = orDefault(cfg.Parallel, 4)
	r := &Runner{cfg: cfg}
	for kind, w := range cfg.Work {
		if w == nil {
			return nil, errors.New("jobs: Config.Work has a kind without a worker")
		}
		r.kinds = append(r.kinds, kind)
	}
	slices.Sort(r.kinds)
	return r, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// ETA estimates how long the rest will take, if it goes on as it went since
// started: (now - started) * (total - done) / done. It says false while nothing can
// be said: nothing is done, the total is not known, or no time has passed.
func ETA(done, total int64, started, now time.Time) (left time.Duration, known bool) {
	took := now.Sub(started)
	if done <= 0 || total <= 0 || took <= 0 {
		return 0, false
	}
	if done >= total {
		return 0, true
	}
	rest := float64(took) * float64(total-done) / float64(done)
	if rest >= float64(1<<63-1) {
		return 0, false
	}
	return time.Duration(rest), true
}
