package ledger_test

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
)

func groups(uid uuid.UUID, g ...ledger.GroupEpoch) ledger.Entry {
	e := ledgertest.Entry(ledger.EraseGroups)
	e.UID, e.Groups = uid, g
	return e
}

func erased(tenant string, uid uuid.UUID) ledger.Entry {
	e := ledgertest.Entry(ledger.Erase)
	e.Tenant, e.UID = tenant, uid
	return e
}

func place(from int64, entries ...ledger.Entry) (list []ledger.Placed) {
	for i, e := range entries {
		list = append(list, ledger.Placed{Position: from + int64(i), Entry: e})
	}
	return list
}

func TestIndex(t *testing.T) {
	alice, bob, carol := uuid.New(), uuid.New(), uuid.New()
	var x ledger.Index
	if x.Erased("acme", alice) || x.GroupEpoch("acme", alice, 2) != 0 || x.Position() != 0 {
		t.Error("an empty index knows something")
	}
	entries := []ledger.Entry{
		erased("acme", alice),
		groups(bob, ledger.GroupEpoch{Group: 2, Epoch: 5}, ledger.GroupEpoch{Group: 3, Epoch: 2}),
		groups(bob, ledger.GroupEpoch{Group: 2, Epoch: 4}), // late: never lowers
		groups(bob, ledger.GroupEpoch{Group: 3, Epoch: math.MaxUint32}),
	}
	for _, k := range []ledger.Kind{ledger.Withdraw, ledger.Object, ledger.Restrict, ledger.Unrestrict, ledger.Hold, ledger.Release} {
		e := ledgertest.Entry(k)
		e.UID = carol
		entries = append(entries, e)
	}
	if err := x.Add(place(1, entries...)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		tenant string
		uid    uuid.UUID
		want   bool
	}{
		{"erased", "acme", alice, true},
		{"another tenant's", "other", alice, false},
		{"of whom groups were erased", "acme", bob, false},
		{"withdrawn, restricted, held", "acme", carol, false},
		{"unknown", "acme", uuid.New(), false},
		{"nobody", "acme", uuid.Nil, false},
	} {
		if got := x.Erased(c.tenant, c.uid); got != c.want {
			t.Errorf("Erased of one %s: %v", c.what, got)
		}
	}
	for _, c := range []struct {
		tenant string
		uid    uuid.UUID
		group  uint32
		want   uint32
	}{
		{"acme", bob, 2, 5},
		{"acme", bob, 3, math.MaxUint32},
		{"acme", bob, 4, 0},
		{"other", bob, 2, 0},
		{"acme", carol, 2, 0},
		{"acme", alice, 2, 0},
	} {
		if got := x.GroupEpoch(c.tenant, c.uid, c.group); got != c.want {
			t.Errorf("GroupEpoch of group %d: %d, want %d", c.group, got, c.want)
		}
	}
	if got := x.Position(); got != int64(len(entries)) {
		t.Errorf("Position: %d, want %d", got, len(entries))
	}
}

// An index is fed without gaps; what it has is skipped.
func TestIndexIsFedInOrder(t *testing.T) {
	var x ledger.Index
	entries := ledgertest.Entries(8)
	has := func(n int) {
		t.Helper()
		for i, e := range entries {
			if x.Erased(e.Tenant, e.UID) != (i < n) {
				t.Errorf("entry %d: known %v, want the first %d", i+1, i >= n, n)
			}
		}
		if x.Position() != int64(n) {
			t.Errorf("Position: %d, want %d", x.Position(), n)
		}
	}
	for _, c := range []struct {
		entries []ledger.Placed
		bad     bool
		then    int
	}{
		{nil, false, 0},
		{place(2, entries[1:3]...), true, 0},
		{place(1, entries[:3]...), false, 3},
		{place(1, entries[:3]...), false, 3},
		{place(2, entries[1:5]...), false, 5},
		{place(7, entries[6]), true, 5},
		{append(place(6, entries[5]), place(8, entries[7])...), true, 5},
		{append(place(6, entries[5]), place(6, entries[5])...), true, 5},
		{place(0, entries[0]), false, 5},
		{place(6, entries[5:]...), false, 8},
	} {
		if err := x.Add(c.entries); errors.Is(err, ledger.ErrCorrupt) != c.bad || (err != nil) != c.bad {
			t.Errorf("Add: %v, want ErrCorrupt: %v", err, c.bad)
		}
		has(c.then)
	}
}

func TestIndexIsSafeForConcurrentUse(t *testing.T) {
	var x ledger.Index
	entries := place(1, ledgertest.Entries(200)...)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for from := 0; from < len(entries); from += 10 {
				if err := x.Add(entries[from:min(from+20, len(entries))]); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for _, e := range entries {
				at := x.Position()
				if known := x.Erased(e.Tenant, e.UID); !known && at >= e.Position {
					t.Error("an entry below the position is not known")
				}
				x.GroupEpoch(e.Tenant, e.UID, 1)
			}
		})
	}
	wg.Wait()
	if x.Position() != int64(len(entries)) {
		t.Errorf("Position: %d, want %d", x.Position(), len(entries))
	}
}

// BenchmarkIndex feeds a million erasures, and reports what one takes of memory.
func BenchmarkIndex(b *testing.B) {
	const n = 1_000_000
	entries := make([]ledger.Placed, n)
	for i := range entries {
		entries[i] = ledger.Placed{Position: int64(i) + 1, Entry: ledger.Entry{Kind: ledger.Erase, Tenant: "acme", UID: uuid.New()}}
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var x ledger.Index
		if err := x.Add(entries); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/entry")
		if !x.Erased("acme", entries[n/2].UID) {
			b.Fatal("not known")
		}
	}
	b.ReportMetric(0, "ns/op") // the metric is the point
}

// BenchmarkIndexLookup asks an index of a million erasures.
func BenchmarkIndexLookup(b *testing.B) {
	var x ledger.Index
	uids := make([]uuid.UUID, 1_000_000)
	for i := range uids {
		uids[i] = uuid.New()
		e := ledger.Placed{Position: int64(i) + 1, Entry: ledger.Entry{Kind: ledger.Erase, Tenant: "acme", UID: uids[i]}}
		if err := x.Add([]ledger.Placed{e}); err != nil {
			b.Fatal(err)
		}
	}
	i := 0
	for b.Loop() {
		if !x.Erased("acme", uids[i%len(uids)]) {
			b.Fatal("not known")
		}
		i += 7919
	}
}

// BenchmarkFile reports what an open file takes of memory for an entry, and how
// long opening it takes.
func BenchmarkFile(b *testing.B) {
	const n = 100_000
	path := b.TempDir() + "/ledger"
	l, err := ledger.CreateFile(b.Context(), path, uuid.New(), ledger.FileConfig{})
	if err != nil {
		b.Fatal(err)
	}
	if err := l.Append(b.Context(), ledgertest.Entries(n)); err != nil {
		b.Fatal(err)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		l, err := ledger.OpenFile(b.Context(), path, ledger.FileConfig{})
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/entry")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFileAppend is one erasure at a time by many callers.
func BenchmarkFileAppend(b *testing.B) {
	l, err := ledger.CreateFile(b.Context(), b.TempDir()+"/ledger", uuid.New(), ledger.FileConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.Append(b.Context(), ledgertest.Entries(1)); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
