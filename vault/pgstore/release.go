package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const insertReleaseTurn = `
INSERT INTO release_turn (tenant, collection, purpose, releases, tries, first, began, last, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, collection, purpose) DO NOTHING`

func (t *tx) InsertReleaseTurn(ctx context.Context, r vault.ReleaseTurn) (bool, error) {
	n, err := t.exec(ctx, "storing a turn of releases", insertReleaseTurn,
		r.Tenant, r.Collection, r.Purpose, r.Releases, r.Tries, r.First, r.Began, r.Last, some(r.MAC))
	return n == 1, err
}

const (
	turnColumns     = `tenant, collection, purpose, releases, tries, first, began, last, mac`
	lockReleaseTurn = `SELECT ` + turnColumns + ` FROM release_turn WHERE tenant = $1 AND collection = $2 AND purpose = $3 FOR UPDATE`
)

func (t *tx) LockReleaseTurn(ctx context.Context, tenant int32, collection uint32, purpose string) (vault.ReleaseTurn, error) {
	return first(ctx, t, "locking a turn of releases", lockReleaseTurn, []any{tenant, collection, purpose}, readReleaseTurn)
}

func readReleaseTurn(row pgx.CollectableRow) (r vault.ReleaseTurn, err error) {
	err = row.Scan(&r.Tenant, &r.Collection, &r.Purpose, &r.Releases, &r.Tries, &r.First, &r.Began, &r.Last, &r.MAC)
	return r, err
}

const putReleaseTurn = `
UPDATE release_turn SET releases = $4, tries = $5, first = $6, began = $7, last = $8, mac = $9
WHERE tenant = $1 AND collection = $2 AND purpose = $3`

// PutReleaseTurn is [vault.ErrNoRow] when the row is not there.
func (t *tx) PutReleaseTurn(ctx context.Context, r vault.ReleaseTurn) error {
	const doing = "storing a turn of releases"
	n, err := t.exec(ctx, doing, putReleaseTurn,
		r.Tenant, r.Collection, r.Purpose, r.Releases, r.Tries, r.First, r.Began, r.Last, some(r.MAC))
	return found(doing, n, err)
}

const listReleaseTurns = `SELECT ` + turnColumns + ` FROM release_turn WHERE tenant = $1 ORDER BY collection, purpose`

func (t *tx) ReleaseTurns(ctx context.Context, tenant int32) ([]vault.ReleaseTurn, error) {
	return rows(ctx, t, "listing turns of releases", listReleaseTurns, []any{tenant}, readReleaseTurn)
}
