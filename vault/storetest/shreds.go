package storetest

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// shreds lists the shreds of all tenants.
func (w *world) shreds(limit int) (out []vault.Shred) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		out, err = tx.Shreds(ctx, limit)
		return err
	})
	return out
}

// shredsOf lists the shreds of a uid.
func (w *world) shredsOf(tenant int32, uid uuid.UUID) (out []vault.Shred) {
	w.Helper()
	for _, s := range w.shreds(100_000) {
		if s.Tenant == tenant && s.UID == uid {
			out = append(out, s)
		}
	}
	return out
}

func (w *world) putShreds(list ...vault.Shred) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, s := range list {
			if err := tx.PutShred(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func compareShreds(a, b vault.Shred) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), bytes.Compare(a.UID[:], b.UID[:]), cmp.Compare(a.Group, b.Group))
}

func shreds(w *world) {
	w.run("Listing", func(w *world) {
		w.equal("a new store", w.shreds(10), []vault.Shred{})
		var want []vault.Shred
		for _, tenant := range []int32{w.tenant(), w.tenant()} {
			for range 3 {
				uid := newUID()
				for _, g := range []uint32{math.MaxUint32, 1, 10, 9} {
					want = append(want, vault.Shred{Tenant: tenant, UID: uid, Group: g, Epoch: math.MaxUint32 - g + 1})
				}
			}
		}
		w.putShreds(want...)
		slices.SortFunc(want, compareShreds)
		w.equal("shreds by tenant, uid and group", w.shreds(1000), want)
		for _, limit := range []int{0, 1, 7} {
			w.equal("the first shreds", w.shreds(limit), want[:limit])
		}
	})
	w.run("Epochs", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		at := func(epoch uint32) vault.Shred { return vault.Shred{Tenant: tenant, UID: uid, Group: 2, Epoch: epoch} }
		remove := func(s vault.Shred) {
			w.update(func(ctx context.Context, tx vault.Tx) error { return tx.DeleteShred(ctx, s) })
		}
		for _, c := range []struct{ put, want uint32 }{{3, 3}, {3, 3}, {2, 3}, {5, 5}, {4, 5}} {
			w.putShreds(at(c.put))
			w.equal("the epoch after PutShred", w.shredsOf(tenant, uid), []vault.Shred{at(c.want)})
		}
		other, elsewhere := at(5), at(5)
		other.Group, elsewhere.Tenant = 3, w.tenant()
		w.putShreds(other, elsewhere)
		for _, epoch := range []uint32{3, 4, 6} {
			remove(at(epoch))
		}
		w.equal("shreds after DeleteShred of other epochs", w.shredsOf(tenant, uid), []vault.Shred{at(5), other})
		remove(at(5))
		w.equal("shreds after DeleteShred", w.shredsOf(tenant, uid), []vault.Shred{other})
		w.equal("shreds of the uid in another tenant", w.shredsOf(elsewhere.Tenant, uid), []vault.Shred{elsewhere})
		remove(at(5))
	})
}
