package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

// scanRecords reads the keys and index values of each record by full keys.
const scanRecords = `
SELECT r.tenant, r.uid, r.collection, r.record, r.revision, r.sealed,
       s.lookup, ` + subjectColumns + `, ` + sealedColumns + `,
       s.kek_version, s.keys,
       i.fields, i.versions, i.values
FROM (
    SELECT tenant, uid, collection, record, revision, sealed FROM record
    WHERE (tenant, uid, collection, record) > ($1, $2, $3, $4)
    ORDER BY tenant, uid, collection, record LIMIT $5
) r
LEFT JOIN LATERAL (
    SELECT * FROM subject WHERE tenant = r.tenant AND uid = r.uid OFFSET 0
) s ON true
LEFT JOIN LATERAL (
    SELECT array_agg(field) AS fields, array_agg(version) AS versions, array_agg(value) AS values
    FROM (
        SELECT * FROM search_index
        WHERE tenant = r.tenant AND uid = r.uid AND collection = r.collection AND record = r.record
        ORDER BY field, version, value
    ) x
) i ON true
ORDER BY r.tenant, r.uid, r.collection, r.record`

// ScanRecords lists records in order, deleted ones included, each page from one
// snapshot.
func (s *Store) ScanRecords(ctx context.Context, after vault.ScanPos, limit int) (list []vault.ScannedRecord, err error) {
	args := []any{after.Tenant, anyID(after.UID), after.Collection, after.Record, limit}
	err = s.snapshot(ctx, "scanning records", s.config.TransactionTimeout, func(t *tx) error {
		list, err = rows(ctx, t, "scanning records", scanRecords, args, readScanned)
		return err
	})
	return list, err
}

func readScanned(c pgx.CollectableRow) (v vault.ScannedRecord, err error) {
	var row loadRow
	var fields, versions []uint32
	var values [][]byte
	p := &v.Pos
	dest := append([]any{&p.Tenant, &p.UID, &p.Collection, &p.Record}, row.record.dest()...)
	dest = append(dest, &row.person.Lookup)
	dest = append(append(dest, row.person.dest()...), row.person.sealed()...)
	dest = append(append(dest, row.keys.dest()...), &fields, &versions, &values)
	if err := c.Scan(dest...); err != nil {
		return v, err
	}
	row.person.Tenant = p.Tenant
	if s, exists := row.person.subject(); exists {
		v.Subject = &s
	}
	v.Record = row.record.record(vault.RecordRef{Collection: p.Collection, Record: p.Record})
	v.Keys = row.keys.load()
	for i := range fields {
		v.Index = append(v.Index, vault.IndexEntry{Field: fields[i], Version: versions[i], Value: values[i]})
	}
	return v, nil
}

const scanSubjects = `
SELECT s.tenant, s.lookup, ` + subjectColumns + `, ` + sealedColumns + `
FROM subject s WHERE s.tenant = $1 AND s.lookup > $2 ORDER BY s.lookup LIMIT $3`

// ScanSubjects lists rows of the directory by lookup.
func (s *Store) ScanSubjects(ctx context.Context, tenant int32, after []byte, limit int) (list []vault.Subject, err error) {
	err = s.snapshot(ctx, "scanning the directory", s.config.TransactionTimeout, func(t *tx) error {
		list, err = rows(ctx, t, "scanning the directory", scanSubjects, []any{tenant, some(after), limit}, readSubject)
		return err
	})
	return list, err
}

// subjectTables are those with a column for the person: nothing else says so,
// and nothing needs to be kept in step.
const subjectTables = `
SELECT c.relname FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'uid' AND NOT a.attisdropped
WHERE c.relname <> 'subject' AND c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname COLLATE "C"`

// SubjectTables lists the tables with a column named uid, less the directory,
// by name.
func (s *Store) SubjectTables(ctx context.Context) (list []string, err error) {
	err = s.snapshot(ctx, "listing the tables of people's rows", s.config.TransactionTimeout, func(t *tx) error {
		list, err = tablesOf(ctx, t)
		return err
	})
	return list, err
}

func tablesOf(ctx context.Context, t *tx) ([]string, error) {
	return rows(ctx, t, "listing the tables of people's rows", subjectTables, nil, pgx.RowTo[string])
}

// Orphans counts, in every table of people's rows, those whose uid nobody in the
// directory has. It reads whole tables and may take minutes. Tables without
// such rows are not named.
func (s *Store) Orphans(ctx context.Context) (map[string]int64, error) {
	const doing = "looking for rows without a person"
	orphans := map[string]int64{}
	err := s.snapshot(ctx, doing, wholeTablesTimeout, func(t *tx) error {
		clear(orphans)
		if _, err := t.exec(ctx, doing, wholeTables, wholeTablesTimeout.Milliseconds()); err != nil {
			return err
		}
		tables, err := tablesOf(ctx, t)
		if err != nil {
			return err
		}
		for _, table := range tables {
			var n int64
			if err := t.row(ctx, doing, orphansIn(table), nil, &n); err != nil {
				return err
			}
			if n > 0 {
				orphans[table] = n
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return orphans, nil
}

// wholeTables has the planner read tables from end to end, for a long time, in
// this transaction.
const wholeTables = `
SELECT set_config('enable_seqscan', 'on', true), set_config('plan_cache_mode', 'auto', true),
       set_config('max_parallel_workers_per_gather', '2', true), set_config('statement_timeout', $1::bigint::text, true)`

// longStatements grants the time alone.
const longStatements = `SELECT set_config('statement_timeout', $1::bigint::text, true)`

const wholeTablesTimeout = 30 * time.Minute

func orphansIn(table string) string {
	return `SELECT count(*) FROM ` + pgx.Identifier{table}.Sanitize() + ` x
WHERE x.uid IS NOT NULL AND x.uid <> '00000000-0000-0000-0000-000000000000' AND NOT EXISTS (
    SELECT 1 FROM subject s WHERE s.tenant = x.tenant AND s.uid = x.uid)`
}
