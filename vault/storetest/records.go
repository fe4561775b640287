package storetest

import (
	"context"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// put locks and writes a record.
func (w *world) put(tenant int32, uid uuid.UUID, ref vault.RecordRef, change func(*vault.Record)) (r vault.Record) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		if r, err = tx.LockRecord(ctx, tenant, uid, ref); err != nil {
			return err
		}
		change(&r)
		return tx.PutRecord(ctx, tenant, uid, r)
	})
	return r
}

// store is a change that stores bytes at the next revision.
func store(sealed []byte) func(*vault.Record) {
	return func(r *vault.Record) { r.Revision, r.Deleted, r.Sealed = r.Revision+1, false, sealed }
}

// remove is a change that deletes a record at the next revision.
func remove(r *vault.Record) { r.Revision, r.Deleted, r.Sealed = r.Revision+1, true, nil }

func compareRefs(a, b vault.RecordRef) int {
	if a.Collection != b.Collection {
		return int(int64(a.Collection) - int64(b.Collection))
	}
	return compareText(a.Record, b.Record)
}

// listAll lists records in pages.
func (w *world) listAll(tenant int32, uid uuid.UUID, collection uint32, page int) (out []vault.Record) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) error {
		var after vault.RecordRef
		for {
			got, err := tx.ListRecords(ctx, tenant, uid, collection, after, page)
			if err != nil || len(got) == 0 {
				return err
			}
			w.page("ListRecords", len(got), page, len(out))
			out = append(out, got...)
			after = vault.RecordRef{Collection: got[len(got)-1].Collection, Record: got[len(got)-1].Record}
		}
	})
	return out
}

func countRecords(w *world) {
	tenant, other := w.tenant(), w.tenant()
	count := func(tenant int32) (n int64) {
		w.view(func(ctx context.Context, tx vault.Tx) (err error) {
			n, err = tx.CountRecords(ctx, tenant)
			return err
		})
		return n
	}
	w.equal("CountRecords of none", count(tenant), int64(0))
	for i := range 3 {
		uid := newUID()
		w.put(tenant, uid, vault.RecordRef{Collection: 1, Record: "a"}, store([]byte("x")))
		ref := vault.RecordRef{Collection: uint32(i + 2), Record: "b"}
		w.put(tenant, uid, ref, store([]byte("x")))
		if i == 0 {
			w.put(tenant, uid, ref, remove)
		}
	}
	w.locked(tenant, newUID(), vault.RecordRef{Collection: 1, Record: "only locked"})
	w.put(other, newUID(), vault.RecordRef{Collection: 1, Record: "a"}, store([]byte("x")))
	w.equal("CountRecords", count(tenant), int64(5))
	w.equal("CountRecords of another tenant", count(other), int64(1))
}

func records(w *world) {
	w.run("Count", countRecords)
	w.run("Lock", lockRecord)
	w.run("RoundTrip", func(w *world) {
		tenant, uid := w.tenant(), newUID()
		for _, c := range []struct {
			name string
			rec  vault.Record
		}{
			{"every byte", vault.Record{Revision: 1, Sealed: allBytes(0)}},
			{"a zero byte", vault.Record{Revision: 1, Sealed: []byte{0}}},
			{"a large one", vault.Record{Revision: 1, Sealed: slices.Repeat(allBytes(0), 4096)}},
			{"the last revision", vault.Record{Revision: math.MaxInt64, Sealed: []byte("x")}},
			{"a deleted one", vault.Record{Revision: 9, Deleted: true}},
		} {
			ref := vault.RecordRef{Collection: math.MaxUint32, Record: c.name}
			want := w.put(tenant, uid, ref, func(r *vault.Record) {
				r.Revision, r.Deleted, r.Sealed = c.rec.Revision, c.rec.Deleted, c.rec.Sealed
			})
			w.equal(c.name, w.locked(tenant, uid, ref), want)
		}
	})
	w.run("PutOfNone", func(w *world) {
		r := vault.Record{Collection: 1, Record: "r", Revision: 1, Sealed: []byte("x")}
		tenant := w.tenant()
		w.is("PutRecord of a row that nobody locked", w.try(func(ctx context.Context, tx vault.Tx) error {
			return tx.PutRecord(ctx, tenant, newUID(), r)
		}), vault.ErrNoRow)
	})
	w.run("List", listRecords)
}

// locked reads a record by locking it; what is absent it makes.
func (w *world) locked(tenant int32, uid uuid.UUID, ref vault.RecordRef) (r vault.Record) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) (err error) {
		r, err = tx.LockRecord(ctx, tenant, uid, ref)
		return err
	})
	return r
}

func lockRecord(w *world) {
	tenant, uid, ref := w.tenant(), newUID(), vault.RecordRef{Collection: 3, Record: "r"}
	made := vault.Record{Collection: 3, Record: "r", Revision: 0, Deleted: true}
	w.update(func(ctx context.Context, tx vault.Tx) error {
		for range 2 {
			r, err := tx.LockRecord(ctx, tenant, uid, ref)
			if err != nil {
				return err
			}
			w.equal("LockRecord of an absent record", r, made)
		}
		return nil
	})
	w.equal("a locked record that nobody wrote is deleted", w.listAll(tenant, uid, 0, 10), []vault.Record{})

	want := w.put(tenant, uid, ref, store([]byte("one")))
	w.equal("LockRecord of a stored record", w.locked(tenant, uid, ref), want)
	want = w.put(tenant, uid, ref, remove)
	w.equal("a deleted record keeps its revision", w.locked(tenant, uid, ref), want)
	if want.Revision != 2 {
		w.Errorf("after DELETE: revision %d", want.Revision)
	}
	want = w.put(tenant, uid, ref, store([]byte("two")))
	w.equal("a record that came back counts on", w.locked(tenant, uid, ref), want)

	for _, c := range []struct {
		name   string
		tenant int32
		uid    uuid.UUID
		ref    vault.RecordRef
	}{
		{"another tenant", w.tenant(), uid, ref},
		{"another person", tenant, newUID(), ref},
		{"another collection", tenant, uid, vault.RecordRef{Collection: 4, Record: "r"}},
		{"another name", tenant, uid, vault.RecordRef{Collection: 3, Record: "R"}},
	} {
		if r := w.locked(c.tenant, c.uid, c.ref); r.Revision != 0 || !r.Deleted {
			w.Errorf("%s: LockRecord gave the record of somebody else", c.name)
		}
	}
}

func listRecords(w *world) {
	tenant, uid := w.tenant(), newUID()
	var want []vault.Record
	names := append(exact(), "")
	for _, collection := range []uint32{300, 2, 1, math.MaxUint32} {
		for i, name := range names {
			ref := vault.RecordRef{Collection: collection, Record: name}
			r := w.put(tenant, uid, ref, store([]byte(name+"!")))
			if i%7 == 3 {
				w.put(tenant, uid, ref, remove)
				continue
			}
			r.Sealed = nil
			want = append(want, r)
		}
	}
	slices.SortFunc(want, func(a, b vault.Record) int {
		return compareRefs(vault.RecordRef{Collection: a.Collection, Record: a.Record},
			vault.RecordRef{Collection: b.Collection, Record: b.Record})
	})
	for _, page := range []int{1, 2, 7, 1000} {
		w.equal("ListRecords of all, in pages", w.listAll(tenant, uid, 0, page), want)
	}
	for _, collection := range []uint32{1, 2, 300, math.MaxUint32, 5} {
		var one []vault.Record
		for _, r := range want {
			if r.Collection == collection {
				one = append(one, r)
			}
		}
		w.equal("ListRecords of a collection", w.listAll(tenant, uid, collection, 5), one)
	}
	w.equal("ListRecords of another person", w.listAll(tenant, newUID(), 0, 10), []vault.Record{})
	w.equal("ListRecords of another tenant", w.listAll(w.tenant(), uid, 0, 10), []vault.Record{})
	w.view(func(ctx context.Context, tx vault.Tx) error {
		got, err := tx.ListRecords(ctx, tenant, uid, 0, vault.RecordRef{}, 0)
		w.equal("ListRecords of none", got, []vault.Record{})
		if err != nil {
			return err
		}
		got, err = tx.ListRecords(ctx, tenant, uid, 2, vault.RecordRef{Collection: 1, Record: "zzz"}, 1)
		w.equal("ListRecords after a record of another collection", collections(got), []uint32{2})
		return err
	})
}

func collections(rs []vault.Record) (out []uint32) {
	for _, r := range rs {
		out = append(out, r.Collection)
	}
	return out
}
