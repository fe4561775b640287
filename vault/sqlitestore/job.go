package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const jobColumns = `id, tenant, kind, state, params, cursor, done, total, note, actor, owner, fence, lease, created, updated`

func scanJob(r *sql.Rows) (j vault.Job, err error) {
	err = r.Scan(uidColumn{&j.ID}, &j.Tenant, &j.Kind, &j.State, &j.Params, &j.Cursor, &j.Done, &j.Total, &j.Note, &j.By,
		&j.Owner, &j.Fence, timeColumn{&j.Lease}, timeColumn{&j.Created}, timeColumn{&j.Updated})
	return j, err
}

func (t *tx) InsertJob(ctx context.Context, j vault.Job) (vault.Job, bool, error) {
	if err := t.text(j.Kind, j.Note, j.By, j.Owner); err != nil {
		return vault.Job{}, false, err
	}
	n, err := t.exec(ctx, `
		INSERT INTO job (id, tenant, kind, state, params, cursor, done, total, note, actor, owner, fence, lease, created, updated)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
		ON CONFLICT (tenant, kind) WHERE state IN (1, 2) DO NOTHING`,
		j.ID[:], j.Tenant, j.Kind, j.State, blob(j.Params), blob(j.Cursor), j.Done, j.Total, j.Note, j.By,
		j.Owner, j.Fence, micros(j.Lease), j.Created.UnixMicro(), j.Updated.UnixMicro())
	if err != nil {
		return vault.Job{}, false, fmt.Errorf("storing a job: %w", err)
	}
	if n == 1 {
		return j, true, nil
	}
	standing, err := one(ctx, t, `SELECT `+jobColumns+` FROM job WHERE tenant = ?1 AND kind = ?2 AND state IN (1, 2)`,
		scanJob, j.Tenant, j.Kind)
	if err != nil {
		return vault.Job{}, false, fmt.Errorf("reading the job that stands: %w", err)
	}
	return standing, false, nil
}

func (t *tx) Job(ctx context.Context, tenant int32, id uuid.UUID) (vault.Job, error) {
	j, err := one(ctx, t, `SELECT `+jobColumns+` FROM job WHERE tenant = ?1 AND id = ?2`, scanJob, tenant, id[:])
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return j, err
	case err != nil:
		return j, fmt.Errorf("reading a job: %w", err)
	}
	return j, nil
}

func (t *tx) Jobs(ctx context.Context, tenant int32, limit int) ([]vault.Job, error) {
	out, err := list(ctx, t, `
		SELECT `+jobColumns+` FROM job WHERE tenant = ?1 ORDER BY created DESC, id DESC LIMIT ?2`,
		scanJob, tenant, atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	return out, nil
}

func (t *tx) TakeJob(ctx context.Context, kinds []string, owner string, now, lease time.Time) (vault.Job, error) {
	if err := t.text(append([]string{owner}, kinds...)...); err != nil {
		return vault.Job{}, err
	}
	of, err := json.Marshal(kinds)
	if err != nil {
		return vault.Job{}, fmt.Errorf("encoding the kinds of jobs: %w", err)
	}
	if err := t.usable(true); err != nil {
		return vault.Job{}, err
	}
	j, err := one(ctx, t, `
		UPDATE job SET state = 2, owner = ?2, fence = fence + 1, lease = ?4, updated = ?3
		WHERE rowid = (
			SELECT rowid FROM job
			WHERE state IN (1, 2) AND (state = 1 OR lease < ?3) AND kind IN (SELECT value FROM json_each(?1))
			ORDER BY created, id LIMIT 1)
		RETURNING `+jobColumns, scanJob, string(of), owner, now.UnixMicro(), lease.UnixMicro())
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return j, err
	case err != nil:
		return j, fmt.Errorf("taking a job: %w", err)
	}
	return j, nil
}

func (t *tx) SaveJob(ctx context.Context, j vault.Job) error {
	if err := t.text(j.Note); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE job SET state = ?4, cursor = ?5, done = ?6, total = ?7, note = ?8, lease = ?9, updated = ?10
		WHERE tenant = ?1 AND id = ?2 AND fence = ?3 AND state = 2`,
		j.Tenant, j.ID[:], j.Fence, j.State, blob(j.Cursor), j.Done, j.Total, j.Note, micros(j.Lease), j.Updated.UnixMicro())
	if err != nil {
		return fmt.Errorf("saving a job: %w", err)
	}
	if n != 1 {
		return vault.ErrStale
	}
	return nil
}

func (t *tx) DeleteJobs(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, `
		DELETE FROM job WHERE rowid IN (
			SELECT rowid FROM job WHERE state IN (3, 4) AND updated < ?1 ORDER BY updated LIMIT ?2)`,
		before.UnixMicro(), atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("deleting jobs: %w", err)
	}
	return int(n), nil
}

func (t *tx) DropJobs(ctx context.Context, tenant int32, kind string, before time.Time) (int, error) {
	if err := t.text(kind); err != nil {
		return 0, err
	}
	n, err := t.exec(ctx, `DELETE FROM job WHERE tenant = ?1 AND kind = ?2 AND state = 3 AND updated < ?3`,
		tenant, kind, before.UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("deleting jobs of a kind: %w", err)
	}
	return int(n), nil
}
