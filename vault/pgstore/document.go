package pgstore

import (
	"context"

	"github.com/fieldvault/fieldvault/vault"
)

const (
	currentDocument = `
SELECT version, body, source, by, created FROM document
WHERE tenant = $1 AND kind = $2 ORDER BY version DESC LIMIT 1`

	documentVersion = `
SELECT version, body, source, by, created FROM document
WHERE tenant = $1 AND kind = $2 AND version = $3`
)

func (t *tx) Document(ctx context.Context, tenant int32, kind string, version int64) (vault.Document, error) {
	sql, args := currentDocument, []any{tenant, kind}
	if version != 0 {
		sql, args = documentVersion, append(args, version)
	}
	var d vault.Document
	err := t.row(ctx, "reading a document", sql, args, &d.Version, &d.Body, &d.Source, &d.By, &d.Created)
	return d, err
}

const catalogVersion = `SELECT catalog_version FROM tenant WHERE id = $1`

func (t *tx) CatalogVersion(ctx context.Context, tenant int32) (version int64, err error) {
	err = t.row(ctx, "reading the version of a catalog", catalogVersion, []any{tenant}, &version)
	return version, err
}

// The tenant's row says which versions are current, and its lock lets one
// writer at a time append.
const (
	raiseVersion = `
UPDATE tenant
SET catalog_version = CASE $2::text WHEN 'catalog' THEN $3 ELSE catalog_version END,
    policy_version  = CASE $2::text WHEN 'policy'  THEN $3 ELSE policy_version END
WHERE id = $1
  AND CASE $2::text WHEN 'catalog' THEN catalog_version WHEN 'policy' THEN policy_version END = $3::bigint - 1`

	insertDocument = `
INSERT INTO document (tenant, kind, version, body, source, by, created)
VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

func (t *tx) InsertDocument(ctx context.Context, tenant int32, kind string, d vault.Document) error {
	const doing = "appending a document"
	t.news = append(t.news, docNews(tenant))
	n, err := t.exec(ctx, doing, raiseVersion, tenant, kind, d.Version)
	if err := exactlyOne(doing, n, err); err != nil {
		return err
	}
	_, err = t.exec(ctx, doing, insertDocument, tenant, kind, d.Version, some(d.Body), d.Source, d.By, at(d.Created))
	return err
}
