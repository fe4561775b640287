package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// rotate adds a version to the tenant's key-encryption key and waits until everything
// is moved to it. It says how many keys were moved, and in what time that was done.
func (s *Service) rotate(ctx context.Context, server *Server) (keys int64, took time.Duration, err error) {
	answer, err := server.once(ctx, "POST", "/v1/keys/rotation", nil)
	if err != nil {
		return 0, 0, err
	}
	var job api.Job
	if err := json.Unmarshal(answer, &job); err != nil {
		return 0, 0, fmt.Errorf("reading the job: %w", err)
	}
	asked := job.Created
	for job.State != "done" {
		if job.State == "failed" {
			return 0, 0, errors.New("the rotation failed: " + job.Note)
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return 0, 0, err
		}
		if answer, err = server.once(ctx, "GET", "/v1/jobs/"+job.ID, nil); err == nil {
			err = json.Unmarshal(answer, &job)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	for {
		rewrap, err := rewrapSince(ctx, server, asked)
		if err != nil {
			return 0, 0, err
		}
		if rewrap != nil && rewrap.State == "failed" {
			return 0, 0, errors.New("the rewrap failed: " + rewrap.Note)
		}
		if rewrap != nil && rewrap.State == "done" {
			return rewrap.Done, rewrap.Updated.Sub(rewrap.Created), nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // the job says itself how long it took
			return 0, 0, err
		}
	}
}

// rewrapSince is the latest job that moves the keys of people, if it is not older.
func rewrapSince(ctx context.Context, server *Server, asked time.Time) (*api.Job, error) {
	answer, err := server.once(ctx, "GET", "/v1/jobs", nil)
	if err != nil {
		return nil, err
	}
	var list api.Jobs
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, fmt.Errorf("reading the jobs: %w", err)
	}
	var latest *api.Job
	for _, j := range list.Jobs {
		if j.Kind == "rewrap" && !j.Created.Before(asked) && (latest == nil || j.Created.After(latest.Created)) {
			latest = &j
		}
	}
	return latest, nil
}

// pause waits, unless the run ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
