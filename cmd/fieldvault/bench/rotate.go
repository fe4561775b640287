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
		rewrap, err := tenantRewrap(ctx, server)
		if err != nil {
			return 0, 0, err
		}
		if rewrap != nil && rewrap.State == "failed" {
			return 0, 0, errors.New("the rewrap failed: " + rewrap.Note)
		}
		if rewrap != nil && !rewrap.Created.Before(asked) && rewrap.State == "done" {
			return rewrap.Done, rewrap.Updated.Sub(rewrap.Created), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
}

// tenantRewrap is the latest job that moved the keys of people.
func tenantRewrap(ctx context.Context, server *Server) (*api.Job, error) {
	answer, err := server.once(ctx, "GET", "/v1/keys", nil)
	if err != nil {
		return nil, err
	}
	var keys api.Keys
	if err := json.Unmarshal(answer, &keys); err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	for _, k := range keys.Keys {
		if k.Key == "default" {
			return k.Rewrap, nil
		}
	}
	return nil, errors.New("the service names no key of the tenant")
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
