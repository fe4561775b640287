package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// resealsOf lists the reseals of a tenant after a place.
func (w *world) resealsOf(tenant int32, after vault.KeyPlace, limit int) (out []vault.Reseal) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Reseals(ctx, tenant, after, limit)
		return err
	})
	return out
}

func (w *world) putReseals(list ...vault.Reseal) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, r := range list {
			if err := tx.PutReseal(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func reseals(w *world) {
	w.run("Listing", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		w.equal("a new tenant", w.resealsOf(tenant, vault.KeyPlace{}, 10), []vault.Reseal{})
		var want []vault.Reseal
		for range 3 {
			uid := newUID()
			for _, g := range []uint32{10, 1, 9} {
				want = append(want, vault.Reseal{Tenant: tenant, UID: uid, Group: g, Version: g + 1})
			}
		}
		w.putReseals(append(want, vault.Reseal{Tenant: other, UID: want[0].UID, Group: 1, Version: 2})...)
		slices.SortFunc(want, func(a, b vault.Reseal) int {
			return cmp.Or(bytes.Compare(a.UID[:], b.UID[:]), cmp.Compare(a.Group, b.Group))
		})
		w.equal("reseals by place", w.resealsOf(tenant, vault.KeyPlace{}, 100), want)
		for i, r := range want {
			place := vault.KeyPlace{UID: r.UID, Group: r.Group}
			w.equal("reseals after a place", w.resealsOf(tenant, place, 2), want[i+1:min(i+3, len(want))])
		}
	})
	w.run("Versions", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		at := func(version uint32) vault.Reseal {
			return vault.Reseal{Tenant: tenant, UID: uid, Group: 2, Version: version}
		}
		remove := func(r vault.Reseal) {
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DeleteReseal(ctx, r) })
		}
		for _, c := range []struct{ put, want uint32 }{{3, 3}, {3, 3}, {2, 3}, {5, 5}} {
			w.putReseals(at(c.put))
			w.equal("the version after PutReseal", w.resealsOf(tenant, vault.KeyPlace{}, 10), []vault.Reseal{at(c.want)})
		}
		for _, version := range []uint32{3, 4, 6} {
			remove(at(version))
		}
		w.equal("reseals after DeleteReseal of other versions", w.resealsOf(tenant, vault.KeyPlace{}, 10), []vault.Reseal{at(5)})
		remove(at(5))
		w.equal("reseals after DeleteReseal", w.resealsOf(tenant, vault.KeyPlace{}, 10), []vault.Reseal{})
	})
}

// ofPerson picks the reseals of a uid.
func ofPerson(list []vault.Reseal, uid uuid.UUID) (out []vault.Reseal) {
	for _, r := range list {
		if r.UID == uid {
			out = append(out, r)
		}
	}
	return out
}
