package storetest

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

// exact are texts that a careless collation would merge, reorder or trim.
func exact() []string {
	return []string{
		"a", "A", "b", "B", "a ", " a", "a\t", "a\n", "a1", "a-", "a_", "aa",
		"é", "e\u0301", "\u00c5", "A\u030a", "\u212b", "ﬀ", "ff", "ı", "i", "I", "İ", "ß", "ss",
		"а", "a\u200b", "a\u00a0", "\u2028", "\ufeffa", "\U0001f600", "\uffff", "\U0010ffff", "\x01", "\x7f",
		"%", "_", "*", "..", "../x", "'", "''", `"`, `\`, `\\`, "$1", ";--", "{}", "[]", "null", "0", "00", "1e3",
	}
}

func tenants(w *world) {
	list := func() (out []vault.Tenant) {
		w.view(func(ctx context.Context, tx vault.Tx) (err error) {
			out, err = tx.Tenants(ctx)
			return err
		})
		return out
	}
	w.equal("Tenants of a new store", list(), []vault.Tenant{})

	var want []vault.Tenant
	for i, name := range exact() {
		n := vault.Tenant{ID: 4711, Name: name, KEKEpoch: int32(i + 1), Created: instant(i)}
		w.update(func(ctx context.Context, tx vault.Tx) error {
			stored, created, err := tx.InsertTenant(ctx, n)
			if err != nil {
				return err
			}
			if !created || stored.ID < 1 {
				w.Errorf("InsertTenant(%q) gave created %v and id %d, want a new tenant with an id from 1", name, created, stored.ID)
			}
			n.ID = stored.ID
			w.equal("InsertTenant", stored, n)
			return nil
		})
		want = append(want, n)
	}
	slices.SortFunc(want, func(a, b vault.Tenant) int { return int(a.ID) - int(b.ID) })
	w.equal("Tenants by id, less the system's", list(), want)

	w.update(func(ctx context.Context, tx vault.Tx) error {
		stored, created, err := tx.InsertTenant(ctx, vault.Tenant{Name: want[0].Name, KEKEpoch: 99, Created: instant(99)})
		w.equal("InsertTenant of a taken name", stored, want[0])
		if created {
			w.Error("InsertTenant of a taken name said created")
		}
		return err
	})
}

func tenantKeys(w *world) {
	get := func(tenant int32) (out []vault.TenantKey) {
		w.view(func(ctx context.Context, tx vault.Tx) (err error) {
			out, err = tx.TenantKeys(ctx, tenant)
			return err
		})
		return out
	}
	a, b := w.tenant(), w.tenant()
	var want []vault.TenantKey
	for i, label := range exact() {
		want = append(want, vault.TenantKey{Label: label, KEKVersion: int32(i + 1), Wrapped: allBytes(i)})
	}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for _, k := range want {
			if err := insert(tx.InsertTenantKey(ctx, a, k)); err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(want, func(x, y vault.TenantKey) int { return compareText(x.Label, y.Label) })
	w.equal("TenantKeys by label", get(a), want)
	w.equal("TenantKeys of another tenant", get(b), []vault.TenantKey{})

	w.update(func(ctx context.Context, tx vault.Tx) error {
		inserted, err := tx.InsertTenantKey(ctx, a, vault.TenantKey{Label: want[0].Label, KEKVersion: 77, Wrapped: []byte("x")})
		if inserted {
			w.Error("InsertTenantKey took a taken label")
		}
		return err
	})
	w.equal("TenantKeys after an insert of a taken label", get(a), want)

	signing := vault.TenantKey{Label: "signing", KEKVersion: 1, Wrapped: []byte("wrapped")}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		return insert(tx.InsertTenantKey(ctx, vault.SystemTenant, signing))
	})
	w.equal("TenantKeys of the system", get(vault.SystemTenant), []vault.TenantKey{signing})
}

// allBytes makes bytes with every value in them, starting with i.
func allBytes(i int) []byte {
	var c byte
	b := make([]byte, 256)
	for j := range b {
		b[j] = c
		c++
	}
	return slices.Concat(b[i%256:], b[:i%256])
}

// compareText is the order of text in a store: byte by byte.
func compareText(a, b string) int { return slices.Compare([]byte(a), []byte(b)) }

func documents(w *world) {
	tenant, other := w.tenant(), w.tenant()
	get := func(tenant int32, kind string, version int64) (d vault.Document, err error) {
		err = w.s.View(w.Context(), func(tx vault.Tx) (err error) {
			d, err = tx.Document(w.Context(), tenant, kind, version)
			return err
		})
		return d, err
	}
	put := func(kind string, d vault.Document) error {
		return w.try(func(ctx context.Context, tx vault.Tx) error { return tx.InsertDocument(ctx, tenant, kind, d) })
	}
	doc := func(n int) vault.Document {
		return vault.Document{
			Version: int64(n), Body: allBytes(n), Source: slices.Repeat([]byte("# source\n"), n),
			By: "https://issuer.example.org#e\u0301 ", Created: instant(n),
		}
	}
	for _, kind := range []string{vault.DocumentCatalog, vault.DocumentPolicy} {
		w.run(kind, func(w *world) {
			for _, version := range []int64{0, 1, -1} {
				_, err := get(tenant, kind, version)
				w.is("Document before the first", err, vault.ErrNoRow)
			}
			w.is("InsertDocument of version 0 first", put(kind, doc(0)), vault.ErrStale)
			w.is("InsertDocument of version 2 first", put(kind, doc(2)), vault.ErrStale)
			for n := 1; n <= 3; n++ {
				w.is("InsertDocument of the next", put(kind, doc(n)), nil)
				w.is("InsertDocument of the same again", put(kind, doc(n)), vault.ErrStale)
				w.is("InsertDocument of one before", put(kind, doc(n-1)), vault.ErrStale)
				w.is("InsertDocument that leaves a gap", put(kind, doc(n+2)), vault.ErrStale)
				w.equal("CatalogVersion", w.catalogVersion(tenant), map[string]int64{vault.DocumentCatalog: int64(n), vault.DocumentPolicy: 3}[kind])
				current, err := get(tenant, kind, 0)
				w.is("Document 0", err, nil)
				w.equal("Document 0 is the current one", current, doc(n))
			}
			for n := 1; n <= 3; n++ {
				d, err := get(tenant, kind, int64(n))
				w.is("Document by version", err, nil)
				w.equal("Document by version", d, doc(n))
				isUTC(w.T, d.Created)
			}
			_, err := get(tenant, kind, 4)
			w.is("Document that is not there yet", err, vault.ErrNoRow)
			_, err = get(other, kind, 0)
			w.is("Document of another tenant", err, vault.ErrNoRow)
		})
	}
	w.equal("CatalogVersion before the first", w.catalogVersion(other), int64(0))
	w.is("CatalogVersion of no tenant", w.try(func(ctx context.Context, tx vault.Tx) error {
		_, err := tx.CatalogVersion(ctx, math.MaxInt32)
		return err
	}), vault.ErrNoRow)
	w.run("CatalogVersionIsTheLatest", catalogVersionIsTheLatest)
}

func (w *world) catalogVersion(tenant int32) (n int64) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) (err error) {
		n, err = tx.CatalogVersion(ctx, tenant)
		return err
	})
	return n
}

// catalogVersionIsTheLatest: a transaction that has begun and read before a catalog was
// applied sees it, where the store lets one be applied meanwhile.
func catalogVersionIsTheLatest(w *world) {
	tenant := w.tenant()
	apply := func(version int64) error {
		return w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.InsertDocument(ctx, tenant, vault.DocumentCatalog, vault.Document{Version: version, Body: []byte("c"), By: "me", Created: instant(0)})
		})
	}
	w.is("the first", apply(1), nil)
	applied := make(chan error, 1)
	w.update(func(ctx context.Context, tx vault.Tx) error {
		n, err := tx.CatalogVersion(ctx, tenant)
		if err != nil {
			return err
		}
		w.equal("CatalogVersion", n, int64(1))
		go func() { applied <- apply(2) }()
		select {
		case err := <-applied:
			applied <- err
			if n, err = tx.CatalogVersion(ctx, tenant); err != nil {
				return err
			}
			w.equal("CatalogVersion after another transaction applied one", n, int64(2))
		case <-time.After(300 * time.Millisecond): // one transaction writes at a time
		}
		return nil
	})
	w.is("the second", <-applied, nil)
	w.equal("CatalogVersion at the end", w.catalogVersion(tenant), int64(2))
}

// is reports an error that is not the one wanted; nil wants none.
func (w *world) is(what string, err, want error) {
	w.Helper()
	if !sameError(err, want) {
		w.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func isUTC(t *testing.T, times ...time.Time) {
	t.Helper()
	for _, at := range times {
		if at.Location() != time.UTC {
			t.Errorf("a time came back in %v, want UTC", at.Location())
		}
	}
}
