package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func (t *tx) Document(ctx context.Context, tenant int32, kind string, version int64) (vault.Document, error) {
	if err := t.text(kind); err != nil {
		return vault.Document{}, err
	}
	d, err := one(ctx, t, `
		SELECT version, body, source, actor, created FROM document
		WHERE tenant = ?1 AND kind = ?2
		  AND version = CASE ?3 WHEN 0 THEN (SELECT max(version) FROM document WHERE tenant = ?1 AND kind = ?2) ELSE ?3 END`,
		func(r *sql.Rows) (d vault.Document, err error) {
			err = r.Scan(&d.Version, &d.Body, &d.Source, &d.By, timeColumn{&d.Created})
			return d, err
		}, tenant, kind, version)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return d, err
	case err != nil:
		return d, fmt.Errorf("reading a document: %w", err)
	}
	return d, nil
}

func (t *tx) CatalogVersion(ctx context.Context, tenant int32) (int64, error) {
	version, err := one(ctx, t, `
		SELECT coalesce((SELECT max(version) FROM document WHERE tenant = t.id AND kind = 'catalog'), 0)
		FROM tenant t WHERE t.id = ?1`,
		func(r *sql.Rows) (n int64, err error) { return n, r.Scan(&n) }, tenant)
	if err != nil && !errors.Is(err, vault.ErrNoRow) {
		err = fmt.Errorf("reading the version of a catalog: %w", err)
	}
	return version, err
}

func (t *tx) InsertDocument(ctx context.Context, tenant int32, kind string, d vault.Document) error {
	if err := t.text(kind, d.By); err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		INSERT INTO document (tenant, kind, version, body, source, actor, created)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
		WHERE ?3 = 1 + coalesce((SELECT max(version) FROM document WHERE tenant = ?1 AND kind = ?2), 0)`,
		tenant, kind, d.Version, blob(d.Body), blob(d.Source), d.By, d.Created.UnixMicro())
	if err != nil {
		return fmt.Errorf("storing a document: %w", err)
	}
	if n == 0 {
		return vault.ErrStale
	}
	return nil
}
