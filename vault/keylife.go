package vault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/erasure"
)

// A KeyDater is a [KeyReader] whose key store knows when versions were created.
type KeyDater interface {
	// Created says it of the versions of which the key store tells it.
	Created(ctx context.Context, key string) (map[int]time.Time, error)
}

// observeEvery is how often a service that runs looks which versions of the
// key-encryption keys stand: a version that was destroyed past the service counts
// as destroyed from then on.
const observeEvery = time.Hour

// runObserve looks at the key store until ctx ends.
func (v *Vault) runObserve(ctx context.Context) {
	if v.keys == nil {
		return
	}
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := v.ObserveKeys(ctx); err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "the versions of key-encryption keys could not be looked at; trying again", "every", observeEvery, "error", err)
		}
	}
}

// ObserveKeys looks which versions of the tenants' key-encryption keys stand, and
// notes what it did not know: when they were created, and that they are destroyed.
// [Vault.Run] calls it every hour; it does nothing without Config.Keys.
func (v *Vault) ObserveKeys(ctx context.Context) error {
	if v.keys == nil {
		return nil
	}
	var rows []Tenant
	err := v.store.View(ctx, func(tx Tx) (err error) {
		rows, err = tx.Tenants(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading tenants: %w", err)
	}
	for _, row := range rows {
		if _, err := v.lookAt(ctx, v.keys, kek{row.ID, row.Name}); err != nil {
			return err
		}
	}
	return nil
}

// lookAt reads the versions of a key-encryption key, and notes what is new of them.
func (v *Vault) lookAt(ctx context.Context, keys KeyReader, k kek) (KeyVersions, error) {
	asked := v.now()
	st, err := keys.Status(ctx, k.name)
	if err != nil {
		return KeyVersions{}, keyStore("reading a key-encryption key", err)
	}
	var created map[int]time.Time
	if d, ok := keys.(KeyDater); ok {
		if created, err = d.Created(ctx, k.name); err != nil {
			return KeyVersions{}, keyStore("reading a key-encryption key", err)
		}
	}
	if err := v.noteVersions(ctx, k, st.MinAvailable, created, asked); err != nil {
		v.log.WarnContext(ctx, "the versions of a key-encryption key could not be noted; the next look does", "key", k.name, "error", err)
	}
	return st, nil
}

// noteVersions keeps what was seen of a key-encryption key after asked: when versions were
// created, and that exactly those from stands on are there.
func (v *Vault) noteVersions(ctx context.Context, k kek, stands int, created map[int]time.Time, asked time.Time) error {
	revived := false
	err := v.store.Update(ctx, func(tx Tx) error {
		lives, err := tx.KeyLives(ctx, k.row)
		if err != nil {
			return err
		}
		known := kekLives(lives)
		for n, at := range created {
			if l := known[n]; l.Created.IsZero() || at.Before(l.Created) {
				if err := tx.NoteKey(ctx, k.row, KeyLife{Key: LifeKEK, Version: int32(n), Created: at}); err != nil { //nolint:gosec // versions are small
					return err
				}
			}
		}
		for n := 1; n < stands; n++ {
			if known[n].Destroyed.IsZero() {
				if err := tx.NoteKey(ctx, k.row, KeyLife{Key: LifeKEK, Version: int32(n), Destroyed: v.now()}); err != nil {
					return err
				}
			}
		}
		revived = false
		for n, l := range known {
			revived = revived || n >= stands && !l.Destroyed.IsZero() && l.Destroyed.Before(asked)
		}
		if !revived {
			return nil
		}
		return tx.ReviveKeys(ctx, k.row, LifeKEK, int32(stands), asked) //nolint:gosec // versions are small
	})
	if err != nil {
		return fmt.Errorf("noting the versions of a key-encryption key: %w", err)
	}
	if revived {
		v.log.ErrorContext(ctx, "destroyed versions of a key-encryption key are back: the key store was restored from a copy; trim it again", "key", k.name, "from", stands)
	}
	return nil
}

// noteCreated keeps when a version was created, at the latest. What could not be noted
// is taken to be as old as the version before.
func (v *Vault) noteCreated(ctx context.Context, k kek, version int, at time.Time) {
	err := v.store.Update(ctx, func(tx Tx) error {
		return tx.NoteKey(ctx, k.row, KeyLife{Key: LifeKEK, Version: int32(version), Created: at}) //nolint:gosec // versions are small
	})
	if err != nil {
		v.log.WarnContext(ctx, "when a version of a key-encryption key was created could not be noted", "key", k.name, "version", version, "error", err)
	}
}

func kekLives(lives []KeyLife) map[int]KeyLife {
	known := map[int]KeyLife{}
	for _, l := range lives {
		if l.Key == LifeKEK {
			known[int(l.Version)] = l
		}
	}
	return known
}

// pastHorizon is the instant before which every erasure of the tenant is past the
// horizon now; zero: none is, or it is not known.
func (v *Vault) pastHorizon(ctx context.Context, t *tenant) (time.Time, error) {
	var lives []KeyLife
	var own []TenantKey
	err := v.store.View(ctx, func(tx Tx) (err error) {
		if lives, err = tx.KeyLives(ctx, t.row.ID); err != nil {
			return err
		}
		own, err = tx.TenantKeys(ctx, t.row.ID)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the lives of keys: %w", err)
	}
	at := v.horizon.ErasedBefore(kekVersions(lives, t.row.Created), indexVersions(lives, own, t.row.Created), v.now())
	if !at.After(t.row.Created) {
		return time.Time{}, nil // nobody can have been erased before
	}
	return at, nil
}

// kekVersions are the versions of the key-encryption key up to the highest that is on
// record: one that is not was never used. Where it is not on record when one was
// created, it is taken to be as old as the one before.
func kekVersions(lives []KeyLife, first time.Time) (list []erasure.KeyVersion) {
	known := kekLives(lives)
	latest := 1
	for n := range known {
		latest = max(latest, n)
	}
	created := first
	for n := 1; n <= latest; n++ {
		l := known[n]
		if !l.Created.IsZero() {
			created = l.Created
		}
		list = append(list, erasure.KeyVersion{Created: created, Destroyed: l.Destroyed})
	}
	return list
}

// indexVersions are the index keys that there are, and those that are on record.
func indexVersions(lives []KeyLife, own []TenantKey, first time.Time) (list []erasure.KeyVersion) {
	stands := map[string]bool{}
	for i := range own {
		if isIndexKey(own[i]) {
			stands[own[i].Label] = true
		}
	}
	for _, l := range lives {
		if !strings.HasPrefix(l.Key, labelIndex) {
			continue
		}
		k := erasure.KeyVersion{Created: l.Created, Destroyed: l.Destroyed}
		if k.Created.IsZero() {
			k.Created = first
		}
		if stands[l.Key] {
			k.Destroyed = time.Time{} // whatever was noted: it is there
			delete(stands, l.Key)
		}
		list = append(list, k)
	}
	for range stands {
		list = append(list, erasure.KeyVersion{Created: first})
	}
	return list
}

// noteIndexKeys keeps, in the transaction that stores index keys, when they were made.
func noteIndexKeys(ctx context.Context, tx Tx, row int32, labels []string, at time.Time) error {
	for _, label := range labels {
		if !strings.HasPrefix(label, labelIndex) {
			continue
		}
		if err := tx.NoteKey(ctx, row, KeyLife{Key: label, Created: at}); err != nil {
			return fmt.Errorf("noting a key of the tenant: %w", err)
		}
	}
	return nil
}
