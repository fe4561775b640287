package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

const requestColumns = `tenant, uid, id, filed, body, mac`

func scanRequest(r *sql.Rows) (q vault.RequestRow, err error) {
	err = r.Scan(&q.Tenant, uidColumn{&q.UID}, uidColumn{&q.ID}, timeColumn{&q.Filed}, &q.Body, &q.MAC)
	return q, err
}

func (t *tx) PutRequest(ctx context.Context, r vault.RequestRow) error {
	n, err := t.exec(ctx, `
		INSERT INTO request (tenant, uid, id, filed, body, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (tenant, id) DO UPDATE SET body = excluded.body, mac = excluded.mac WHERE uid = excluded.uid`,
		r.Tenant, r.UID[:], r.ID[:], r.Filed.UnixMicro(), blob(r.Body), blob(r.MAC))
	if err != nil {
		return fmt.Errorf("storing a request: %w", err)
	}
	if n != 1 {
		return vault.ErrStale
	}
	return nil
}

func (t *tx) RequestRow(ctx context.Context, tenant int32, id uuid.UUID) (vault.RequestRow, error) {
	r, err := one(ctx, t, `SELECT `+requestColumns+` FROM request WHERE tenant = ?1 AND id = ?2`, scanRequest, tenant, id[:])
	if err != nil && !errors.Is(err, vault.ErrNoRow) {
		err = fmt.Errorf("reading a request: %w", err)
	}
	return r, err
}

func (t *tx) RequestsOf(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.RequestRow, error) {
	out, err := list(ctx, t, `SELECT `+requestColumns+` FROM request WHERE tenant = ?1 AND uid = ?2 ORDER BY filed, id`,
		scanRequest, tenant, uid[:])
	if err != nil {
		return nil, fmt.Errorf("listing a person's requests: %w", err)
	}
	return out, nil
}

const requestLogColumns = `tenant, id, open, due, reminded, forget, body, mac`

func scanRequestLog(r *sql.Rows) (l vault.RequestLog, err error) {
	err = r.Scan(&l.Tenant, uidColumn{&l.ID}, &l.Open, timeColumn{&l.Due}, timeColumn{&l.Reminded}, timeColumn{&l.Forget}, &l.Body, &l.MAC)
	return l, err
}

func (t *tx) PutRequestLog(ctx context.Context, l vault.RequestLog) error {
	_, err := t.exec(ctx, `
		INSERT INTO request_log (tenant, id, open, due, reminded, forget, body, mac) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
		ON CONFLICT (tenant, id) DO UPDATE SET open = excluded.open, due = excluded.due, reminded = excluded.reminded,
			forget = excluded.forget, body = excluded.body, mac = excluded.mac`,
		l.Tenant, l.ID[:], l.Open, l.Due.UnixMicro(), micros(l.Reminded), micros(l.Forget), blob(l.Body), blob(l.MAC))
	if err != nil {
		return fmt.Errorf("storing the log of a request: %w", err)
	}
	return nil
}

func (t *tx) RequestLog(ctx context.Context, tenant int32, id uuid.UUID, lock vault.Lock) (vault.RequestLog, error) {
	// The one writer holds every lock already.
	if err := t.usable(lock != vault.NoLock); err != nil {
		return vault.RequestLog{}, err
	}
	l, err := one(ctx, t, `SELECT `+requestLogColumns+` FROM request_log WHERE tenant = ?1 AND id = ?2`, scanRequestLog, tenant, id[:])
	if err != nil && !errors.Is(err, vault.ErrNoRow) {
		err = fmt.Errorf("reading the log of a request: %w", err)
	}
	return l, err
}

func (t *tx) RequestLogs(ctx context.Context, q vault.RequestLogQuery) ([]vault.RequestLog, error) {
	after := int64(-1 << 62)
	if !q.AfterDue.IsZero() {
		after = q.AfterDue.UnixMicro()
	}
	out, err := list(ctx, t, `
		SELECT `+requestLogColumns+` FROM request_log
		WHERE tenant = ?1 AND (due, id) > (?2, ?3) AND (open = 1 OR NOT ?4)
			AND (?5 IS NULL OR due < ?5) AND (?6 IS NULL OR forget < ?6)
		ORDER BY due, id LIMIT ?7`,
		scanRequestLog, q.Tenant, after, q.AfterID[:], q.OpenOnly, micros(q.DueBefore), micros(q.ForgetBefore), atMost(q.Limit))
	if err != nil {
		return nil, fmt.Errorf("listing the log of requests: %w", err)
	}
	return out, nil
}

func (t *tx) DropRequest(ctx context.Context, tenant int32, id uuid.UUID) error {
	for _, query := range []string{
		`DELETE FROM request WHERE tenant = ?1 AND id = ?2`, `DELETE FROM request_log WHERE tenant = ?1 AND id = ?2`,
	} {
		if _, err := t.exec(ctx, query, tenant, id[:]); err != nil {
			return fmt.Errorf("removing a request: %w", err)
		}
	}
	return nil
}
