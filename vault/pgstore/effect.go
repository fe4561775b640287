package pgstore

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	// insertEffect waits for a transaction that holds the key, and locks the row
	// that stands even when it leaves it alone.
	insertEffect = `
INSERT INTO effect (tenant, key, request, uid, lookup, created, revision, at, expires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, key) DO UPDATE
SET request = EXCLUDED.request, uid = EXCLUDED.uid, lookup = EXCLUDED.lookup, created = EXCLUDED.created,
    revision = EXCLUDED.revision, at = EXCLUDED.at, expires = EXCLUDED.expires
WHERE effect.expires <= EXCLUDED.at`

	effectByKey = `
SELECT tenant, key, request, uid, lookup, created, revision, at, expires FROM effect
WHERE tenant = $1 AND key = $2`
)

func (t *tx) InsertEffect(ctx context.Context, e vault.Effect) (vault.Effect, bool, error) {
	const doing = "remembering a request"
	n, err := t.exec(ctx, doing, insertEffect,
		e.Tenant, e.Key, some(e.Request), id(e.UID), e.Lookup, e.Created, e.Revision, at(e.At), at(e.Expires))
	if err != nil {
		return vault.Effect{}, false, err
	}
	if n == 1 {
		return e, true, nil
	}
	var s vault.Effect
	var uid pgtype.UUID
	err = t.row(ctx, doing, effectByKey, []any{e.Tenant, e.Key},
		&s.Tenant, &s.Key, &s.Request, &uid, &s.Lookup, &s.Created, &s.Revision, &s.At, &s.Expires)
	s.UID = uuid.UUID(uid.Bytes)
	return s, false, err
}

const updateEffect = `UPDATE effect SET created = $3, revision = $4 WHERE tenant = $1 AND key = $2`

func (t *tx) UpdateEffect(ctx context.Context, e vault.Effect) error {
	const doing = "remembering what a request did"
	n, err := t.exec(ctx, doing, updateEffect, e.Tenant, e.Key, e.Created, e.Revision)
	return found(doing, n, err)
}

const deleteEffects = `
DELETE FROM effect WHERE (tenant, key) IN (
    SELECT tenant, key FROM effect WHERE expires < $1
    ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`

func (t *tx) DeleteEffects(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, "forgetting requests", deleteEffects, at(before), limit)
	return int(n), err
}
