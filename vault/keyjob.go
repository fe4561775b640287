package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// The kinds of jobs that only a keeper can do. [Vault.KeyStep] does them.
const (
	JobRotate = "key_rotation"
	JobRetire = "key_retirement"
	JobTrim   = "key_trim"
)

// RequestKEK asks for a change of the tenant's key-encryption key, which a process
// with the keeper's rights carries out as a job: JobRotate, JobRetire or JobTrim.
// One that is under way is returned instead.
func (v *Vault) RequestKEK(ctx context.Context, c accessctl.Caller, kind string) (job Job, err error) {
	if !slices.Contains([]string{JobRotate, JobRetire, JobTrim}, kind) {
		return Job{}, invalid("kind", "must be key_rotation, key_retirement or key_trim")
	}
	t, s, k, err := v.permitKEK(ctx, c, c.Tenant)
	if err != nil {
		return Job{}, err
	}
	j := Job{
		ID: v.newID(), Tenant: k.row, Kind: kind, State: JobQueued, Params: []byte(`{}`), Total: 1,
		Note: "waits for a process with the keeper's rights (`fieldvault serve --keeper` or `fieldvault keys work`)",
		By:   c.Actor(), Created: v.now(), Updated: v.now(),
	}
	e := v.keyEvent(t, s, c, kind, k, 0)
	err = v.store.Update(ctx, func(tx Tx) error {
		if job, _, err = tx.InsertJob(ctx, j); err != nil {
			return err
		}
		asked := e
		asked.Subject = []audit.Attr{{Key: "job", Value: job.ID.String()}, {Key: "key", Value: k.name}}
		return v.append(ctx, tx, t, asked)
	})
	if err != nil {
		return Job{}, fmt.Errorf("asking for a change of a key: %w", err)
	}
	return job, nil
}

// KeyStep carries out a job of the keeper, as an operator at the machine: by names
// the process. The error is a *KeyError where the change is refused for a reason that
// waiting does not mend by itself.
//
// A step may be repeated: one that was taken over from a process that had retired or
// trimmed, and died before it could say so, is done. A rotation may add two versions.
func (v *Vault) KeyStep(ctx context.Context, by accessctl.Caller, admin KeyAdmin, j Job) (next Job, done bool, err error) {
	k, err := v.kekOf(ctx, j.Tenant)
	if err != nil {
		return j, false, err
	}
	by.Tenant = k.name
	switch j.Kind {
	case JobRotate:
		var version int
		version, _, err = v.RotateKEK(ctx, by, admin, k.name)
		j.Note = fmt.Sprintf("the key has version %d; a rewrap moves what earlier ones wrap", version)
	case JobRetire:
		var version int
		version, err = v.RetireKEK(ctx, by, admin, k.name)
		j.Note = fmt.Sprintf("versions below %d open no more", version)
	case JobTrim:
		var version int
		version, err = v.TrimKEK(ctx, by, admin, k.name)
		j.Note = fmt.Sprintf("versions below %d are destroyed", version)
	default:
		err = fmt.Errorf("a job of no kind of the keeper's: %w", ErrIntegrity)
	}
	var refused *KeyError
	if errors.As(err, &refused) && j.Fence > 1 { // an earlier owner has perhaps done it
		done, err := v.keyDone(ctx, admin, k, &j)
		if err != nil || done {
			return j, done, err
		}
	}
	j.Done, j.Total = 1, 1
	return j, err == nil, err
}

// keyDone says whether nothing is left to retire, or to trim, and notes it.
func (v *Vault) keyDone(ctx context.Context, admin KeyAdmin, k kek, j *Job) (done bool, err error) {
	st, err := admin.Status(ctx, k.name)
	if err != nil {
		return false, keyStore("reading a key-encryption key", err)
	}
	switch j.Kind {
	case JobRetire:
		epoch, err := v.epoch(ctx, k)
		if err != nil {
			return false, err
		}
		done = st.MinDecrypt > 1 && st.MinDecrypt == epoch
		j.Note = fmt.Sprintf("versions below %d open no more", epoch)
	case JobTrim:
		done = st.MinAvailable > 1 && st.MinAvailable == st.MinDecrypt
		j.Note = fmt.Sprintf("versions below %d are destroyed", st.MinAvailable)
	}
	j.Done, j.Total = 1, 1
	return done, nil
}

// Jobs lists the tenant's jobs, newest first, at most MaxPage.
func (v *Vault) Jobs(ctx context.Context, c accessctl.Caller) (list []Job, err error) {
	t, _, err := v.permitService(ctx, c, accessctl.ActionJobs)
	if err != nil {
		return nil, err
	}
	err = v.store.View(ctx, func(tx Tx) error {
		list, err = tx.Jobs(ctx, t.row.ID, MaxPage)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading jobs: %w", err)
	}
	return list, nil
}

// Job reads one of the tenant's jobs. ErrNotFound if there is none of that id.
func (v *Vault) Job(ctx context.Context, c accessctl.Caller, id uuid.UUID) (j Job, err error) {
	t, _, err := v.permitService(ctx, c, accessctl.ActionJobs)
	if err != nil {
		return Job{}, err
	}
	err = v.store.View(ctx, func(tx Tx) error {
		j, err = tx.Job(ctx, t.row.ID, id)
		return err
	})
	if errors.Is(err, ErrNoRow) {
		return Job{}, ErrNotFound
	}
	if err != nil {
		return Job{}, fmt.Errorf("reading a job: %w", err)
	}
	return j, nil
}
