package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const requestColumns = `tenant, uid, id, filed, body, mac`

func readRequest(r pgx.CollectableRow) (q vault.RequestRow, err error) {
	err = r.Scan(&q.Tenant, &q.UID, &q.ID, &q.Filed, &q.Body, &q.MAC)
	return q, err
}

const putRequest = `
INSERT INTO request (tenant, uid, id, filed, body, mac) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, id) DO UPDATE SET body = EXCLUDED.body, mac = EXCLUDED.mac WHERE request.uid = EXCLUDED.uid`

func (t *tx) PutRequest(ctx context.Context, r vault.RequestRow) error {
	n, err := t.exec(ctx, "storing a request", putRequest, r.Tenant, id(r.UID), anyID(r.ID), at(r.Filed), some(r.Body), some(r.MAC))
	if err == nil && n != 1 {
		return vault.ErrStale
	}
	return err
}

const requestByID = `SELECT ` + requestColumns + ` FROM request WHERE tenant = $1 AND id = $2`

func (t *tx) RequestRow(ctx context.Context, tenant int32, request uuid.UUID) (vault.RequestRow, error) {
	return first(ctx, t, "reading a request", requestByID, []any{tenant, anyID(request)}, readRequest)
}

const requestsOf = `SELECT ` + requestColumns + ` FROM request WHERE tenant = $1 AND uid = $2 ORDER BY filed, id`

func (t *tx) RequestsOf(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.RequestRow, error) {
	return rows(ctx, t, "listing a person's requests", requestsOf, []any{tenant, id(uid)}, readRequest)
}

const requestLogColumns = `tenant, id, open, due, reminded, forget, body, mac`

func readRequestLog(r pgx.CollectableRow) (l vault.RequestLog, err error) {
	var reminded, forget pgtype.Timestamptz
	err = r.Scan(&l.Tenant, &l.ID, &l.Open, &l.Due, &reminded, &forget, &l.Body, &l.MAC)
	l.Reminded, l.Forget = reminded.Time, forget.Time
	return l, err
}

const putRequestLog = `
INSERT INTO request_log (tenant, id, open, due, reminded, forget, body, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant, id) DO UPDATE SET open = EXCLUDED.open, due = EXCLUDED.due, reminded = EXCLUDED.reminded,
    forget = EXCLUDED.forget, body = EXCLUDED.body, mac = EXCLUDED.mac`

func (t *tx) PutRequestLog(ctx context.Context, l vault.RequestLog) error {
	_, err := t.exec(ctx, "storing the log of a request", putRequestLog,
		l.Tenant, anyID(l.ID), l.Open, at(l.Due), at(l.Reminded), at(l.Forget), some(l.Body), some(l.MAC))
	return err
}

const (
	requestLogByID      = `SELECT ` + requestLogColumns + ` FROM request_log WHERE tenant = $1 AND id = $2`
	requestLogShared    = requestLogByID + ` FOR SHARE`
	requestLogExclusive = requestLogByID + ` FOR UPDATE`
)

func (t *tx) RequestLog(ctx context.Context, tenant int32, request uuid.UUID, lock vault.Lock) (vault.RequestLog, error) {
	sql := requestLogExclusive
	switch lock {
	case vault.NoLock:
		sql = requestLogByID
	case vault.ShareLock:
		sql = requestLogShared
	case vault.ExclusiveLock:
	}
	return first(ctx, t, "reading the log of a request", sql, []any{tenant, anyID(request)}, readRequestLog)
}

const listRequestLogs = `
SELECT ` + requestLogColumns + ` FROM request_log
WHERE tenant = $1 AND (due, id) > (coalesce($2::timestamptz, '-infinity'), $3) AND (open OR NOT $4)
    AND ($5::timestamptz IS NULL OR due < $5) AND ($6::timestamptz IS NULL OR forget < $6)
ORDER BY due, id LIMIT $7`

func (t *tx) RequestLogs(ctx context.Context, q vault.RequestLogQuery) ([]vault.RequestLog, error) {
	return rows(ctx, t, "listing the log of requests", listRequestLogs,
		[]any{q.Tenant, at(q.AfterDue), anyID(q.AfterID), q.OpenOnly, at(q.DueBefore), at(q.ForgetBefore), q.Limit}, readRequestLog)
}

const (
	dropRequest    = `DELETE FROM request WHERE tenant = $1 AND id = $2`
	dropRequestLog = `DELETE FROM request_log WHERE tenant = $1 AND id = $2`
)

func (t *tx) DropRequest(ctx context.Context, tenant int32, request uuid.UUID) error {
	for _, sql := range []string{dropRequest, dropRequestLog} {
		if _, err := t.exec(ctx, "removing a request", sql, tenant, anyID(request)); err != nil {
			return err
		}
	}
	return nil
}
