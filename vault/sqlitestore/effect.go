package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

func scanEffect(r *sql.Rows) (e vault.Effect, err error) {
	err = r.Scan(&e.Tenant, &e.Key, &e.Request, uidColumn{&e.UID}, &e.Lookup, &e.Created, &e.Revision,
		timeColumn{&e.At}, timeColumn{&e.Expires})
	return e, err
}

func (t *tx) InsertEffect(ctx context.Context, e vault.Effect) (vault.Effect, bool, error) {
	if err := t.usable(true); err != nil {
		return vault.Effect{}, false, err
	}
	standing, err := one(ctx, t, `
		SELECT tenant, key, request, uid, lookup, created, revision, at, expires FROM effect
		WHERE tenant = ?1 AND key = ?2 AND expires > ?3`, scanEffect, e.Tenant, blob(e.Key), e.At.UnixMicro())
	if err == nil {
		return standing, false, nil
	}
	if !errors.Is(err, vault.ErrNoRow) {
		return vault.Effect{}, false, fmt.Errorf("reading an effect: %w", err)
	}
	revision, err := t.wide(e.Revision)
	if err != nil {
		return vault.Effect{}, false, err
	}
	_, err = t.exec(ctx, `
		INSERT OR REPLACE INTO effect (tenant, key, request, uid, lookup, created, revision, at, expires)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
		e.Tenant, blob(e.Key), blob(e.Request), uidOrNull(e.UID), e.Lookup, e.Created, revision,
		e.At.UnixMicro(), e.Expires.UnixMicro())
	if err != nil {
		return vault.Effect{}, false, fmt.Errorf("storing an effect: %w", err)
	}
	return e, true, nil
}

func (t *tx) UpdateEffect(ctx context.Context, e vault.Effect) error {
	revision, err := t.wide(e.Revision)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `UPDATE effect SET created = ?3, revision = ?4 WHERE tenant = ?1 AND key = ?2`,
		e.Tenant, blob(e.Key), e.Created, revision)
	if err != nil {
		return fmt.Errorf("changing an effect: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) DeleteEffects(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, `
		DELETE FROM effect WHERE rowid IN (SELECT rowid FROM effect WHERE expires < ?1 ORDER BY expires LIMIT ?2)`,
		before.UnixMicro(), atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("deleting effects: %w", err)
	}
	return int(n), nil
}
