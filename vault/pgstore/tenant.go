package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fieldvault/fieldvault/vault"
)

const listTenants = `SELECT id, name, kek_epoch, created FROM tenant WHERE id > 0 ORDER BY id`

func (t *tx) Tenants(ctx context.Context) ([]vault.Tenant, error) {
	return rows(ctx, t, "listing the tenants", listTenants, nil, readTenant)
}

func readTenant(r pgx.CollectableRow) (v vault.Tenant, err error) {
	err = r.Scan(&v.ID, &v.Name, &v.KEKEpoch, &v.Created)
	return v, err
}

const (
	insertTenant = `
INSERT INTO tenant (name, kek_epoch, created) VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
RETURNING id, name, kek_epoch, created`

	tenantByName = `SELECT id, name, kek_epoch, created FROM tenant WHERE name = $1`
)

func (t *tx) InsertTenant(ctx context.Context, v vault.Tenant) (vault.Tenant, bool, error) {
	const doing = "making a tenant"
	made, err := rows(ctx, t, doing, insertTenant, []any{v.Name, v.KEKEpoch, at(v.Created)}, readTenant)
	if err != nil {
		return vault.Tenant{}, false, err
	}
	if len(made) == 1 {
		return made[0], true, nil
	}
	// The one that was in the way is committed: this statement sees it.
	var s vault.Tenant
	err = t.row(ctx, doing, tenantByName, []any{v.Name}, &s.ID, &s.Name, &s.KEKEpoch, &s.Created)
	return s, false, err
}

const listTenantKeys = `SELECT label, kek_version, wrapped FROM tenant_key WHERE tenant = $1 ORDER BY label`

func (t *tx) TenantKeys(ctx context.Context, tenant int32) ([]vault.TenantKey, error) {
	return rows(ctx, t, "reading a tenant's keys", listTenantKeys, []any{tenant},
		func(r pgx.CollectableRow) (k vault.TenantKey, err error) {
			err = r.Scan(&k.Label, &k.KEKVersion, &k.Wrapped)
			return k, err
		})
}

// insertTenantKey reads the tenant's epoch in the same statement.
const insertTenantKey = `
WITH t AS (
    SELECT id, kek_epoch FROM tenant WHERE id = $1
), stored AS (
    INSERT INTO tenant_key (tenant, label, kek_version, wrapped)
    SELECT t.id, $2, $3, $4 FROM t WHERE t.kek_epoch <= $3
    ON CONFLICT (tenant, label) DO NOTHING
    RETURNING 1
)
SELECT t.kek_epoch <= $3, EXISTS (SELECT 1 FROM stored) FROM t`

func (t *tx) InsertTenantKey(ctx context.Context, tenant int32, k vault.TenantKey) (bool, error) {
	const doing = "storing a tenant's key"
	var accepted, stored bool
	args := []any{tenant, k.Label, k.KEKVersion, some(k.Wrapped)}
	if err := t.row(ctx, doing, insertTenantKey, args, &accepted, &stored); err != nil {
		return false, err
	}
	if !accepted {
		return false, fmt.Errorf("%s: %w", doing, vault.ErrStaleKEK)
	}
	return stored, nil
}

// missing says whether err is that there was no row.
func missing(err error) bool { return errors.Is(err, vault.ErrNoRow) }
