package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/jobs"
)

// A jobStore is the store as package jobs wants it.
type jobStore struct{ store vault.Store }

// Take leases the oldest job that may be taken.
func (s jobStore) Take(ctx context.Context, kinds []string, owner string, now, lease time.Time) (job jobs.Job, err error) {
	err = s.store.Update(ctx, func(tx vault.Tx) error {
		j, err := tx.TakeJob(ctx, kinds, owner, now, lease)
		job = jobOf(&j)
		return err
	})
	if errors.Is(err, vault.ErrNoRow) {
		err = jobs.ErrNone
	}
	return job, err
}

// Save writes where a job stands.
func (s jobStore) Save(ctx context.Context, j jobs.Job) error {
	row := rowOf(&j)
	err := s.store.Update(ctx, func(tx vault.Tx) error { return tx.SaveJob(ctx, row) })
	if errors.Is(err, vault.ErrStale) {
		return jobs.ErrLost
	}
	return err
}

func jobOf(j *vault.Job) jobs.Job {
	return jobs.Job{
		ID: j.ID, Tenant: j.Tenant, Kind: j.Kind, State: jobs.State(j.State), Params: j.Params, Cursor: j.Cursor,
		Done: j.Done, Total: j.Total, Note: j.Note, Owner: j.Owner, Fence: j.Fence, Lease: j.Lease, Updated: j.Updated,
	}
}

func rowOf(j *jobs.Job) vault.Job {
	return vault.Job{
		ID: j.ID, Tenant: j.Tenant, Kind: j.Kind, State: int16(j.State), Params: j.Params, Cursor: j.Cursor,
		Done: j.Done, Total: j.Total, Note: j.Note, Owner: j.Owner, Fence: j.Fence, Lease: j.Lease, Updated: j.Updated,
	}
}

// worker makes a worker of a step of the core.
func worker(step func(context.Context, vault.Job) (vault.Job, bool, error)) jobs.Worker {
	return jobs.WorkerFunc(func(ctx context.Context, j jobs.Job) (jobs.Job, bool, error) {
		next, done, err := step(ctx, rowOf(&j))
		return jobOf(&next), done, stepError(err)
	})
}

// stepError says of an error of the core whether trying again helps.
func stepError(err error) error {
	var refused *vault.KeyError
	switch {
	case errors.As(err, &refused):
		return &jobs.StepError{Note: refused.Error(), Permanent: true, Err: err}
	case errors.Is(err, vault.ErrIntegrity):
		return &jobs.StepError{Note: "what is stored does not verify; `fieldvault fsck` names it", Permanent: true, Err: err}
	case errors.Is(err, vault.ErrDenied):
		return &jobs.StepError{Note: "the tenant's policy does not let the role operator change keys", Permanent: true, Err: err}
	case errors.Is(err, vault.ErrUnavailable):
		return &jobs.StepError{Note: "a part does not answer; trying again", Err: err}
	}
	return err
}

// runner runs the jobs of this process: moving keys, sealing and indexing anew,
// removing what has had its time, and with the keeper's rights the changes of keys, too.
func (p *parts) runner(keeps bool) (*jobs.Runner, error) {
	work := map[string]jobs.Worker{
		vault.JobRewrap: worker(p.vault.RewrapStep),
		vault.JobReseal: worker(p.vault.ResealStep),
		vault.JobRetention: worker(func(ctx context.Context, j vault.Job) (vault.Job, bool, error) {
			return p.vault.RetentionStep(ctx, operator(p.cfg.Tenant, "operator"), j)
		}),
		vault.JobReindex: worker(func(ctx context.Context, j vault.Job) (vault.Job, bool, error) {
			return p.vault.ReindexStep(ctx, operator(p.cfg.Tenant, "operator"), j)
		}),
	}
	if keeps {
		admin := keeper(p.kek)
		step := worker(func(ctx context.Context, j vault.Job) (vault.Job, bool, error) {
			return p.vault.KeyStep(ctx, operator(p.cfg.Tenant, "operator"), admin, j)
		})
		for _, kind := range []string{vault.JobRotate, vault.JobRetire, vault.JobTrim} {
			work[kind] = step
		}
	}
	pause, err := duration("jobs.pause", p.cfg.Jobs.Pause)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	r, err := jobs.New(jobs.Config{
		Source: jobStore{p.store}, Work: work, Owner: fmt.Sprintf("%s/%d", host, os.Getpid()), Now: now, Logger: p.log,
		Pause: pause, Busy: p.load.busy,
		Ready: func(kind string) bool {
			// With the keeper's login alone nothing opens, and Vault refuses to rewrap.
			return !keeps || kind != vault.JobRewrap || p.vault.VerifierKey() != nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("preparing background work: %w", err)
	}
	return r, nil
}
