package vault

import (
	"context"
	"errors"
	"time"

	"github.com/fieldvault/fieldvault/vault/erasure"
)

// A Horizon is what erasures promise of backups.
type Horizon struct {
	// Horizon is the promise to somebody who is erased at this moment.
	erasure.Horizon
	// ErasedBefore: who was erased before it is past the horizon now, as the keys
	// really stand: as this database has it on record, and the retention of the key
	// store's copies is configured. Zero: nobody is, or it is not known.
	ErasedBefore time.Time
}

// Horizon says what erasures promise of backups, as configured, and how far the
// destruction of keys has really gone. Public: it names nobody. ErrNotFound if
// there is no such tenant.
func (v *Vault) Horizon(ctx context.Context, tenantName string) (Horizon, error) {
	t, _, err := v.fresh(ctx, tenantName)
	if errors.Is(err, ErrDenied) {
		return Horizon{}, ErrNotFound // no such tenant
	} else if err != nil {
		return Horizon{}, err
	}
	h := Horizon{Horizon: v.horizon.Horizon(v.now())}
	h.ErasedBefore, err = v.pastHorizon(ctx, t)
	return h, err
}
