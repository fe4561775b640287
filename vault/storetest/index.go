package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// replace replaces index entries of a record.
func (w *world) replace(tenant int32, uid uuid.UUID, ref vault.RecordRef, fields []uint32, entries ...vault.IndexEntry) {
	w.Helper()
	w.update(func(ctx context.Context, tx vault.Tx) error {
		return tx.ReplaceIndex(ctx, tenant, uid, ref, fields, entries)
	})
}

// search runs a query to its end, in pages.
func (w *world) search(q vault.IndexQuery) (out []vault.Candidate) {
	w.Helper()
	w.view(func(ctx context.Context, tx vault.Tx) error {
		for {
			got, err := tx.SearchIndex(ctx, q)
			if err != nil || len(got) == 0 {
				return err
			}
			w.page("SearchIndex", len(got), q.Limit, len(out))
			out = append(out, got...)
			q.AfterUID, q.AfterRec = got[len(got)-1].UID, got[len(got)-1].Record
		}
	})
	return out
}

func entry(field, version uint32, value string) vault.IndexEntry {
	return vault.IndexEntry{Field: field, Version: version, Value: []byte(value)}
}

func query(tenant int32, field uint32, values ...vault.IndexEntry) vault.IndexQuery {
	return vault.IndexQuery{Tenant: tenant, Collection: 1, Field: field, Values: values, Limit: 100}
}

// every adds to a query what a record may have instead, all of a version together.
func every(q vault.IndexQuery, entries ...vault.IndexEntry) vault.IndexQuery {
	q.Every = entries
	return q
}

func candidate(s vault.Subject, record string) vault.Candidate {
	return vault.Candidate{Lookup: s.Lookup, UID: s.UID, Record: record}
}

func compareCandidates(a, b vault.Candidate) int {
	if c := bytes.Compare(a.UID[:], b.UID[:]); c != 0 {
		return c
	}
	return compareText(a.Record, b.Record)
}

func index(w *world) {
	w.run("Match", indexMatch)
	w.run("Replace", indexReplace)
	w.run("Every", indexEvery)
	w.run("Pages", indexPages)
	w.run("OnlyTheLiving", indexLiving)
	w.run("Delete", indexDelete)
}

// indexDelete: one version of one field goes, of all people, and nothing beside it.
func indexDelete(w *world) {
	tenant, other := w.tenant(), w.tenant()
	p, q, foreign := w.person(tenant), w.person(tenant), w.person(other)
	for _, s := range []vault.Subject{p, q, foreign} {
		for _, ref := range []vault.RecordRef{{Collection: 1, Record: "a"}, {Collection: 1, Record: "b"}, {Collection: 2, Record: "a"}} {
			w.replace(s.Tenant, s.UID, ref, nil, entry(1, 1, "v"), entry(1, 2, "v"), entry(2, 1, "v"), entry(2, 1, "w"))
		}
	}
	remove := func(x vault.IndexVersion, limit, want int) {
		w.Helper()
		w.update(func(ctx context.Context, tx vault.Tx) error {
			n, err := tx.DeleteIndex(ctx, tenant, x, limit)
			w.equal(fmt.Sprintf("DeleteIndex of %+v, at most %d", x, limit), n, want)
			return err
		})
	}
	x := vault.IndexVersion{Collection: 1, Field: 2, Version: 1}
	remove(x, 0, 0)
	remove(vault.IndexVersion{Collection: 1, Field: 2, Version: 3}, 9, 0)
	for _, want := range []int{3, 3, 2, 0} {
		remove(x, 3, want)
	}
	both := []vault.Candidate{candidate(p, "a"), candidate(p, "b"), candidate(q, "a"), candidate(q, "b")}
	slices.SortFunc(both, compareCandidates)
	w.equal("the version that was deleted", w.search(query(tenant, 2, entry(0, 1, "v"), entry(0, 1, "w"))), []vault.Candidate{})
	w.equal("another field", w.search(query(tenant, 1, entry(0, 1, "v"))), both)
	remove(vault.IndexVersion{Collection: 1, Field: 1, Version: 1}, 1000, 4)
	w.equal("another version", w.search(query(tenant, 1, entry(0, 2, "v"))), both)
	there := query(tenant, 2, entry(0, 1, "w"))
	there.Collection = 2
	w.equal("another collection", len(w.search(there)), 2)
	w.equal("another tenant", len(w.search(query(other, 2, entry(0, 1, "v")))), 2)
}

func indexMatch(w *world) {
	p := w.person(w.tenant())
	ref := vault.RecordRef{Collection: 1, Record: "r"}
	zeros := vault.IndexEntry{Field: 5, Version: 1, Value: make([]byte, 32)}
	w.replace(p.Tenant, p.UID, ref, nil,
		entry(1, 1, "value"), entry(1, 2, "value"), entry(2, 1, "other"), zeros,
		vault.IndexEntry{Field: math.MaxUint32, Version: math.MaxUint32, Value: allBytes(7)})
	yes, no := []vault.Candidate{candidate(p, "r")}, []vault.Candidate{}
	for _, c := range []struct {
		name string
		q    vault.IndexQuery
		want []vault.Candidate
	}{
		{"the value", query(p.Tenant, 1, entry(0, 1, "value")), yes},
		{"the field of a value is not read", query(p.Tenant, 1, entry(2, 1, "value")), yes},
		{"both versions, one answer", query(p.Tenant, 1, entry(1, 1, "value"), entry(1, 2, "value")), yes},
		{"any of the values", query(p.Tenant, 1, entry(1, 1, "no"), entry(1, 2, "value"), entry(1, 3, "value")), yes},
		{"one value twice", query(p.Tenant, 1, entry(1, 1, "value"), entry(1, 1, "value")), yes},
		{"zero bytes", query(p.Tenant, 5, zeros), yes},
		{"large numbers", query(p.Tenant, math.MaxUint32, vault.IndexEntry{Version: math.MaxUint32, Value: allBytes(7)}), yes},
		{"another value", query(p.Tenant, 1, entry(1, 1, "valuf")), no},
		{"a shorter value", query(p.Tenant, 1, entry(1, 1, "valu")), no},
		{"a longer value", query(p.Tenant, 1, entry(1, 1, "value\x00")), no},
		{"fewer zero bytes", query(p.Tenant, 5, vault.IndexEntry{Version: 1, Value: make([]byte, 31)}), no},
		{"another version", query(p.Tenant, 1, entry(1, 3, "value")), no},
		{"the pair, not its parts", query(p.Tenant, 2, entry(2, 2, "other"), entry(2, 1, "value")), no},
		{"the value of another field", query(p.Tenant, 2, entry(2, 1, "value")), no},
		{"no value", query(p.Tenant, 1), no},
		{"another tenant", query(w.tenant(), 1, entry(1, 1, "value")), no},
		{"another collection", vault.IndexQuery{
			Tenant: p.Tenant, Collection: 2, Field: 1, Values: []vault.IndexEntry{entry(1, 1, "value")}, Limit: 9,
		}, no},
	} {
		w.equal(c.name, w.search(c.q), c.want)
	}
	w.view(func(ctx context.Context, tx vault.Tx) error {
		q := query(p.Tenant, 1, entry(1, 1, "value"))
		q.Limit = 0
		got, err := tx.SearchIndex(ctx, q)
		w.equal("a limit of 0", got, no)
		return err
	})
}

// indexEvery: a record with every entry of a version is found, as one with any of Values.
func indexEvery(w *world) {
	tenant := w.tenant()
	p, q := w.person(tenant), w.person(tenant)
	ref, other := vault.RecordRef{Collection: 1, Record: "r"}, vault.RecordRef{Collection: 1, Record: "s"}
	w.replace(tenant, p.UID, ref, nil, entry(1, 1, "a"), entry(1, 1, "b"), entry(1, 1, "c"), entry(1, 2, "d"), entry(2, 1, "e"))
	w.replace(tenant, p.UID, other, nil, entry(1, 1, "a"), entry(1, 1, "b"), entry(1, 2, "c"), entry(1, 2, "f"))
	w.replace(tenant, q.UID, ref, nil, entry(1, 1, "a"), entry(1, 1, "c"), entry(1, 1, "long"))
	first, second, third := candidate(p, "r"), candidate(p, "s"), candidate(q, "r")
	for _, c := range []struct {
		name string
		q    vault.IndexQuery
		want []vault.Candidate
	}{
		{"one", every(query(tenant, 1), entry(0, 1, "a")), []vault.Candidate{first, second, third}},
		{"two", every(query(tenant, 1), entry(0, 1, "a"), entry(0, 1, "b")), []vault.Candidate{first, second}},
		{"two, the other way", every(query(tenant, 1), entry(0, 1, "b"), entry(0, 1, "a")), []vault.Candidate{first, second}},
		{"one twice", every(query(tenant, 1), entry(0, 1, "c"), entry(0, 1, "c")), []vault.Candidate{first, third}},
		{"three", every(query(tenant, 1), entry(0, 1, "a"), entry(0, 1, "b"), entry(0, 1, "c")), []vault.Candidate{first}},
		{"the field of an entry is not read", every(query(tenant, 1), entry(7, 1, "a"), entry(2, 1, "c")), []vault.Candidate{first, third}},
		{"one that nobody has", every(query(tenant, 1), entry(0, 1, "a"), entry(0, 1, "z")), []vault.Candidate{}},
		{"one of another field", every(query(tenant, 1), entry(0, 1, "a"), entry(0, 1, "e")), []vault.Candidate{}},
		{"one of another version", every(query(tenant, 1), entry(0, 1, "b"), entry(0, 1, "f")), []vault.Candidate{}},
		{"each version by itself", every(query(tenant, 1), entry(0, 1, "b"), entry(0, 2, "d"), entry(0, 1, "c")), []vault.Candidate{first}},
		{"all of either version", every(query(tenant, 1), entry(0, 1, "z"), entry(0, 2, "c"), entry(0, 2, "f")), []vault.Candidate{second}},
		{"or a value", every(query(tenant, 1, entry(0, 1, "long")), entry(0, 1, "a"), entry(0, 1, "b")), []vault.Candidate{first, second, third}},
		{"or the same value", every(query(tenant, 1, entry(0, 1, "a")), entry(0, 1, "a"), entry(0, 1, "b"), entry(0, 1, "z")), []vault.Candidate{first, second, third}},
		{"another collection", every(vault.IndexQuery{Tenant: tenant, Collection: 2, Field: 1, Limit: 9}, entry(0, 1, "a")), []vault.Candidate{}},
		{"another tenant", every(query(w.tenant(), 1), entry(0, 1, "a")), []vault.Candidate{}},
	} {
		slices.SortFunc(c.want, compareCandidates)
		w.equal(c.name, w.search(c.q), c.want)
		c.q.Limit = 1
		w.equal(c.name+", in pages of one", w.search(c.q), c.want)
	}
	w.erase(p)
	w.equal("after an erasure", w.search(every(query(tenant, 1), entry(0, 1, "a"), entry(0, 1, "c"))), []vault.Candidate{third})
}

func indexReplace(w *world) {
	p := w.person(w.tenant())
	ref, other := vault.RecordRef{Collection: 1, Record: "r"}, vault.RecordRef{Collection: 1, Record: "R"}
	has := func(what string, ref vault.RecordRef, field uint32, value string, want bool) {
		w.Helper()
		got := slices.ContainsFunc(w.search(query(p.Tenant, field, entry(0, 1, value))), func(c vault.Candidate) bool {
			return c.Record == ref.Record
		})
		if got != want {
			w.Errorf("%s: field %d of record %s has value %q: %v, want %v", what, field, ref.Record, value, got, want)
		}
	}
	w.replace(p.Tenant, p.UID, other, nil, entry(1, 1, "a"), entry(2, 1, "a"))
	w.replace(p.Tenant, p.UID, ref, nil, entry(1, 1, "a"), entry(2, 1, "a"), entry(3, 1, "a"))
	w.replace(p.Tenant, p.UID, ref, []uint32{1, 2}, entry(1, 1, "b"))
	has("replaced", ref, 1, "a", false)
	has("new", ref, 1, "b", true)
	has("named without a new entry", ref, 2, "a", false)
	has("not named", ref, 3, "a", true)
	w.replace(p.Tenant, p.UID, ref, []uint32{}, entry(2, 1, "c"), entry(2, 1, "c"))
	has("no field named: kept", ref, 1, "b", true)
	has("no field named: added", ref, 2, "c", true)
	w.replace(p.Tenant, p.UID, ref, nil)
	for _, field := range []uint32{1, 2, 3} {
		for _, value := range []string{"a", "b", "c"} {
			has("nil names all fields", ref, field, value, false)
		}
	}
	has("another record", other, 1, "a", true)
	has("another record", other, 2, "a", true)
}

func indexPages(w *world) {
	tenant := w.tenant()
	var want []vault.Candidate
	for range 3 {
		p := w.person(tenant)
		for i, name := range append(exact(), "") {
			w.replace(tenant, p.UID, vault.RecordRef{Collection: 1, Record: name}, nil,
				entry(1, 1, "v"), entry(1, 2, "v"), entry(1, 2, fmt.Sprint("v", i%2)))
			want = append(want, candidate(p, name))
		}
	}
	slices.SortFunc(want, compareCandidates)
	q := query(tenant, 1, entry(0, 1, "v"), entry(0, 2, "v"), entry(0, 2, "v0"), entry(0, 2, "v1"))
	for _, q.Limit = range []int{1, 2, 13, len(want), 1000} {
		w.equal("SearchIndex by (uid, record) without repetition, in pages", w.search(q), want)
	}
}

func indexLiving(w *world) {
	tenant := w.tenant()
	live, dead, orphan := w.person(tenant), w.person(tenant), newUID()
	ref := vault.RecordRef{Collection: 1, Record: "r"}
	for _, uid := range []uuid.UUID{live.UID, dead.UID, orphan} {
		w.replace(tenant, uid, ref, nil, entry(1, 1, "v"))
	}
	q := query(tenant, 1, entry(1, 1, "v"))
	if n := len(w.search(q)); n != 2 {
		w.Errorf("%d candidates before the erasure, want the two people in the directory", n)
	}
	e := w.erase(dead)
	w.equal("candidates after an erasure", w.search(q), []vault.Candidate{candidate(live, "r")})

	back := e
	back.State, back.Generation, back.UID = vault.Live, e.Generation+1, newUID()
	w.update(func(ctx context.Context, tx vault.Tx) error { return tx.UpdateSubject(ctx, back, e.Generation) })
	w.equal("entries of an old life match nothing in the new one", w.search(q), []vault.Candidate{candidate(live, "r")})
	w.replace(tenant, back.UID, ref, nil, entry(1, 1, "v"))
	want := []vault.Candidate{candidate(live, "r"), candidate(back, "r")}
	slices.SortFunc(want, compareCandidates)
	w.equal("entries of the new life match", w.search(q), want)
}
