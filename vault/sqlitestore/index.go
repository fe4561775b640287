package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) ReplaceIndex(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32, entries []vault.IndexEntry) error {
	if err := t.text(ref.Record); err != nil {
		return err
	}
	if err := t.clearIndex(ctx, tenant, uid, ref, fields); err != nil {
		return fmt.Errorf("clearing an index: %w", err)
	}
	for _, e := range entries {
		_, err := t.exec(ctx, `
			INSERT INTO search_index (tenant, collection, field, version, value, uid, record)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING`,
			tenant, ref.Collection, e.Field, e.Version, blob(e.Value), uid[:], ref.Record)
		if err != nil {
			return fmt.Errorf("storing an index entry: %w", err)
		}
	}
	return nil
}

func (t *tx) clearIndex(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32) error {
	const record = `DELETE FROM search_index WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4`
	if fields == nil {
		_, err := t.exec(ctx, record, tenant, uid[:], ref.Collection, ref.Record)
		return err
	}
	for _, f := range fields {
		if _, err := t.exec(ctx, record+` AND field = ?5`, tenant, uid[:], ref.Collection, ref.Record, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteIndex(ctx context.Context, tenant int32, q vault.IndexVersion, limit int) (int, error) {
	n, err := t.exec(ctx, `
		DELETE FROM search_index WHERE rowid IN
		  (SELECT rowid FROM search_index WHERE tenant = ?1 AND collection = ?2 AND field = ?3 AND version = ?4 LIMIT ?5)`,
		tenant, q.Collection, q.Field, q.Version, atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("removing a version of an index: %w", err)
	}
	return int(n), nil
}

func (t *tx) SearchIndex(ctx context.Context, q vault.IndexQuery) ([]vault.Candidate, error) {
	if err := t.text(q.AfterRec); err != nil {
		return nil, err
	}
	values, err := json.Marshal(indexValues(q.Values))
	if err != nil {
		return nil, fmt.Errorf("encoding index values: %w", err)
	}
	statement := searchIndex
	args := []any{q.Tenant, q.Collection, q.Field, string(values), q.AfterUID[:], q.AfterRec, atMost(q.Limit)}
	if len(q.Every) > 0 {
		statement = searchIndexEvery
		every, err := json.Marshal(indexValues(q.Every))
		if err != nil {
			return nil, fmt.Errorf("encoding index values: %w", err)
		}
		args = append(args, string(every))
	}
	found, err := list(ctx, t, statement,
		func(r *sql.Rows) (c vault.Candidate, err error) {
			err = r.Scan(&c.Lookup, uidColumn{&c.UID}, &c.Record)
			return c, err
		}, args...)
	if err != nil {
		return nil, fmt.Errorf("searching an index: %w", err)
	}
	return found, nil
}

// searchIndex: CROSS JOIN fixes the order, so that each value seeks its entries.
const searchIndex = `
		SELECT DISTINCT s.lookup, i.uid, i.record
		FROM json_each(?4) v
		CROSS JOIN search_index i ON i.tenant = ?1 AND i.collection = ?2 AND i.field = ?3
			AND i.version = v.value ->> 0 AND i.value = unhex(v.value ->> 1)
		CROSS JOIN subject s ON s.tenant = i.tenant AND s.uid = i.uid AND s.state = 1
		WHERE (i.uid, i.record) > (?5, ?6)
		ORDER BY i.uid, i.record LIMIT ?7`

// searchIndexEvery also reads records that have a value of every one of a list. It walks
// the records of one of them, of a version: that which the fewest have, as far as 2,000 of
// each show (beside min, SQLite takes the other columns from its row). whole says of a
// value that the rest of its version is needed.
const searchIndexEvery = `
		WITH v (version, value, whole) AS MATERIALIZED (
			SELECT value ->> 0, unhex(value ->> 1), 0 FROM json_each(?4)
			UNION ALL
			SELECT version, value, 1 FROM (
				SELECT e.value ->> 0 AS version, unhex(e.value ->> 1) AS value, min((
					SELECT count(*) FROM (SELECT 1 FROM search_index i
						WHERE i.tenant = ?1 AND i.collection = ?2 AND i.field = ?3
							AND i.version = e.value ->> 0 AND i.value = unhex(e.value ->> 1) LIMIT 2000)))
				FROM json_each(?8) e GROUP BY 1)
		)
		SELECT DISTINCT s.lookup, i.uid, i.record
		FROM v
		CROSS JOIN search_index i ON i.tenant = ?1 AND i.collection = ?2 AND i.field = ?3
			AND i.version = v.version AND i.value = v.value
		CROSS JOIN subject s ON s.tenant = i.tenant AND s.uid = i.uid AND s.state = 1
		WHERE (i.uid, i.record) > (?5, ?6) AND NOT (v.whole AND EXISTS (
			SELECT 1 FROM json_each(?8) e WHERE e.value ->> 0 = i.version AND NOT EXISTS (
				SELECT 1 FROM search_index x WHERE x.tenant = ?1 AND x.collection = ?2 AND x.field = ?3
					AND x.version = e.value ->> 0 AND x.value = unhex(e.value ->> 1) AND x.uid = i.uid AND x.record = i.record)))
		ORDER BY i.uid, i.record LIMIT ?7`

// indexValues is the form in which values go to a statement as one argument.
func indexValues(entries []vault.IndexEntry) [][2]any {
	out := make([][2]any, 0, len(entries))
	for _, e := range entries {
		out = append(out, [2]any{e.Version, hex.EncodeToString(e.Value)})
	}
	return out
}
