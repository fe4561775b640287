package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	jobColumns = `id, tenant, kind, state, params, cursor, done, total, note, by, owner, fence, lease, created, updated`

	// insertJob waits for a transaction that stores one of the same kind.
	insertJob = `
INSERT INTO job (id, tenant, kind, state, params, cursor, done, total, note, by, owner, fence, lease, created, updated)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (tenant, kind) WHERE state IN (1, 2) DO NOTHING`

	standingJob = `SELECT ` + jobColumns + ` FROM job WHERE tenant = $1 AND kind = $2 AND state IN (1, 2)`
)

func (t *tx) InsertJob(ctx context.Context, j vault.Job) (vault.Job, bool, error) {
	const doing = "storing a job"
	for range maxRuns {
		n, err := t.exec(ctx, doing, insertJob, anyID(j.ID), j.Tenant, j.Kind, j.State, some(j.Params), some(j.Cursor),
			j.Done, j.Total, j.Note, j.By, j.Owner, j.Fence, at(j.Lease), at(j.Created), at(j.Updated))
		if err != nil {
			return vault.Job{}, false, err
		}
		if n == 1 {
			return j, true, nil
		}
		standing, err := first(ctx, t, doing, standingJob, []any{j.Tenant, j.Kind}, readJob)
		if !missing(err) {
			return standing, false, err
		} // else it has ended since
	}
	return vault.Job{}, false, fmt.Errorf("%s: %w", doing, vault.ErrUnavailable)
}

func readJob(r pgx.CollectableRow) (j vault.Job, err error) {
	var lease pgtype.Timestamptz
	err = r.Scan(&j.ID, &j.Tenant, &j.Kind, &j.State, &j.Params, &j.Cursor, &j.Done, &j.Total, &j.Note, &j.By,
		&j.Owner, &j.Fence, &lease, &j.Created, &j.Updated)
	j.Lease = lease.Time
	return j, err
}

const jobByID = `SELECT ` + jobColumns + ` FROM job WHERE tenant = $1 AND id = $2`

func (t *tx) Job(ctx context.Context, tenant int32, job uuid.UUID) (vault.Job, error) {
	return first(ctx, t, "reading a job", jobByID, []any{tenant, anyID(job)}, readJob)
}

const listJobs = `SELECT ` + jobColumns + ` FROM job WHERE tenant = $1 ORDER BY created DESC, id DESC LIMIT $2`

func (t *tx) Jobs(ctx context.Context, tenant int32, limit int) ([]vault.Job, error) {
	return rows(ctx, t, "listing jobs", listJobs, []any{tenant, limit}, readJob)
}

// takeJob passes over a job that somebody else is taking.
const takeJob = `
WITH next AS MATERIALIZED (
    SELECT tenant, id FROM job
    WHERE state IN (1, 2) AND (state = 1 OR lease < $3) AND kind = ANY ($1::text[])
    ORDER BY created, id LIMIT 1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE job j SET state = 2, owner = $2, fence = j.fence + 1, lease = $4, updated = $3
    FROM next WHERE j.tenant = next.tenant AND j.id = next.id
    RETURNING j.*
)
SELECT ` + jobColumns + ` FROM taken`

func (t *tx) TakeJob(ctx context.Context, kinds []string, owner string, now, lease time.Time) (vault.Job, error) {
	return first(ctx, t, "taking a job", takeJob, []any{kinds, owner, at(now), at(lease)}, readJob)
}

const saveJob = `
UPDATE job SET state = $4, cursor = $5, done = $6, total = $7, note = $8, lease = $9, updated = $10
WHERE tenant = $1 AND id = $2 AND fence = $3 AND state = 2`

func (t *tx) SaveJob(ctx context.Context, j vault.Job) error {
	const doing = "saving a job"
	n, err := t.exec(ctx, doing, saveJob,
		j.Tenant, anyID(j.ID), j.Fence, j.State, some(j.Cursor), j.Done, j.Total, j.Note, at(j.Lease), at(j.Updated))
	return exactlyOne(doing, n, err)
}

const deleteJobs = `
DELETE FROM job WHERE (tenant, id) IN (
    SELECT tenant, id FROM job WHERE state IN (3, 4) AND updated < $1
    ORDER BY updated LIMIT $2 FOR UPDATE SKIP LOCKED)`

func (t *tx) DeleteJobs(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, "forgetting jobs", deleteJobs, at(before), limit)
	return int(n), err
}

func (t *tx) DropJobs(ctx context.Context, tenant int32, kind string, before time.Time) (int, error) {
	const dropJobs = `DELETE FROM job WHERE tenant = $1 AND kind = $2 AND state = 3 AND updated < $3`
	n, err := t.exec(ctx, "forgetting jobs of a kind", dropJobs, tenant, kind, at(before))
	return int(n), err
}
