package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// honeyAfter lists honey people after a place.
func (w *world) honeyAfter(tenant int32, uid uuid.UUID, limit int) (out []vault.Honey) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.ListHoney(ctx, tenant, uid, limit)
		return err
	})
	return out
}

// honeyOf is a tenant's row of a uid, or none.
func (w *world) honeyOf(tenant int32, uid uuid.UUID) []vault.Honey {
	w.Helper()
	return slices.DeleteFunc(w.honeyAfter(0, uuid.Nil, 100_000), func(h vault.Honey) bool { return h.Tenant != tenant || h.UID != uid })
}

func fillHoney(tenant int32, uid uuid.UUID) vault.Honey {
	return vault.Honey{Tenant: tenant, UID: uid, MAC: hash("honey " + uid.String())}
}

func compareHoney(a, b vault.Honey) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), bytes.Compare(a.UID[:], b.UID[:]))
}

func honey(w *world) {
	w.run("Listing", func(w *world) {
		w.equal("a new store", w.honeyAfter(0, uuid.Nil, 10), []vault.Honey{})
		var want []vault.Honey
		for _, tenant := range []int32{w.tenant(), w.tenant()} {
			for range 4 {
				want = append(want, fillHoney(tenant, newUID()))
			}
		}
		w.update(func(ctx context.Context, tx vault.Tx) error {
			for _, h := range want {
				if err := tx.PutHoney(ctx, h); err != nil {
					return err
				}
			}
			return nil
		})
		slices.SortFunc(want, compareHoney)
		w.equal("all, by tenant and uid", w.honeyAfter(0, uuid.Nil, 1000), want)
		for i, h := range want {
			w.equal("those after a place", w.honeyAfter(h.Tenant, h.UID, 1000), want[i+1:])
		}
		for _, limit := range []int{0, 1, 5} {
			w.equal("the first", w.honeyAfter(0, uuid.Nil, limit), want[:limit])
		}
	})
	w.run("PutAndDelete", func(w *world) {
		tenant, elsewhere, uid := w.tenant(), w.tenant(), newUID()
		one, twin, changed := fillHoney(tenant, uid), fillHoney(elsewhere, uid), fillHoney(tenant, uid)
		changed.MAC = hash("another")
		put := func(h vault.Honey) {
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.PutHoney(ctx, h) })
		}
		remove := func(tenant int32, uid uuid.UUID) {
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DeleteHoney(ctx, tenant, uid) })
		}
		put(one)
		put(twin)
		w.equal("the row", w.honeyOf(tenant, uid), []vault.Honey{one})
		put(changed)
		w.equal("the row that took its place", w.honeyOf(tenant, uid), []vault.Honey{changed})
		remove(tenant, newUID())
		remove(tenant, uid)
		remove(tenant, uid)
		w.equal("the row that was deleted", w.honeyOf(tenant, uid), []vault.Honey{})
		w.equal("the same uid in another tenant", w.honeyOf(elsewhere, uid), []vault.Honey{twin})
	})
}
