package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// What a job shows when its worker does not say.
const (
	noteRetry = "a step failed and will be tried again; the log of the service says why"
	noteFault = "a fault of the program stopped the work; the log of the service says where"
	noteFail  = "the work cannot go on; the log of the service says why"
)

// firstRetry is the wait after the first failure; releaseWait bounds how long a
// runner that stops tries to give a job back.
const (
	firstRetry  = time.Second
	releaseWait = 5 * time.Second
)

// Run takes and runs jobs until ctx ends, and returns nil when all of its
// goroutines have ended and its jobs were given back.
func (r *Runner) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for range r.cfg.Parallel {
		all.Go(func() { r.loop(ctx) })
	}
	all.Wait()
	return nil
}

// loop runs one job after the other.
func (r *Runner) loop(ctx context.Context) {
	for ctx.Err() == nil {
		j, err := r.take(ctx)
		if err == nil {
			r.run(ctx, j)
			continue
		}
		if !errors.Is(err, ErrNone) && ctx.Err() == nil {
			r.cfg.Logger.WarnContext(ctx, "jobs could not be read; trying again", "every", r.cfg.Every, "error", err)
		}
		sleep(ctx, r.cfg.Every)
	}
}

// take leases a job of the kinds that this process can work on.
func (r *Runner) take(ctx context.Context) (Job, error) {
	kinds := r.kinds
	if r.cfg.Ready != nil {
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return !r.cfg.Ready(kind) })
	}
	if len(kinds) == 0 {
		return Job{}, ErrNone
	}
	now := r.cfg.Now()
	return r.cfg.Source.Take(ctx, kinds, r.cfg.Owner, now, now.Add(r.cfg.Lease))
}

// run works on a job that this runner has taken, until it ends, its lease is
// lost or ctx ends.
func (r *Runner) run(ctx context.Context, j Job) {
	shown := j // what stands in the source: j, and why it waits
	for failures := 0; ; {
		if ctx.Err() != nil {
			r.release(ctx, shown)
			return
		}
		next, done, err := r.step(ctx, j)
		if err != nil && ctx.Err() != nil {
			continue // a step that was broken off has not failed
		}
		wait := r.rest()
		shown = next
		switch {
		case err != nil:
			shown, wait = r.failed(j, err, failures)
			failures++
			r.cfg.Logger.WarnContext(ctx, "a step of a job failed", "job", j.ID, "kind", j.Kind,
				"again", shown.State == Running, "error", err)
		case done:
			shown.State, wait = Done, 0
		default:
			j, failures = next, 0
		}
		if !r.save(ctx, shown, wait) || shown.State != Running {
			return
		}
		sleep(ctx, wait)
	}
}

// rest is how long to wait after a step.
func (r *Runner) rest() time.Duration {
	if r.cfg.Busy != nil && !r.cfg.Busy() {
		return 0
	}
	return r.cfg.Pause
}

// failed says what the job shows after err, and how long it waits.
func (r *Runner) failed(j Job, err error, failures int) (shown Job, wait time.Duration) {
	shown = j
	shown.Note = noteRetry
	var se *StepError
	if errors.As(err, &se) {
		if se.Permanent {
			shown.State, shown.Note = Failed, noteFail
		}
		if se.Note != "" {
			shown.Note = se.Note
		}
	}
	return shown, min(firstRetry<<min(failures, 20), r.cfg.MaxRetry)
}

// step does one step, in the time of the lease. A panic is a permanent error.
func (r *Runner) step(ctx context.Context, j Job) (next Job, done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Lease)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Logger.ErrorContext(ctx, "a step of a job panicked", "job", j.ID, "kind", j.Kind, "stack", string(debug.Stack()))
			next, done, err = j, false, &StepError{Note: noteFault, Permanent: true, Err: fmt.Errorf("a panic of type %T", p)}
		}
	}()
	got, done, err := r.cfg.Work[j.Kind].Step(ctx, j)
	if err != nil {
		return j, false, err
	}
	next = j
	next.Cursor, next.Done, next.Total, next.Note = got.Cursor, got.Done, got.Total, got.Note
	return next, done, nil
}

// save writes j and renews its lease, which also covers a wait to come. It tries
// until the source answers: another step would be for nothing. It says false when the
// job is no more this runner's, or ctx ended.
func (r *Runner) save(ctx context.Context, j Job, wait time.Duration) bool {
	for failures := 0; ; failures++ {
		now := r.cfg.Now()
		j.Lease, j.Updated = now.Add(wait+r.cfg.Lease), now
		err := r.cfg.Source.Save(ctx, j)
		switch {
		case err == nil:
			return true
		case errors.Is(err, ErrLost):
			r.cfg.Logger.InfoContext(ctx, "a job is another's by now", "job", j.ID, "kind", j.Kind)
			return false
		case ctx.Err() != nil:
			r.release(ctx, j)
			return false
		}
		r.cfg.Logger.WarnContext(ctx, "a job could not be saved; trying again", "job", j.ID, "kind", j.Kind, "error", err)
		sleep(ctx, min(firstRetry<<min(failures, 20), r.cfg.MaxRetry))
	}
}

// release saves where the job stands and lets others take it at once. If that
// fails, they take it when the lease ends, from the last save on.
func (r *Runner) release(ctx context.Context, j Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWait)
	defer cancel()
	j.Updated = r.cfg.Now()
	j.Lease = j.Updated
	if err := r.cfg.Source.Save(ctx, j); err != nil && !errors.Is(err, ErrLost) {
		r.cfg.Logger.WarnContext(ctx, "a job could not be given back; it can be taken when its lease ends",
			"job", j.ID, "kind", j.Kind, "error", err)
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
