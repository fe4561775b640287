package sqlitestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

func scanTenant(r *sql.Rows) (v vault.Tenant, err error) {
	err = r.Scan(&v.ID, &v.Name, &v.KEKEpoch, timeColumn{&v.Created})
	return v, err
}

func (t *tx) Tenants(ctx context.Context) ([]vault.Tenant, error) {
	v, err := list(ctx, t, `SELECT id, name, kek_epoch, created FROM tenant WHERE id <> 0 ORDER BY id`, scanTenant)
	if err != nil {
		return nil, fmt.Errorf("listing tenants: %w", err)
	}
	return v, nil
}

func (t *tx) InsertTenant(ctx context.Context, v vault.Tenant) (vault.Tenant, bool, error) {
	if err := t.text(v.Name); err != nil {
		return vault.Tenant{}, false, err
	}
	n, err := t.exec(ctx, `INSERT INTO tenant (name, kek_epoch, created) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING`,
		v.Name, v.KEKEpoch, v.Created.UnixMicro())
	if err != nil {
		return vault.Tenant{}, false, fmt.Errorf("making a tenant: %w", err)
	}
	stored, err := one(ctx, t, `SELECT id, name, kek_epoch, created FROM tenant WHERE name = ?1`, scanTenant, v.Name)
	if err != nil {
		return vault.Tenant{}, false, fmt.Errorf("reading a tenant: %w", err)
	}
	return stored, n == 1, nil
}

func (t *tx) TenantKeys(ctx context.Context, tenant int32) ([]vault.TenantKey, error) {
	keys, err := list(ctx, t, `SELECT label, kek_version, wrapped FROM tenant_key WHERE tenant = ?1 ORDER BY label`,
		func(r *sql.Rows) (k vault.TenantKey, err error) {
			err = r.Scan(&k.Label, &k.KEKVersion, &k.Wrapped)
			return k, err
		}, tenant)
	if err != nil {
		return nil, fmt.Errorf("reading tenant keys: %w", err)
	}
	return keys, nil
}

func (t *tx) InsertTenantKey(ctx context.Context, tenant int32, k vault.TenantKey) (bool, error) {
	if err := t.text(k.Label); err != nil {
		return false, err
	}
	if err := t.checkKEK(ctx, tenant, k.KEKVersion); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `
		INSERT INTO tenant_key (tenant, label, kek_version, wrapped) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (tenant, label) DO NOTHING`,
		tenant, k.Label, k.KEKVersion, blob(k.Wrapped))
	if err != nil {
		return false, fmt.Errorf("storing a tenant key: %w", err)
	}
	return n == 1, nil
}
