package vault

import (
	"context"
	"errors"
	"fmt"
)

// resealTokens seals anew what is kept of the tokens of a person under earlier keys of the
// group. A token that was changed outside the service stays as it is, for fsck; so does one
// that does not open: it stands as before, and is not answered again.
func (v *Vault) resealTokens(ctx context.Context, t *tenant, k *resealKey) error {
	var after []byte
	for {
		var page []TokenRow
		err := v.store.Update(ctx, func(tx Tx) (err error) {
			if err := k.holds(ctx, tx, t); err != nil {
				return err
			}
			if page, err = tx.TokensOf(ctx, t.row.ID, k.id.UID, after, cleanPage); err != nil {
				return err
			}
			for i := range page {
				if err := k.resealToken(ctx, tx, t, page[i]); err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, errRestart):
			return err
		case err != nil:
			return fmt.Errorf("sealing tokens anew: %w", err)
		case len(page) < cleanPage:
			return nil
		}
		after = page[len(page)-1].Hash
	}
}

func (k *resealKey) resealToken(ctx context.Context, tx Tx, t *tenant, r TokenRow) error {
	if r.Group != k.id.Group || r.Epoch != k.id.Epoch || r.Sealed == nil || k.opened.Current(r.Sealed) || !t.tokenStands(&r) {
		return nil
	}
	kept, err := t.keptToken(&r, k.opened)
	if err != nil {
		return nil //nolint:nilerr // it is not answered again
	}
	if err := t.sealToken(&r, k.opened, &kept); err != nil {
		return err
	}
	if err := tx.ResealToken(ctx, r); err != nil && !errors.Is(err, ErrStale) { // taken back meanwhile
		return err
	}
	return nil
}
