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
	// really stand. Zero: not known.
	ErasedBefore time.Time
}

// Horizon says what erasures promise of backups, as configured, and how far the
// destruction of keys has really gone. Public: it names nobody. ErrNotFound if
// there is no such tenant.
func (v *Vault) Horizon(ctx context.Context, tenantName string) (Horizon, error) {
	if _, _, err := v.fresh(ctx, tenantName); errors.Is(err, ErrDenied) {
		return Horizon{}, ErrNotFound // no such tenant
	} else if err != nil {
		return Horizon{}, err
	}
	return Horizon{Horizon: v.horizon.Horizon(v.now())}, nil
}
