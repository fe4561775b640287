package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// loadItems loads items of a tenant.
func (w *world) loadItems(tenant int32, identity bool, items ...vault.Ref) *vault.Loaded {
	w.Helper()
	l, err := w.s.LoadForReveal(w.Context(), vault.LoadQuery{Tenant: tenant, Items: items, Identity: identity})
	if err != nil {
		w.Fatalf("LoadForReveal: %v", err)
	}
	if len(l.Items) != len(items) {
		w.Fatalf("LoadForReveal gave %d items for %d", len(l.Items), len(items))
	}
	return l
}

// item is what LoadForReveal must say of a person, made from single reads;
// record is the record it must find, or nil.
func (w *world) item(s vault.Subject, identity bool, record *vault.Record) vault.LoadedItem {
	w.Helper()
	stored, err := w.readSubject(s.Tenant, s.Lookup)
	w.is("Subject", err, nil)
	if !identity {
		stored.SealedID, stored.Note, stored.Certificate = nil, nil, nil
	}
	it := vault.LoadedItem{Subject: &stored}
	if stored.State == vault.Erased {
		return it
	}
	it.Keys = w.keysOf(s.Tenant, stored.UID)
	it.Consents, _ = w.consents(s.Tenant, stored.UID)
	for i := range it.Consents {
		it.Consents[i].Evidence, it.Consents[i].Receipt = nil, nil
	}
	it.Record = record
	return it
}

func ref(s vault.Subject, collection uint32, record string) vault.Ref {
	return vault.Ref{Lookup: s.Lookup, Collection: collection, Record: record}
}

func load(w *world) {
	w.run("Items", loadEverything)
	w.run("Erased", loadErased)
	w.run("Versions", loadVersions)
	w.run("Exact", func(w *world) {
		s := w.person(w.tenant())
		var refs []vault.Ref
		var want []vault.LoadedItem
		for _, name := range append(exact(), "") {
			r := w.put(s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: name}, store([]byte("of "+name)))
			refs = append(refs, ref(s, 1, name))
			want = append(want, w.item(s, false, &r))
		}
		w.equal("records with similar names", w.loadItems(s.Tenant, false, refs...).Items, want)
	})
	w.run("Many", func(w *world) {
		tenant := w.tenant()
		var refs []vault.Ref
		var want []vault.LoadedItem
		for i := range 60 {
			s := w.person(tenant)
			r := w.put(tenant, s.UID, vault.RecordRef{Collection: 1, Record: "r"}, store(fmt.Appendf(nil, "sealed %d", i)))
			refs, want = append(refs, ref(s, 1, "r")), append(want, w.item(s, false, &r))
		}
		w.equal("many people", w.loadItems(tenant, false, refs...).Items, want)
		slices.Reverse(refs)
		slices.Reverse(want)
		w.equal("many people, the other way round", w.loadItems(tenant, false, refs...).Items, want)
	})
	w.run("Fresh", func(w *world) {
		s := w.person(w.tenant())
		for i := range 20 {
			r := w.put(s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "r"}, store(fmt.Append(nil, i)))
			w.equal("a load that begins after a write", w.loadItems(s.Tenant, false, ref(s, 1, "r")).Items[0].Record, &r)
		}
	})
	w.run("OwnSlices", func(w *world) {
		s := w.person(w.tenant())
		w.fill(s.Tenant, s.UID)
		l := w.loadItems(s.Tenant, true, ref(s, 1, "a"), ref(s, 1, "a"))
		a, b := l.Items[0], l.Items[1]
		w.equal("one item twice", a, b)
		for _, bytes := range [][]byte{a.Subject.Lookup, a.Subject.Mark, a.Subject.SealedID, a.Keys[0].Wrapped, a.Record.Sealed, a.Consents[0].MAC} {
			clear(bytes)
		}
		r := w.locked(s.Tenant, s.UID, vault.RecordRef{Collection: 1, Record: "a"})
		w.equal("the other item after the first was changed", b, w.item(s, true, &r))
	})
}

func loadEverything(w *world) {
	tenant, other := w.tenant(), w.tenant()
	full, bare, foreign := w.person(tenant), w.person(tenant), w.person(other)
	for _, s := range []vault.Subject{full, foreign} {
		w.fill(s.Tenant, s.UID)
	}
	w.destroyGroup(tenant, full.UID, 2)
	noted := full
	noted.Restricted, noted.Note = true, []byte("note")
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, noted, 1) })
	a := w.locked(tenant, full.UID, vault.RecordRef{Collection: 1, Record: "a"})
	gone := w.put(tenant, full.UID, vault.RecordRef{Collection: 2, Record: "b"}, remove)
	for _, identity := range []bool{false, true} {
		cases := []struct {
			name string
			ref  vault.Ref
			want vault.LoadedItem
		}{
			{"a record", ref(full, 1, "a"), w.item(full, identity, &a)},
			{"a deleted record", ref(full, 2, "b"), w.item(full, identity, &gone)},
			{"the record of another collection", ref(full, 2, "a"), w.item(full, identity, nil)},
			{"no such record", ref(full, 1, "A"), w.item(full, identity, nil)},
			{"the person alone", ref(full, 0, ""), w.item(full, identity, nil)},
			{"the person alone, with a record named", ref(full, 0, "a"), w.item(full, identity, nil)},
			{"a person with nothing", ref(bare, 1, "a"), w.item(bare, identity, nil)},
			{"nobody", vault.Ref{Lookup: lookup("nobody"), Collection: 1, Record: "a"}, vault.LoadedItem{}},
			{"a person of another tenant", ref(foreign, 1, "a"), vault.LoadedItem{}},
			{"no lookup", vault.Ref{Collection: 1, Record: "a"}, vault.LoadedItem{}},
			{"a record again", ref(full, 1, "a"), w.item(full, identity, &a)},
		}
		var refs []vault.Ref
		for _, c := range cases {
			refs = append(refs, c.ref)
		}
		l := w.loadItems(tenant, identity, refs...)
		for i, c := range cases {
			w.equal(c.name, l.Items[i], c.want)
			w.equal(c.name+", alone", w.loadItems(tenant, identity, c.ref).Items[0], c.want)
			if s := l.Items[i].Subject; s != nil {
				isUTC(w.T, s.Created, s.ErasedAt)
			}
		}
	}
}

// loadErased: from the commit of an erasure on, nothing of the old life loads.
func loadErased(w *world) {
	s := w.person(w.tenant())
	w.fill(s.Tenant, s.UID)
	refs := []vault.Ref{ref(s, 1, "a"), ref(s, 0, "")}
	check := func(what string, want vault.Subject) {
		w.Helper()
		for _, it := range w.loadItems(s.Tenant, true, refs...).Items {
			w.equal(what, it, vault.LoadedItem{Subject: &want})
		}
	}
	e := w.erase(s)
	check("erased, not swept", e)
	w.sweepAll(s.Tenant, s.UID, 1000)
	forgotten := e
	forgotten.UID = uuid.Nil
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, forgotten, 1) })
	check("erased and forgotten", forgotten)
	back := w.subject(s.Tenant)
	back.Lookup, back.Generation = s.Lookup, 2
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, back, 1) })
	check("back in a new life, with nothing", back)
}

func loadVersions(w *world) {
	var tenant int32
	w.update(func(ctx context.Context, tx vault.Tx) error {
		stored, _, err := tx.InsertTenant(ctx, vault.Tenant{Name: w.name("tenant"), KEKEpoch: 5, Created: instant(0)})
		tenant = stored.ID
		return err
	})
	check := func(catalog, policy int64) {
		w.Helper()
		got := w.loadItems(tenant, false)
		got.Incarnation = "" // the stores' own
		w.equal("Loaded", got, &vault.Loaded{CatalogVersion: catalog, PolicyVersion: policy, KEKEpoch: 5})
	}
	put := func(tenant int32, kind string, version int64) {
		w.update(func(ctx context.Context, tx vault.Tx) error {
			return tx.InsertDocument(ctx, tenant, kind, vault.Document{Version: version, Body: []byte("{}"), By: "me", Created: instant(0)})
		})
	}
	check(0, 0)
	put(w.tenant(), vault.DocumentPolicy, 1)
	check(0, 0)
	put(tenant, vault.DocumentPolicy, 1)
	check(0, 1)
	put(tenant, vault.DocumentCatalog, 1)
	check(1, 1)
	put(tenant, vault.DocumentPolicy, 2)
	put(tenant, vault.DocumentPolicy, 3)
	check(1, 3)
}
