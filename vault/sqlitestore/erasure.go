package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const erasureColumns = `id, tenant, lookup, generation, grps, event, at, certificate`

func scanErasure(r *sql.Rows) (e vault.Erasure, err error) {
	err = r.Scan(uidColumn{&e.ID}, &e.Tenant, &e.Lookup, &e.Generation, &e.Groups, uidColumn{&e.Event},
		timeColumn{&e.At}, &e.Certificate)
	return e, err
}

func (t *tx) InsertErasure(ctx context.Context, e vault.Erasure) error {
	_, err := t.exec(ctx, `
		INSERT INTO erasure (id, tenant, lookup, generation, grps, event, at, certificate)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
		e.ID[:], e.Tenant, blob(e.Lookup), e.Generation, blob(e.Groups), e.Event[:], e.At.UnixMicro(), blob(e.Certificate))
	if err != nil {
		return fmt.Errorf("storing a certificate: %w", err)
	}
	return nil
}

func (t *tx) Erasure(ctx context.Context, tenant int32, id uuid.UUID) (vault.Erasure, error) {
	return t.erasure(ctx, `SELECT `+erasureColumns+` FROM erasure WHERE tenant = ?1 AND id = ?2`, tenant, id[:])
}

func (t *tx) LastErasure(ctx context.Context, tenant int32, lookup []byte, generation uint32, groups []byte) (vault.Erasure, error) {
	return t.erasure(ctx, `
		SELECT `+erasureColumns+` FROM erasure
		WHERE tenant = ?1 AND lookup = ?2 AND generation = ?3 AND grps = ?4
		ORDER BY at DESC, id DESC LIMIT 1`, tenant, blob(lookup), generation, blob(groups))
}

func (t *tx) erasure(ctx context.Context, query string, args ...any) (vault.Erasure, error) {
	e, err := one(ctx, t, query, scanErasure, args...)
	switch {
	case errors.Is(err, vault.ErrNoRow):
		return e, err
	case err != nil:
		return e, fmt.Errorf("reading a certificate: %w", err)
	}
	return e, nil
}
