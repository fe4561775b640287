package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const recordColumns = `r.collection, r.record, r.revision, r.deleted, r.sealed`

func recordTargets(r *vault.Record) []any {
	return []any{&r.Collection, &r.Record, &r.Revision, &r.Deleted, &r.Sealed}
}

func scanRecord(rows *sql.Rows) (r vault.Record, err error) {
	err = rows.Scan(recordTargets(&r)...)
	return r, err
}

func (t *tx) LockRecord(ctx context.Context, tenant int32, uid uuid.UUID, ref vault.RecordRef) (vault.Record, error) {
	if err := t.text(ref.Record); err != nil {
		return vault.Record{}, err
	}
	_, err := t.exec(ctx, `
		INSERT INTO record (tenant, uid, collection, record, revision, deleted)
		VALUES (?1, ?2, ?3, ?4, 0, 1) ON CONFLICT (tenant, uid, collection, record) DO NOTHING`,
		tenant, uid[:], ref.Collection, ref.Record)
	if err != nil {
		return vault.Record{}, fmt.Errorf("making a record: %w", err)
	}
	r, err := one(ctx, t, `
		SELECT `+recordColumns+` FROM record r
		WHERE r.tenant = ?1 AND r.uid = ?2 AND r.collection = ?3 AND r.record = ?4`,
		scanRecord, tenant, uid[:], ref.Collection, ref.Record)
	if err != nil {
		return vault.Record{}, fmt.Errorf("reading a record: %w", err)
	}
	return r, nil
}

func (t *tx) PutRecord(ctx context.Context, tenant int32, uid uuid.UUID, r vault.Record) error {
	if err := t.text(r.Record); err != nil {
		return err
	}
	revision, err := t.wide(r.Revision)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `
		UPDATE record SET revision = ?5, deleted = ?6, sealed = ?7
		WHERE tenant = ?1 AND uid = ?2 AND collection = ?3 AND record = ?4`,
		tenant, uid[:], r.Collection, r.Record, revision, r.Deleted, r.Sealed)
	if err != nil {
		return fmt.Errorf("storing a record: %w", err)
	}
	if n != 1 {
		return vault.ErrNoRow
	}
	return nil
}

func (t *tx) ListRecords(ctx context.Context, tenant int32, uid uuid.UUID, collection uint32, after vault.RecordRef, limit int) ([]vault.Record, error) {
	if err := t.text(after.Record); err != nil {
		return nil, err
	}
	const columns = `r.collection, r.record, r.revision, r.deleted, NULL`
	query, args := `
		SELECT `+columns+` FROM record r
		WHERE r.tenant = ?1 AND r.uid = ?2 AND r.deleted = 0 AND (r.collection, r.record) > (?3, ?4)
		ORDER BY r.collection, r.record LIMIT ?5`,
		[]any{tenant, uid[:], after.Collection, after.Record, atMost(limit)}
	if collection != 0 {
		query, args = `
			SELECT `+columns+` FROM record r
			WHERE r.tenant = ?1 AND r.uid = ?2 AND r.deleted = 0 AND (r.collection, r.record) > (?3, ?4)
			  AND r.collection = ?6
			ORDER BY r.collection, r.record LIMIT ?5`, append(args, collection)
	}
	out, err := list(ctx, t, query, scanRecord, args...)
	if err != nil {
		return nil, fmt.Errorf("listing records: %w", err)
	}
	return out, nil
}

func (t *tx) CountRecords(ctx context.Context, tenant int32) (int64, error) {
	n, err := t.number(ctx, `SELECT count(*) FROM record WHERE tenant = ?1 AND deleted = 0`, tenant)
	if err != nil {
		return 0, fmt.Errorf("counting records: %w", err)
	}
	return n, nil
}
