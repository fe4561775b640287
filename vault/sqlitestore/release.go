package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) InsertReleaseTurn(ctx context.Context, r vault.ReleaseTurn) (bool, error) {
	if err := t.text(r.Purpose); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `
		INSERT INTO release_turn (tenant, collection, purpose, releases, tries, first, began, last, mac)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
		ON CONFLICT (tenant, collection, purpose) DO NOTHING`,
		r.Tenant, r.Collection, r.Purpose, r.Releases, r.Tries, r.First, r.Began, r.Last, blob(r.MAC))
	if err != nil {
		return false, fmt.Errorf("storing a turn of releases: %w", err)
	}
	return n == 1, nil
}

const turnColumns = `tenant, collection, purpose, releases, tries, first, began, last, mac`

func scanReleaseTurn(rows *sql.Rows) (r vault.ReleaseTurn, err error) {
	err = rows.Scan(&r.Tenant, &r.Collection, &r.Purpose, &r.Releases, &r.Tries, &r.First, &r.Began, &r.Last, &r.MAC)
	return r, err
}

func (t *tx) LockReleaseTurn(ctx context.Context, tenant int32, collection uint32, purpose string) (vault.ReleaseTurn, error) {
	// The one writer holds every lock already.
	if err := t.usable(true); err != nil {
		return vault.ReleaseTurn{}, err
	}
	if err := t.text(purpose); err != nil {
		return vault.ReleaseTurn{}, err
	}
	r, err := one(ctx, t, `SELECT `+turnColumns+` FROM release_turn WHERE tenant = ?1 AND collection = ?2 AND purpose = ?3`,
		scanReleaseTurn, tenant, collection, purpose)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return r, err
	case err != nil:
		return r, fmt.Errorf("locking a turn of releases: %w", err)
	}
	return r, nil
}

func (t *tx) PutReleaseTurn(ctx context.Context, r vault.ReleaseTurn) error {
	if err := t.text(r.Purpose); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE release_turn SET releases = ?4, tries = ?5, first = ?6, began = ?7, last = ?8, mac = ?9
		WHERE tenant = ?1 AND collection = ?2 AND purpose = ?3`,
		r.Tenant, r.Collection, r.Purpose, r.Releases, r.Tries, r.First, r.Began, r.Last, blob(r.MAC))
	if err != nil {
		return fmt.Errorf("storing a turn of releases: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) ReleaseTurns(ctx context.Context, tenant int32) ([]vault.ReleaseTurn, error) {
	out, err := list(ctx, t, `SELECT `+turnColumns+` FROM release_turn WHERE tenant = ?1 ORDER BY collection, purpose`, scanReleaseTurn, tenant)
	if err != nil {
		return nil, fmt.Errorf("listing turns of releases: %w", err)
	}
	return out, nil
}
