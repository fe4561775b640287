package storetest

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
)

// scanAll scans all records, in pages.
func (w *world) scanAll(page int) (out []vault.ScannedRecord) {
	w.Helper()
	var after vault.ScanPos
	for {
		got, err := w.inspector().ScanRecords(w.Context(), after, page)
		if err != nil {
			w.Fatalf("ScanRecords: %v", err)
		}
		w.page("ScanRecords", len(got), page, len(out))
		if len(got) == 0 {
			return out
		}
		out = append(out, got...)
		after = got[len(got)-1].Pos
	}
}

func (w *world) scanSubjects(tenant int32, page int) (out []vault.Subject) {
	w.Helper()
	var after []byte
	for {
		got, err := w.inspector().ScanSubjects(w.Context(), tenant, after, page)
		if err != nil {
			w.Fatalf("ScanSubjects: %v", err)
		}
		w.page("ScanSubjects", len(got), page, len(out))
		if len(got) == 0 {
			return out
		}
		out = append(out, got...)
		after = got[len(got)-1].Lookup
	}
}

func compareScans(a, b vault.ScannedRecord) int {
	if a.Pos.Tenant != b.Pos.Tenant {
		return int(a.Pos.Tenant) - int(b.Pos.Tenant)
	}
	if c := bytes.Compare(a.Pos.UID[:], b.Pos.UID[:]); c != 0 {
		return c
	}
	return compareRefs(vault.RecordRef{Collection: a.Pos.Collection, Record: a.Pos.Record},
		vault.RecordRef{Collection: b.Pos.Collection, Record: b.Pos.Record})
}

func inspect(w *world) {
	w.run("EmptyStore", func(w *world) {
		w.equal("records", w.scanAll(10), []vault.ScannedRecord{})
		w.equal("people", w.scanSubjects(vault.SystemTenant, 10), []vault.Subject{})
	})
	w.run("Records", scanRecords)
	w.run("Subjects", func(w *world) {
		tenant, other := w.tenant(), w.tenant()
		w.person(other)
		var want []vault.Subject
		for i := range 12 {
			s := w.person(tenant)
			if i%3 == 0 {
				s = w.erase(s)
			}
			want = append(want, s)
		}
		slices.SortFunc(want, func(a, b vault.Subject) int { return bytes.Compare(a.Lookup, b.Lookup) })
		for _, page := range []int{1, 5, 100} {
			w.equal("the directory by lookup", w.scanSubjects(tenant, page), want)
		}
		none, err := w.inspector().ScanSubjects(w.Context(), tenant, nil, 0)
		w.is("ScanSubjects", err, nil)
		w.equal("a limit of 0", none, []vault.Subject{})
	})
}

func scanRecords(w *world) {
	var want []vault.ScannedRecord
	add := func(tenant int32, uid uuid.UUID, owner *vault.Subject, keys []vault.DataKey) {
		refs := []vault.RecordRef{{Collection: 1, Record: "b"}, {Collection: 1, Record: "B"}, {Collection: 20, Record: "a"}, {Collection: 3, Record: "\u00e9"}}
		for i, ref := range refs {
			r := w.put(tenant, uid, ref, store([]byte("sealed")))
			if i == 2 {
				r = w.put(tenant, uid, ref, remove)
			}
			entries := []vault.IndexEntry{entry(1, 1, "a"), entry(1, 1, "b"), entry(1, 2, "a"), entry(2, 1, "a")}[:i]
			w.replace(tenant, uid, ref, nil, entries...)
			want = append(want, vault.ScannedRecord{
				Pos:    vault.ScanPos{Tenant: tenant, UID: uid, Collection: ref.Collection, Record: ref.Record},
				Record: r, Subject: owner, Keys: keys, Index: entries,
			})
		}
	}
	for _, tenant := range []int32{w.tenant(), w.tenant()} {
		for range 3 {
			s := w.person(tenant)
			inserted, err := w.insertKey(tenant, s.UID, dataKey(2, 1))
			w.is("InsertKey", insert(inserted, err), nil)
			w.destroyGroup(tenant, s.UID, 1)
			add(tenant, s.UID, &s, []vault.DataKey{{Group: 1, Epoch: 2}, dataKey(2, 1)})
		}
		e := w.erase(w.person(tenant))
		add(tenant, e.UID, &e, nil)
		orphan := newUID()
		add(tenant, orphan, nil, nil)
	}
	slices.SortFunc(want, compareScans)
	for _, page := range []int{1, 2, 7, 1000} {
		w.equal("all records of all people, in pages", w.scanAll(page), want)
	}
	none, err := w.inspector().ScanRecords(w.Context(), vault.ScanPos{}, 0)
	w.is("ScanRecords", err, nil)
	w.equal("a limit of 0", none, []vault.ScannedRecord{})
	w.update(func(ctx context.Context, tx vault.Tx) error {
		_, err := tx.LockRecord(ctx, want[0].Pos.Tenant, want[0].Pos.UID, vault.RecordRef{Collection: 99, Record: "x"})
		return err
	})
	if n := len(w.scanAll(10)); n != len(want)+1 {
		w.Errorf("%d records with one that was only locked, want %d", n, len(want)+1)
	}
}
