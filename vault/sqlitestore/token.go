package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const tokenColumns = `tenant, hash, uid, collection, record, field, grp, epoch, purpose, kind, once, created, expires, sealed, mac` //nolint:gosec // names of columns

func scanToken(r *sql.Rows) (k vault.TokenRow, err error) {
	err = r.Scan(&k.Tenant, &k.Hash, uidColumn{&k.UID}, &k.Place.Collection, &k.Place.Record, &k.Place.Field, &k.Group, &k.Epoch,
		&k.Purpose, &k.Kind, &k.Once, timeColumn{&k.Created}, timeColumn{&k.Expires}, &k.Sealed, &k.MAC)
	return k, err
}

func (t *tx) InsertTokens(ctx context.Context, tenant int32, rows []vault.TokenRow) (taken [][]byte, err error) {
	for i := range rows {
		k := &rows[i]
		if err := t.text(k.Place.Record, k.Purpose); err != nil {
			return nil, err
		}
		n, err := t.exec(ctx, `
			INSERT INTO token (`+tokenColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
			ON CONFLICT (tenant, hash) DO NOTHING`,
			tenant, blob(k.Hash), k.UID[:], k.Place.Collection, k.Place.Record, k.Place.Field, k.Group, k.Epoch,
			k.Purpose, k.Kind, k.Once, k.Created.UnixMicro(), micros(k.Expires), k.Sealed, blob(k.MAC))
		if err != nil {
			return nil, fmt.Errorf("storing tokens: %w", err)
		}
		if n == 0 {
			taken = append(taken, k.Hash)
		}
	}
	return taken, nil
}

func (t *tx) TokensByHash(ctx context.Context, tenant int32, hashes [][]byte) (all []vault.TokenRow, err error) {
	for _, h := range hashes {
		found, err := list(ctx, t, `SELECT `+tokenColumns+` FROM token WHERE tenant = ?1 AND hash = ?2`, scanToken, tenant, blob(h))
		if err != nil {
			return nil, fmt.Errorf("reading tokens: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (t *tx) TokensOf(ctx context.Context, tenant int32, uid uuid.UUID, after []byte, limit int) ([]vault.TokenRow, error) {
	out, err := list(ctx, t, `SELECT `+tokenColumns+` FROM token WHERE tenant = ?1 AND uid = ?2 AND hash > ?3 ORDER BY hash LIMIT ?4`,
		scanToken, tenant, uid[:], blob(after), atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing a person's tokens: %w", err)
	}
	return out, nil
}

func (t *tx) CountTokens(ctx context.Context, tenant int32, uid uuid.UUID, place vault.TokenPlace, at time.Time) (int, error) {
	if err := t.text(place.Record); err != nil {
		return 0, err
	}
	n, err := one(ctx, t, `
		SELECT count(*) FROM token
		WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4 AND field = ?5 AND (expires IS NULL OR expires > ?6)`,
		func(r *sql.Rows) (n int, err error) { return n, r.Scan(&n) },
		tenant, uid[:], place.Collection, place.Record, place.Field, at.UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("counting tokens: %w", err)
	}
	return n, nil
}

func (t *tx) KeptTokens(ctx context.Context, tenant int32, uid uuid.UUID, place vault.TokenPlace, purpose string, kind int16) ([]vault.TokenRow, error) {
	if err := t.text(place.Record, purpose); err != nil {
		return nil, err
	}
	out, err := list(ctx, t, `
		SELECT `+tokenColumns+` FROM token
		WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4 AND field = ?5 AND purpose = ?6 AND kind = ?7
			AND sealed IS NOT NULL
		ORDER BY created DESC, hash`,
		scanToken, tenant, uid[:], place.Collection, place.Record, place.Field, purpose, kind)
	if err != nil {
		return nil, fmt.Errorf("reading the tokens of a field: %w", err)
	}
	return out, nil
}

func (t *tx) ResealToken(ctx context.Context, r vault.TokenRow) error {
	n, err := t.exec(ctx, `UPDATE token SET sealed = ?4, mac = ?5 WHERE tenant = ?1 AND hash = ?2 AND uid = ?3`,
		r.Tenant, blob(r.Hash), r.UID[:], blob(r.Sealed), blob(r.MAC))
	if err != nil {
		return fmt.Errorf("sealing a token anew: %w", err)
	}
	if n != 1 {
		return vault.ErrStale
	}
	return nil
}

func (t *tx) SpendTokens(ctx context.Context, tenant int32, hashes [][]byte) (spent [][]byte, err error) {
	for _, h := range hashes {
		n, err := t.exec(ctx, `DELETE FROM token WHERE tenant = ?1 AND hash = ?2`, tenant, blob(h))
		if err != nil {
			return nil, fmt.Errorf("spending tokens: %w", err)
		}
		if n == 1 {
			spent = append(spent, h)
		}
	}
	return spent, nil
}

func (t *tx) DropFieldTokens(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32) error {
	if err := t.text(ref.Record); err != nil {
		return err
	}
	const all = `DELETE FROM token WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4`
	if fields == nil {
		if _, err := t.exec(ctx, all, tenant, uid[:], ref.Collection, ref.Record); err != nil {
			return fmt.Errorf("removing the tokens of a record: %w", err)
		}
		return nil
	}
	for _, f := range fields {
		if _, err := t.exec(ctx, all+` AND field = ?5`, tenant, uid[:], ref.Collection, ref.Record, f); err != nil {
			return fmt.Errorf("removing the tokens of a field: %w", err)
		}
	}
	return nil
}

func (t *tx) DropGroupTokens(ctx context.Context, tenant int32, uid uuid.UUID, group, epoch uint32) error {
	_, err := t.exec(ctx, `DELETE FROM token WHERE tenant = ?1 AND uid = ?2 AND grp = ?3 AND epoch < ?4`, tenant, uid[:], group, epoch)
	if err != nil {
		return fmt.Errorf("removing the tokens of an erased group: %w", err)
	}
	return nil
}

func (t *tx) DropTokens(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, `
		DELETE FROM token WHERE rowid IN (SELECT rowid FROM token WHERE expires < ?1 ORDER BY expires LIMIT ?2)`,
		before.UnixMicro(), atMost(limit))
	if err != nil {
		return 0, fmt.Errorf("removing expired tokens: %w", err)
	}
	return int(n), nil
}

func (t *tx) Tokens(ctx context.Context, tenant int32, after []byte, limit int) ([]vault.TokenRow, error) {
	out, err := list(ctx, t, `SELECT `+tokenColumns+` FROM token WHERE tenant = ?1 AND hash > ?2 ORDER BY hash LIMIT ?3`,
		scanToken, tenant, blob(after), atMost(limit))
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	return out, nil
}
