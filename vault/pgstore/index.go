package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	// deleteIndex compares rows, so that no other index than the primary key's fits:
	// before the table was analysed, one on the values would look as good, and be walked
	// over the whole collection.
	deleteIndex = `
DELETE FROM search_index
WHERE tenant = $1 AND uid = $2 AND (uid, collection, record) >= ($2, $3, $4) AND (uid, collection, record) <= ($2, $3, $4)
  AND ($5::bigint[] IS NULL OR field = ANY ($5))`

	insertIndex = `
INSERT INTO search_index (tenant, uid, collection, record, field, version, value)
SELECT $1, $2, $3, $4, e.field, e.version, e.value
FROM unnest($5::bigint[], $6::bigint[], $7::bytea[]) e(field, version, value)
ON CONFLICT DO NOTHING`
)

func (t *tx) ReplaceIndex(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32, entries []vault.IndexEntry) error {
	const doing = "storing index values"
	args := []any{tenant, id(uid), ref.Collection, ref.Record}
	if fields == nil || len(fields) > 0 {
		if _, err := t.exec(ctx, doing, deleteIndex, append(args, fields)...); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	of := make([]uint32, len(entries))
	versions, values := indexArrays(entries)
	for i, e := range entries {
		of[i] = e.Field
	}
	_, err := t.exec(ctx, doing, insertIndex, append(args, of, versions, values)...)
	return err
}

const deleteIndexVersion = `
DELETE FROM search_index
WHERE tenant = $1 AND collection = $2 AND field = $3 AND version = $4 AND (value, uid, record) IN (
    SELECT value, uid, record FROM search_index
    WHERE tenant = $1 AND collection = $2 AND field = $3 AND version = $4
    ORDER BY value, uid, record LIMIT $5)`

func (t *tx) DeleteIndex(ctx context.Context, tenant int32, q vault.IndexVersion, limit int) (int, error) {
	n, err := t.exec(ctx, "removing a version of an index", deleteIndexVersion, tenant, q.Collection, q.Field, q.Version, limit)
	return int(n), err
}

func indexArrays(entries []vault.IndexEntry) (versions []uint32, values [][]byte) {
	versions, values = make([]uint32, len(entries)), make([][]byte, len(entries))
	for i, e := range entries {
		versions[i], values[i] = e.Version, some(e.Value)
	}
	return versions, values
}

// searchIndex reads at most a page of each value, in order, of the living.
const searchIndex = `
SELECT DISTINCT c.uid, c.record, c.lookup
FROM unnest($4::bigint[], $5::bytea[]) v(version, value)
CROSS JOIN LATERAL (
    SELECT i.uid, i.record, s.lookup
    FROM search_index i
    JOIN subject s ON s.tenant = i.tenant AND s.uid = i.uid AND s.state = 1
    WHERE i.tenant = $1 AND i.collection = $2 AND i.field = $3
      AND i.version = v.version AND i.value = v.value
      AND (i.uid, i.record) > ($6, $7)
    ORDER BY i.uid, i.record LIMIT $8
) c
ORDER BY c.uid, c.record LIMIT $8`

// searchIndexEvery also reads records that have a value of every one of a list. It walks
// the records of one of them, of a version: that which the fewest have, as far as 2,000 of
// each show. whole says of a value that the rest of its version is needed.
const searchIndexEvery = `
WITH v AS MATERIALIZED (
    SELECT s.version, s.value, false AS whole FROM unnest($4::bigint[], $5::bytea[]) s(version, value)
    UNION ALL
    (SELECT DISTINCT ON (e.version) e.version, e.value, true
    FROM unnest($9::bigint[], $10::bytea[]) e(version, value)
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM (
            SELECT 1 FROM search_index i
            WHERE i.tenant = $1 AND i.collection = $2 AND i.field = $3 AND i.version = e.version AND i.value = e.value
            LIMIT 2000) i
    ) had
    ORDER BY e.version, had.n)
)
SELECT DISTINCT c.uid, c.record, c.lookup
FROM v
CROSS JOIN LATERAL (
    SELECT i.uid, i.record, s.lookup
    FROM search_index i
    JOIN subject s ON s.tenant = i.tenant AND s.uid = i.uid AND s.state = 1
    WHERE i.tenant = $1 AND i.collection = $2 AND i.field = $3
      AND i.version = v.version AND i.value = v.value
      AND (i.uid, i.record) > ($6, $7)
      AND NOT (v.whole AND EXISTS (
        SELECT 1 FROM unnest($9::bigint[], $10::bytea[]) e(version, value)
        WHERE e.version = v.version AND NOT EXISTS (
            SELECT 1 FROM search_index x
            WHERE x.tenant = $1 AND x.uid = i.uid AND x.collection = $2 AND x.record = i.record
              AND x.field = $3 AND x.version = e.version AND x.value = e.value)))
    ORDER BY i.uid, i.record LIMIT $8
) c
ORDER BY c.uid, c.record LIMIT $8`

func (t *tx) SearchIndex(ctx context.Context, q vault.IndexQuery) ([]vault.Candidate, error) {
	versions, values := indexArrays(q.Values)
	args := []any{q.Tenant, q.Collection, q.Field, versions, values, anyID(q.AfterUID), q.AfterRec, q.Limit}
	statement := searchIndex
	if len(q.Every) > 0 {
		statement = searchIndexEvery
		versions, values = indexArrays(q.Every)
		args = append(args, versions, values)
	}
	return rows(ctx, t, "searching an index", statement, args,
		func(r pgx.CollectableRow) (c vault.Candidate, err error) {
			err = r.Scan(&c.UID, &c.Record, &c.Lookup)
			return c, err
		})
}
