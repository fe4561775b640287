package pgstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const unswept = `
SELECT s.tenant, s.lookup, ` + subjectColumns + `, ` + sealedColumns + `
FROM subject s WHERE s.state = 2 AND s.uid IS NOT NULL
ORDER BY s.tenant, s.uid LIMIT $1`

func (t *tx) Unswept(ctx context.Context, limit int) ([]vault.Subject, error) {
	return rows(ctx, t, "listing what is to be swept", unswept, []any{limit}, readSubject)
}

// sweeps delete at most a number of rows of a uid, one table each, by its key.
// A test compares them with the schema.
func sweeps() []string {
	return []string{
		`DELETE FROM record WHERE tenant = $1 AND uid = $2 AND (collection, record) IN (
    SELECT collection, record FROM record WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM search_index WHERE tenant = $1 AND uid = $2 AND (collection, record, field, version, value) IN (
    SELECT collection, record, field, version, value FROM search_index WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM consent WHERE tenant = $1 AND uid = $2 AND purpose IN (
    SELECT purpose FROM consent WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM consent_event WHERE tenant = $1 AND uid = $2 AND id IN (
    SELECT id FROM consent_event WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM effect WHERE tenant = $1 AND uid = $2 AND key IN (
    SELECT key FROM effect WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM shred WHERE tenant = $1 AND uid = $2 AND grp IN (
    SELECT grp FROM shred WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM reseal WHERE tenant = $1 AND uid = $2 AND grp IN (
    SELECT grp FROM reseal WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM honey WHERE tenant = $1 AND uid = $2 AND uid IN (
    SELECT uid FROM honey WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM ticket WHERE tenant = $1 AND uid = $2 AND id IN (
    SELECT id FROM ticket WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM token WHERE tenant = $1 AND uid = $2 AND hash IN (
    SELECT hash FROM token WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
		`DELETE FROM request WHERE tenant = $1 AND uid = $2 AND id IN (
    SELECT id FROM request WHERE tenant = $1 AND uid = $2 LIMIT $3)`,
	}
}

// Sweep deletes whatever the uid has, live or not: the caller has seen that the
// person is erased, for ever.
func (t *tx) Sweep(ctx context.Context, tenant int32, uid uuid.UUID, limit int) (int, error) {
	const doing = "sweeping what an erasure left"
	swept := 0
	for _, sql := range sweeps() {
		if swept >= limit {
			break
		}
		n, err := t.exec(ctx, doing, sql, tenant, id(uid), limit-swept)
		if err != nil {
			return 0, err
		}
		swept += int(n)
	}
	return swept, nil
}
