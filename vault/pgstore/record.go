package pgstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

// lockRecord makes the row or locks it. When another transaction made it after
// this statement began, it returns nothing, and the next run sees the row.
const lockRecord = `
WITH made AS (
    INSERT INTO record (tenant, uid, collection, record, revision)
    VALUES ($1, $2, $3, $4, 0)
    ON CONFLICT (tenant, uid, collection, record) DO NOTHING
    RETURNING revision, sealed
), found AS (
    SELECT revision, sealed FROM record
    WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4 FOR UPDATE
)
SELECT revision, sealed FROM made UNION ALL SELECT revision, sealed FROM found`

func (t *tx) LockRecord(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef) (vault.Record, error) {
	const doing = "locking a record"
	args := []any{tenant, id(uid), ref.Collection, ref.Record}
	for range maxRuns {
		var row recordRow
		err := t.row(ctx, doing, lockRecord, args, row.dest()...)
		if err == nil {
			return row.record(ref), nil
		}
		if !missing(err) {
			return vault.Record{}, err
		}
	}
	return vault.Record{}, fmt.Errorf("%s: %w", doing, vault.ErrUnavailable)
}

// A recordRow is what a row of records is read into, less its name. Where the
// row may be absent, the revision is then NULL.
type recordRow struct {
	revision pgtype.Int8
	sealed   []byte
}

func (r *recordRow) dest() []any { return []any{&r.revision, &r.sealed} }

func (r *recordRow) record(ref vault.RecordRef) vault.Record {
	return vault.Record{
		Collection: ref.Collection,
		Record:     ref.Record,
		Revision:   uint64(r.revision.Int64), //nolint:gosec // the schema holds it at 0 or above
		Deleted:    r.sealed == nil,
		Sealed:     r.sealed,
	}
}

// putRecord writes nothing below the revision that stands.
const putRecord = `
WITH stands AS (
    SELECT 1 FROM record WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4
), written AS (
    UPDATE record SET revision = $5, sealed = $6
    WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4 AND revision <= $5
    RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM written) FROM stands`

// PutRecord is [vault.ErrNoRow] when the row is not there, and [vault.ErrStale]
// when it stands at a higher revision.
func (t *tx) PutRecord(ctx context.Context, tenant int32, uid uuid.UUID, r vault.Record) error {
	const doing = "storing a record"
	var sealed []byte
	if !r.Deleted {
		sealed = some(r.Sealed)
	}
	var written bool
	args := []any{tenant, id(uid), r.Collection, r.Record, r.Revision, sealed}
	if err := t.row(ctx, doing, putRecord, args, &written); err != nil {
		return err
	}
	if !written {
		return fmt.Errorf("%s: %w", doing, vault.ErrStale)
	}
	return nil
}

const (
	listRecords = `
SELECT collection, record, revision FROM record
WHERE tenant = $1 AND uid = $2 AND (collection, record) > ($3, $4) AND sealed IS NOT NULL
ORDER BY collection, record LIMIT $5`

	listCollection = `
SELECT collection, record, revision FROM record
WHERE tenant = $1 AND uid = $2 AND (collection, record) > ($3, $4) AND sealed IS NOT NULL
  AND collection = $6
ORDER BY collection, record LIMIT $5`
)

func (t *tx) ListRecords(ctx context.Context, tenant int32, uid uuid.UUID, collection uint32, after vault.RecordRef, limit int) ([]vault.Record, error) {
	sql, args := listRecords, []any{tenant, id(uid), after.Collection, after.Record, limit}
	if collection != 0 {
		sql, args = listCollection, append(args, collection)
	}
	return rows(ctx, t, "listing a person's records", sql, args,
		func(r pgx.CollectableRow) (v vault.Record, err error) {
			err = r.Scan(&v.Collection, &v.Record, &v.Revision)
			return v, err
		})
}

const countRecords = `SELECT count(*) FROM record WHERE tenant = $1 AND sealed IS NOT NULL`

// CountRecords reads a whole table and may take minutes; the transaction has them.
func (t *tx) CountRecords(ctx context.Context, tenant int32) (n int64, err error) {
	const doing = "counting records"
	if err := t.extend(ctx, doing, wholeTables); err != nil {
		return 0, err
	}
	err = t.row(ctx, doing, countRecords, []any{tenant}, &n)
	return n, err
}
