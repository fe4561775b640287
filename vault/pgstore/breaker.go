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

// lockTally makes the row or locks it. When another transaction made it after
// this statement began, it returns nothing, and the next run sees the row.
const lockTally = `
WITH made AS (
    INSERT INTO tally (tenant, key, since, count) VALUES ($1, $2, $3, 0)
    ON CONFLICT (tenant, key) DO NOTHING
    RETURNING tenant, key, since, count
), found AS (
    SELECT tenant, key, since, count FROM tally WHERE tenant = $1 AND key = $2 FOR UPDATE
)
SELECT tenant, key, since, count FROM made UNION ALL SELECT tenant, key, since, count FROM found`

func (t *tx) LockTally(ctx context.Context, tenant int32, key []byte, since time.Time) (v vault.Tally, err error) {
	const doing = "locking a tally"
	for range maxRuns {
		err = t.row(ctx, doing, lockTally, []any{tenant, key, at(since)}, &v.Tenant, &v.Key, &v.Since, &v.Count)
		if !missing(err) {
			return v, err
		}
	}
	return vault.Tally{}, fmt.Errorf("%s: %w", doing, vault.ErrUnavailable)
}

const putTally = `UPDATE tally SET since = $3, count = $4 WHERE tenant = $1 AND key = $2`

// PutTally is [vault.ErrNoRow] when the row is not there.
func (t *tx) PutTally(ctx context.Context, v vault.Tally) error {
	const doing = "storing a tally"
	n, err := t.exec(ctx, doing, putTally, v.Tenant, v.Key, at(v.Since), v.Count)
	return found(doing, n, err)
}

// countLive reads an index that holds the living and nothing else.
const countLive = `SELECT count(*) FROM subject WHERE tenant = $1 AND state = 1 AND generation >= 1`

func (t *tx) CountLive(ctx context.Context, tenant int32) (n int64, err error) {
	err = t.row(ctx, "counting the living", countLive, []any{tenant}, &n)
	return n, err
}

const (
	approvalColumns = `id, tenant, kind, digest, body, by, asker, decider, count, state, created, expires, decided`

	// lockTenant lets one transaction at a time ask: what stands depends on the
	// time, so no unique index can say it.
	lockTenant = `SELECT id FROM tenant WHERE id = $1 FOR NO KEY UPDATE`

	standingApproval = `
SELECT ` + approvalColumns + ` FROM approval
WHERE tenant = $1 AND kind = $2 AND asker = $3 AND digest = $4 AND state IN (1, 2) AND expires > $5
ORDER BY created DESC, id DESC LIMIT 1`

	insertApproval = `
INSERT INTO approval (id, tenant, kind, digest, body, by, asker, decider, count, state, created, expires, decided)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
)

// InsertApproval has those who ask in the same tenant wait until the transaction
// ends.
func (t *tx) InsertApproval(ctx context.Context, a vault.Approval) (vault.Approval, bool, error) {
	const doing = "asking for an approval"
	var tenant int32
	if err := t.row(ctx, doing, lockTenant, []any{a.Tenant}, &tenant); err != nil {
		return vault.Approval{}, false, err
	}
	standing, err := rows(ctx, t, doing, standingApproval, []any{a.Tenant, a.Kind, a.Asker, a.Digest, at(a.Created)}, readApproval)
	if err != nil {
		return vault.Approval{}, false, err
	}
	if len(standing) == 1 {
		return standing[0], false, nil
	}
	_, err = t.exec(ctx, doing, insertApproval, anyID(a.ID), a.Tenant, a.Kind, a.Digest, a.Body, a.By, a.Asker, a.Decider,
		a.Count, a.State, at(a.Created), at(a.Expires), at(a.Decided))
	if err != nil {
		return vault.Approval{}, false, err
	}
	return a, true, nil
}

func readApproval(r pgx.CollectableRow) (a vault.Approval, err error) {
	var decided pgtype.Timestamptz
	err = r.Scan(&a.ID, &a.Tenant, &a.Kind, &a.Digest, &a.Body, &a.By, &a.Asker, &a.Decider,
		&a.Count, &a.State, &a.Created, &a.Expires, &decided)
	a.Decided = decided.Time
	return a, err
}

const (
	approvalByID      = `SELECT ` + approvalColumns + ` FROM approval WHERE tenant = $1 AND id = $2`
	approvalShared    = approvalByID + ` FOR SHARE`
	approvalExclusive = approvalByID + ` FOR UPDATE`
)

func (t *tx) Approval(ctx context.Context, tenant int32, approval uuid.UUID, lock vault.Lock) (vault.Approval, error) {
	sql := approvalExclusive
	switch lock {
	case vault.NoLock:
		sql = approvalByID
	case vault.ShareLock:
		sql = approvalShared
	case vault.ExclusiveLock:
	}
	return first(ctx, t, "reading an approval", sql, []any{tenant, anyID(approval)}, readApproval)
}

const updateApproval = `
UPDATE approval SET body = $3, decider = $4, state = $5, decided = $6 WHERE tenant = $1 AND id = $2`

// UpdateApproval is [vault.ErrNoRow] when the row is not there.
func (t *tx) UpdateApproval(ctx context.Context, a vault.Approval) error {
	const doing = "changing an approval"
	n, err := t.exec(ctx, doing, updateApproval, a.Tenant, anyID(a.ID), a.Body, a.Decider, a.State, at(a.Decided))
	return found(doing, n, err)
}

const listApprovals = `
SELECT ` + approvalColumns + ` FROM approval WHERE tenant = $1 ORDER BY created DESC, id DESC LIMIT $2`

func (t *tx) Approvals(ctx context.Context, tenant int32, limit int) ([]vault.Approval, error) {
	return rows(ctx, t, "listing approvals", listApprovals, []any{tenant, limit}, readApproval)
}
