package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

func consentTargets(c *vault.Consent) []any {
	return []any{
		&c.Purpose, &c.Decision, &c.Notice, &c.Method,
		timeColumn{&c.At},
		timeColumn{&c.Expires},
		&c.Evidence, &c.Receipt, &c.MAC,
	}
}

func scanConsent(r *sql.Rows) (c vault.Consent, err error) {
	err = r.Scan(consentTargets(&c)...)
	return c, err
}

func (t *tx) Consents(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.Consent, error) {
	out, err := list(ctx, t, `
		SELECT purpose, decision, notice, method, at, expires, evidence, receipt, mac
		FROM consent WHERE tenant = ?1 AND uid = ?2 ORDER BY purpose`, scanConsent, tenant, uid[:])
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	return out, nil
}

func (t *tx) ConsentHistory(ctx context.Context, tenant int32, uid uuid.UUID) ([]vault.Consent, error) {
	out, err := list(ctx, t, `
		SELECT purpose, decision, notice, method, at, expires, evidence, receipt, mac
		FROM consent_event WHERE tenant = ?1 AND uid = ?2 ORDER BY id`, scanConsent, tenant, uid[:])
	if err != nil {
		return nil, fmt.Errorf("reading the history of consents: %w", err)
	}
	return out, nil
}

func (t *tx) PutConsent(ctx context.Context, tenant int32, uid uuid.UUID, c vault.Consent) error {
	if err := t.text(c.Purpose, c.Decision, c.Notice, c.Method); err != nil {
		return err
	}
	args := []any{
		tenant, uid[:], c.Purpose, c.Decision, c.Notice, c.Method, c.At.UnixMicro(), micros(c.Expires),
		c.Evidence, c.Receipt, c.MAC,
	}
	_, err := t.exec(ctx, `
		INSERT INTO consent_event (tenant, uid, purpose, decision, notice, method, at, expires, evidence, receipt, mac)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`, args...)
	if err != nil {
		return fmt.Errorf("storing a consent: %w", err)
	}
	_, err = t.exec(ctx, `
		INSERT INTO consent (tenant, uid, purpose, decision, notice, method, at, expires, evidence, receipt, mac)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
		ON CONFLICT (tenant, uid, purpose) DO UPDATE
		SET decision = excluded.decision, notice = excluded.notice, method = excluded.method, at = excluded.at,
			expires = excluded.expires, evidence = excluded.evidence, receipt = excluded.receipt, mac = excluded.mac`,
		args...)
	if err != nil {
		return fmt.Errorf("setting a consent: %w", err)
	}
	return nil
}
