package vault

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// A version of a key-encryption key may be used MaxUses times: beyond that, two
// random nonces of AES-GCM are too likely to be the same (NIST SP 800-38D, section
// 8.3). The service says so from a quarter on, and loudly from half on.
//
// That is the count as if each version were one key of AES-GCM, which errs on the
// safe side: Transit derives a key for each context, and a local file uses
// XAES-256-GCM, whose nonces need no limit.
const (
	MaxUses    = 1 << 32
	usesWarn   = MaxUses / 4
	usesUrgent = MaxUses / 2
)

// usesEvery is how often a service that runs looks at the counts.
const usesEvery = 5 * time.Minute

// A KEKUse is how often a version of a key-encryption key was used.
type KEKUse struct {
	Key     string // the tenant's name, or keyring.System
	Version int
	Uses    int64 // at least
}

// warning is what operators must do, or "" while it is nothing.
func (u *KEKUse) warning() string {
	rotate := "`fieldvault keys rotate`"
	if u.Key == keyring.System {
		rotate = "`fieldvault keys rotate --system`"
	}
	switch {
	case u.Uses >= usesUrgent:
		return fmt.Sprintf("version %d has wrapped %d times, more than half of what is safe (%d): rotate it now (%s)", u.Version, u.Uses, int64(MaxUses), rotate)
	case u.Uses >= usesWarn:
		return fmt.Sprintf("version %d has wrapped %d times, more than a quarter of what is safe (%d): rotate it soon (%s)", u.Version, u.Uses, int64(MaxUses), rotate)
	}
	return ""
}

// MostUsed is the key-encryption key whose version in use was used most, as of the
// last look of [Vault.Run]; zero before that.
func (v *Vault) MostUsed() (most KEKUse) {
	if list := v.uses.Load(); list != nil {
		for _, u := range *list {
			if u.Uses > most.Uses {
				most = u
			}
		}
	}
	return most
}

// runUses looks at the counts until ctx ends.
func (v *Vault) runUses(ctx context.Context) {
	tick := time.NewTicker(usesEvery)
	defer tick.Stop()
	for {
		if err := v.CheckUses(ctx); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "the uses of key-encryption keys could not be read; trying again", "every", usesEvery, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// CheckUses reads how often each key-encryption key was used, for [Vault.Ready] and
// [Vault.MostUsed], and logs those of which it was too often. [Vault.Run] calls it
// every few minutes.
func (v *Vault) CheckUses(ctx context.Context) error {
	var list []KEKUse
	err := v.store.View(ctx, func(tx Tx) error {
		list = nil
		rows, err := tx.Tenants(ctx)
		if err != nil {
			return err
		}
		for _, row := range append(rows, Tenant{ID: SystemTenant, Name: keyring.System}) {
			lives, err := tx.KeyLives(ctx, row.ID)
			if err != nil {
				return err
			}
			if u := inUse(row.Name, lives); u.Uses > 0 {
				list = append(list, u)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the uses of key-encryption keys: %w", err)
	}
	v.uses.Store(&list)
	for i := range list {
		why := list[i].warning()
		switch {
		case why == "":
		case list[i].Uses >= usesUrgent:
			v.log.ErrorContext(ctx, "a key-encryption key was used too often", "key", list[i].Key, "why", why)
		default:
			v.log.WarnContext(ctx, "a key-encryption key was used often", "key", list[i].Key, "why", why)
		}
	}
	return nil
}

// inUse is the highest version that was ever used: the others wrap no more.
func inUse(key string, lives []KeyLife) KEKUse {
	u := KEKUse{Key: key}
	for i := range lives {
		if l := &lives[i]; l.Key == LifeKEK && l.Uses > 0 && int(l.Version) > u.Version {
			u.Version, u.Uses = int(l.Version), l.Uses
		}
	}
	return u
}

// usesChecks are the lines of [Vault.Ready] about keys that were used too often. They
// are no reason to stop serving.
func (v *Vault) usesChecks() (checks []Check) {
	if list := v.uses.Load(); list != nil {
		for i := range *list {
			if why := (*list)[i].warning(); why != "" {
				checks = append(checks, Check{Name: "key-encryption key " + (*list)[i].Key, OK: true, Note: why})
			}
		}
	}
	return checks
}
