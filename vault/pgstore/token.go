package pgstore

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const tokenColumns = `tenant, hash, uid, collection, record, field, grp, epoch, purpose, kind, once, created, expires, sealed, mac` //nolint:gosec // names of columns

func readToken(r pgx.CollectableRow) (k vault.TokenRow, err error) {
	var expires pgtype.Timestamptz
	err = r.Scan(&k.Tenant, &k.Hash, &k.UID, &k.Place.Collection, &k.Place.Record, &k.Place.Field, &k.Group, &k.Epoch,
		&k.Purpose, &k.Kind, &k.Once, &k.Created, &expires, &k.Sealed, &k.MAC)
	k.Created, k.Expires = k.Created.UTC(), expires.Time
	if expires.Valid {
		k.Expires = expires.Time.UTC()
	}
	return k, err
}

func readHash(r pgx.CollectableRow) (hash []byte, err error) { return hash, r.Scan(&hash) }

const insertTokens = `
INSERT INTO token (tenant, hash, uid, collection, record, field, grp, epoch, purpose, kind, once, created, expires, sealed, mac)
SELECT $1, k.hash, k.uid, k.collection, k.record, k.field, k.grp, k.epoch, k.purpose, k.kind, k.once, k.created, k.expires, k.sealed, k.mac
FROM unnest($2::bytea[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[],
    $10::smallint[], $11::boolean[], $12::timestamptz[], $13::timestamptz[], $14::bytea[], $15::bytea[])
    k(hash, uid, collection, record, field, grp, epoch, purpose, kind, once, created, expires, sealed, mac)
ORDER BY k.hash
ON CONFLICT (tenant, hash) DO NOTHING RETURNING hash`

// InsertTokens stores in the order of the hashes, in which concurrent callers wait for
// each other.
func (t *tx) InsertTokens(ctx context.Context, tenant int32, list []vault.TokenRow) (taken [][]byte, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	n := len(list)
	hashes, uids, sealed, macs := make([][]byte, n), make([]uuid.UUID, n), make([][]byte, n), make([][]byte, n)
	collections, fields, groups, epochs := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	records, purposes, kinds, once := make([]string, n), make([]string, n), make([]int16, n), make([]bool, n)
	created, expires := make([]time.Time, n), make([]pgtype.Timestamptz, n)
	for i := range list {
		k := &list[i]
		hashes[i], uids[i], sealed[i], macs[i] = some(k.Hash), k.UID, k.Sealed, some(k.MAC)
		collections[i], fields[i] = int64(k.Place.Collection), int64(k.Place.Field)
		groups[i], epochs[i], records[i], purposes[i] = int64(k.Group), int64(k.Epoch), k.Place.Record, k.Purpose
		kinds[i], once[i], created[i], expires[i] = k.Kind, k.Once, k.Created, at(k.Expires)
	}
	stored, err := rows(ctx, t, "storing tokens", insertTokens, []any{
		tenant, hashes, ids(uids), collections, records, fields, groups, epochs, purposes, kinds, once, created, expires, sealed, macs,
	}, readHash)
	if err != nil {
		return nil, err
	}
	return without(hashes, stored), nil
}

// without are the hashes that are not among the others.
func without(hashes, others [][]byte) (list [][]byte) {
	has := make(map[string]bool, len(others))
	for _, h := range others {
		has[string(h)] = true
	}
	for _, h := range hashes {
		if !has[string(h)] {
			list = append(list, h)
		}
	}
	return list
}

const tokensByHash = `SELECT ` + tokenColumns + ` FROM token WHERE tenant = $1 AND hash = ANY ($2::bytea[])`

func (t *tx) TokensByHash(ctx context.Context, tenant int32, hashes [][]byte) ([]vault.TokenRow, error) {
	return rows(ctx, t, "reading tokens", tokensByHash, []any{tenant, hashes}, readToken)
}

const tokensOf = `SELECT ` + tokenColumns + ` FROM token WHERE tenant = $1 AND uid = $2 AND hash > $3 ORDER BY hash LIMIT $4`

func (t *tx) TokensOf(ctx context.Context, tenant int32, uid uuid.UUID, after []byte, limit int) ([]vault.TokenRow, error) {
	return rows(ctx, t, "listing a person's tokens", tokensOf, []any{tenant, id(uid), some(after), limit}, readToken)
}

//nolint:gosec // no credentials
const countTokens = `
SELECT count(*) FROM token
WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4 AND field = $5 AND (expires IS NULL OR expires > $6)`

func (t *tx) CountTokens(ctx context.Context, tenant int32, uid uuid.UUID, place vault.TokenPlace, at time.Time) (n int, err error) {
	err = t.row(ctx, "counting tokens", countTokens, []any{tenant, id(uid), place.Collection, place.Record, place.Field, at}, &n)
	return n, err
}

const keptTokens = `
SELECT ` + tokenColumns + ` FROM token
WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4 AND field = $5 AND purpose = $6 AND kind = $7 AND sealed IS NOT NULL
ORDER BY created DESC, hash`

func (t *tx) KeptTokens(ctx context.Context, tenant int32, uid uuid.UUID, place vault.TokenPlace, purpose string, kind int16) ([]vault.TokenRow, error) {
	return rows(ctx, t, "reading the tokens of a field", keptTokens,
		[]any{tenant, id(uid), place.Collection, place.Record, place.Field, purpose, kind}, readToken)
}

const resealToken = `UPDATE token SET sealed = $4, mac = $5 WHERE tenant = $1 AND hash = $2 AND uid = $3`

func (t *tx) ResealToken(ctx context.Context, r vault.TokenRow) error {
	const doing = "sealing a token anew"
	n, err := t.exec(ctx, doing, resealToken, r.Tenant, some(r.Hash), id(r.UID), some(r.Sealed), some(r.MAC))
	return exactlyOne(doing, n, err)
}

// spendTokens locks in the order of the hashes, in which concurrent callers wait for
// each other.
//
//nolint:gosec // no credentials
const spendTokens = `
WITH k AS (SELECT hash FROM token WHERE tenant = $1 AND hash = ANY ($2::bytea[]) ORDER BY hash FOR UPDATE)
DELETE FROM token USING k WHERE token.tenant = $1 AND token.hash = k.hash RETURNING token.hash`

func (t *tx) SpendTokens(ctx context.Context, tenant int32, hashes [][]byte) ([][]byte, error) {
	return rows(ctx, t, "spending tokens", spendTokens, []any{tenant, hashes}, readHash)
}

const dropFieldTokens = `
DELETE FROM token WHERE tenant = $1 AND uid = $2 AND collection = $3 AND record = $4 AND ($5::bigint[] IS NULL OR field = ANY ($5))`

func (t *tx) DropFieldTokens(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32) error {
	_, err := t.exec(ctx, "removing the tokens of a record", dropFieldTokens, tenant, id(uid), ref.Collection, ref.Record, fields)
	return err
}

const dropGroupTokens = `DELETE FROM token WHERE tenant = $1 AND uid = $2 AND grp = $3 AND epoch < $4`

func (t *tx) DropGroupTokens(ctx context.Context, tenant int32, uid uuid.UUID, group, epoch uint32) error {
	_, err := t.exec(ctx, "removing the tokens of an erased group", dropGroupTokens, tenant, id(uid), group, epoch)
	return err
}

const dropTokens = `
DELETE FROM token WHERE (tenant, hash) IN (
    SELECT tenant, hash FROM token WHERE expires < $1
    ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`

func (t *tx) DropTokens(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, "removing expired tokens", dropTokens, before, limit)
	return int(n), err
}

const listTokens = `SELECT ` + tokenColumns + ` FROM token WHERE tenant = $1 AND hash > $2 ORDER BY hash LIMIT $3`

func (t *tx) Tokens(ctx context.Context, tenant int32, after []byte, limit int) ([]vault.TokenRow, error) {
	return rows(ctx, t, "listing tokens", listTokens, []any{tenant, some(after), limit}, readToken)
}
