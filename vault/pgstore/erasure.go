package pgstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const insertErasure = `
INSERT INTO erasure (id, tenant, lookup, generation, grps, event, at, certificate)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

func (t *tx) InsertErasure(ctx context.Context, e vault.Erasure) error {
	_, err := t.exec(ctx, "storing a certificate", insertErasure,
		anyID(e.ID), e.Tenant, e.Lookup, e.Generation, some(e.Groups), anyID(e.Event), at(e.At), some(e.Certificate))
	return err
}

const (
	erasureByID = `
SELECT id, tenant, lookup, generation, grps, event, at, certificate FROM erasure
WHERE tenant = $1 AND id = $2`

	lastErasure = `
SELECT id, tenant, lookup, generation, grps, event, at, certificate FROM erasure
WHERE tenant = $1 AND lookup = $2 AND generation = $3 AND grps = $4
ORDER BY at DESC, id DESC LIMIT 1`
)

func (t *tx) Erasure(ctx context.Context, tenant int32, certificate uuid.UUID) (vault.Erasure, error) {
	return t.erasure(ctx, erasureByID, tenant, anyID(certificate))
}

func (t *tx) LastErasure(ctx context.Context, tenant int32, lookup []byte, generation uint32, groups []byte) (vault.Erasure, error) {
	return t.erasure(ctx, lastErasure, tenant, lookup, generation, some(groups))
}

func (t *tx) erasure(ctx context.Context, sql string, args ...any) (e vault.Erasure, err error) {
	err = t.row(ctx, "reading a certificate", sql, args,
		&e.ID, &e.Tenant, &e.Lookup, &e.Generation, &e.Groups, &e.Event, &e.At, &e.Certificate)
	return e, err
}
