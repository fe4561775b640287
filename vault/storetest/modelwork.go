package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldvault/fieldvault/vault"
)

// applyRewrap rewraps a key that may stand otherwise, or not at all.
func applyRewrap(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	uid := o.uid(m)
	l := m.life(uid)
	k := dataKey(group(o.pick), []uint32{1, 1, 2, 2, 3, 3}[o.extra])
	old, ok := l.keys[k.Group]
	if o.extra%2 == 0 {
		k.Version, k.KEKVersion = old.Version, old.KEKVersion
	}
	r := rewrapped(uid, k)
	want := 0
	if ok && old.Wrapped != nil && old.Epoch == k.Epoch && old.Version == k.Version && old.KEKVersion == k.KEKVersion {
		want = 1
		l.keys[k.Group] = after(old, r)
	}
	got, err := tx.RewrapKeys(ctx, m.tenant, []vault.Rewrapped{r})
	same("RewrapKeys", got, want)
	return err
}

// applyReplaceKey replaces the key that stands, or one that stood.
func applyReplaceKey(ctx context.Context, tx vault.Tx, m *twin, o operation, same func(string, any, any)) error {
	uid := o.uid(m)
	l := m.life(uid)
	stands, ok := l.keys[group(o.pick)]
	old := stands
	old.Group, old.Version = group(o.pick), stands.Version+[]uint32{0, 1}[o.extra%2]
	next := vault.DataKey{
		Group: old.Group, Epoch: max(old.Epoch, 1), Version: old.Version + 1, KEKVersion: max(old.KEKVersion, 1),
		Wrapped: fmt.Append(nil, "next ", o.extra),
	}
	want := ok && stands.Wrapped != nil && o.extra%2 == 0
	err := tx.ReplaceKey(ctx, m.tenant, uid, old, next)
	same("ReplaceKey of the key that stands", err == nil, want)
	if want {
		l.keys[next.Group] = next
		return err
	}
	if errors.Is(err, vault.ErrStale) {
		return nil
	}
	return err
}

func (o operation) shred(m *twin) vault.Shred {
	return vault.Shred{Tenant: m.tenant, UID: o.uid(m), Group: group(o.pick), Epoch: []uint32{1, 2, 3}[o.extra%3]}
}

func applyPutShred(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	s := o.shred(m)
	l := m.life(s.UID)
	if l.shreds[s.Group].Epoch < s.Epoch {
		l.shreds[s.Group] = s
	}
	return tx.PutShred(ctx, s)
}

func applyDeleteShred(ctx context.Context, tx vault.Tx, m *twin, o operation, _ func(string, any, any)) error {
	s := o.shred(m)
	l := m.life(s.UID)
	if l.shreds[s.Group].Epoch == s.Epoch {
		delete(l.shreds, s.Group)
	}
	return tx.DeleteShred(ctx, s)
}
