package pgstore

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/fieldvault/fieldvault/vault"
)

const listConsents = `
SELECT purpose, decision, notice, method, at, expires, evidence, receipt, mac FROM consent
WHERE tenant = $1 AND uid = $2 ORDER BY purpose`

func (t *tx) Consents(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.Consent, error) {
	return rows(ctx, t, "reading a person's consents", listConsents, []any{tenant, id(uid)}, readConsent)
}

func readConsent(r pgx.CollectableRow) (c vault.Consent, err error) {
	var expires pgtype.Timestamptz
	err = r.Scan(&c.Purpose, &c.Decision, &c.Notice, &c.Method, &c.At, &expires, &c.Evidence, &c.Receipt, &c.MAC)
	c.Expires = expires.Time
	return c, err
}

const putConsent = `
WITH history AS (
    INSERT INTO consent_event (tenant, uid, purpose, decision, notice, method, at, expires, evidence, receipt, mac)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
)
INSERT INTO consent (tenant, uid, purpose, decision, notice, method, at, expires, evidence, receipt, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, uid, purpose) DO UPDATE
SET decision = EXCLUDED.decision, notice = EXCLUDED.notice, method = EXCLUDED.method, at = EXCLUDED.at,
    expires = EXCLUDED.expires, evidence = EXCLUDED.evidence, receipt = EXCLUDED.receipt, mac = EXCLUDED.mac`

func (t *tx) PutConsent(ctx context.Context, tenant int32, uid uuid.UUID, c vault.Consent) error {
	_, err := t.exec(ctx, "storing a consent", putConsent,
		tenant, id(uid), c.Purpose, c.Decision, c.Notice, c.Method, at(c.At), at(c.Expires), c.Evidence, c.Receipt, some(c.MAC))
	return err
}

const consentHistory = `
SELECT purpose, decision, notice, method, at, expires, evidence, receipt, mac FROM consent_event
WHERE tenant = $1 AND uid = $2 ORDER BY id`

func (t *tx) ConsentHistory(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.Consent, error) {
	return rows(ctx, t, "reading a person's consent history", consentHistory, []any{tenant, id(uid)}, readConsent)
}
