package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/fieldvault/fieldvault/vault"
)

// newPerson is somebody with a key of two groups and two records.
func (w *world) newPerson(tenant int32) vault.NewPerson {
	s := w.subject(tenant)
	record := func(name string) vault.NewRecord {
		e := entry(1, 1, "v of "+name)
		return vault.NewRecord{
			Record:  vault.Record{Collection: 1, Record: name, Revision: 1, Sealed: []byte("sealed " + name)},
			Entries: []vault.IndexEntry{e, e, entry(2, 1, "w of "+name)},
		}
	}
	return vault.NewPerson{Subject: s, Keys: []vault.DataKey{dataKey(1, 1), dataKey(2, 1)}, Records: []vault.NewRecord{record("a"), record("b")}}
}

// listWrites are the methods that write many rows at once.
func listWrites() []write {
	return []write{
		{"InsertPeople", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			s.Lookup, s.UID = lookup("new people"), newUID()
			return insert(tx.InsertPeople(ctx, s.Tenant, []vault.NewPerson{{Subject: s, Keys: []vault.DataKey{dataKey(9, 1)}}}))
		}},
		{"AppendEvents", func(ctx context.Context, tx vault.Tx, s vault.Subject) error {
			return tx.AppendEvents(ctx, []vault.Intake{{Tenant: s.Tenant, Leaf: []byte("new list")}})
		}},
	}
}

func newPeople(w *world) {
	w.run("RoundTrip", newPeopleRoundTrip)
	w.run("None", func(w *world) {
		w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertPeople(ctx, 1, nil)) })
	})
	w.run("Taken", func(w *world) {
		s := w.person(w.tenant())
		again, other := w.newPerson(s.Tenant), w.newPerson(s.Tenant)
		again.Subject.Lookup = s.Lookup
		taken := errors.New("taken")
		err := w.try(func(ctx context.Context, tx vault.Tx) error {
			if inserted, err := tx.InsertPeople(ctx, s.Tenant, []vault.NewPerson{other, again}); err != nil || inserted {
				w.Errorf("InsertPeople with a taken lookup: %v, %v", inserted, err)
			}
			return taken
		})
		w.is("the transaction", err, taken)
		w.stands("the row that had the lookup", s)
		_, err = w.readSubject(s.Tenant, other.Subject.Lookup)
		w.is("the other", err, vault.ErrNoRow)
	})
	w.run("StaleKEK", func(w *world) {
		tenant := w.tenant()
		n := w.newPerson(tenant)
		n.Keys[1].KEKVersion = 0
		err := w.try(func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.InsertPeople(ctx, tenant, []vault.NewPerson{n})
			return err
		})
		w.is("a wrap below the epoch", err, vault.ErrStaleKEK)
		_, err = w.readSubject(tenant, n.Subject.Lookup)
		w.is("the person", err, vault.ErrNoRow)
	})
	w.run("AppendEvents", func(w *world) {
		tenant := w.tenant()
		w.update(func(ctx context.Context, tx vault.Tx) error {
			if err := tx.AppendEvents(ctx, nil); err != nil {
				return err
			}
			return tx.AppendEvents(ctx, []vault.Intake{{Tenant: tenant, Leaf: []byte("one"), MAC: hash("mac")}, {Tenant: tenant, Leaf: []byte("two")}})
		})
		w.view(func(ctx context.Context, tx vault.Tx) error {
			got, err := tx.Events(ctx, tenant, 0, 10)
			if err == nil && (len(got) != 2 || string(got[0].Leaf) != "one" || string(got[1].Leaf) != "two") {
				w.Errorf("Events: %v", got)
			}
			return err
		})
	})
}

func newPeopleRoundTrip(w *world) {
	tenant := w.tenant()
	people := []vault.NewPerson{w.newPerson(tenant), w.newPerson(tenant), {Subject: w.subject(tenant)}}
	w.update(func(ctx context.Context, tx vault.Tx) error { return insert(tx.InsertPeople(ctx, tenant, people)) })
	for _, p := range people {
		w.stands("a new person", p.Subject)
		q := vault.LoadQuery{Tenant: tenant, Items: []vault.Ref{{Lookup: p.Subject.Lookup, Collection: 1, Record: "b"}}}
		l, err := w.s.LoadForReveal(w.Context(), q)
		if err != nil {
			w.Fatal(err)
		}
		w.equal("the keys", len(l.Items[0].Keys), len(p.Keys))
		for i := range p.Keys {
			w.equal("a key", l.Items[0].Keys[i], p.Keys[i])
		}
		if len(p.Records) > 0 {
			w.equal("a record", *l.Items[0].Record, p.Records[1].Record)
		}
	}
	w.view(func(ctx context.Context, tx vault.Tx) error {
		found, err := tx.SearchIndex(ctx, vault.IndexQuery{
			Tenant: tenant, Collection: 1, Field: 1, Values: []vault.IndexEntry{entry(1, 1, "v of a")}, Limit: 10,
		})
		if len(found) != 2 || slices.ContainsFunc(found, func(c vault.Candidate) bool { return c.Record != "a" }) {
			w.Errorf("SearchIndex: %v", found)
		}
		return err
	})
}
