package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// benchmark makes a store of n people of one tenant and returns a reference to
// each one's record.
func benchmark(b *testing.B, n int) (*pgstore.Store, int32, []vault.Ref) {
	b.Helper()
	s, url := open(b)
	id := tenant(b, s, "acme")
	admin := db(b, url)
	grow(b, admin, id, 50_000)
	run(b, admin, `ANALYZE`)
	refs := make([]vault.Ref, n)
	for i := range refs {
		p := person(b, s, id, fmt.Sprint("person ", i))
		refs[i] = vault.Ref{Lookup: p.Lookup, Collection: 1, Record: "self"}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s, id, refs
}

func BenchmarkLoadForReveal(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, id, refs := benchmark(b, n)
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.LoadForReveal(b.Context(), vault.LoadQuery{Tenant: id, Items: refs}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkAppendEvents(b *testing.B) {
	s, id, _ := benchmark(b, 1)
	leaf := make([]byte, 300)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := outcome(s.AppendEvents(b.Context(), []vault.Intake{{Tenant: id, Leaf: leaf}})); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(s.Stats().Appended)/float64(max(s.Stats().Batches, 1)), "rows/statement")
}

// BenchmarkInsertEvents is what the key and the MAC of a row cost: the statement of
// AppendEvents into the table as it is, and into one of the earlier form, without
// either. One operation is a statement of so many rows.
func BenchmarkInsertEvents(b *testing.B) {
	url := storetest.Postgres(b)
	if err := pgstore.Migrate(b.Context(), url, nil); err != nil {
		b.Fatal(err)
	}
	c := db(b, url)
	run(b, c, `CREATE TABLE earlier (id bigint NOT NULL GENERATED ALWAYS AS IDENTITY, tenant integer NOT NULL, leaf bytea NOT NULL)`)
	for _, n := range []int{1, 30} {
		tenants, leaves, macs := make([]int32, n), make([][]byte, n), make([][]byte, n)
		for i := range n {
			tenants[i], leaves[i], macs[i] = 1, make([]byte, 300), make([]byte, 32)
		}
		for _, form := range []struct {
			name, sql string
			args      []any
		}{
			{"earlier", `INSERT INTO earlier (tenant, leaf) SELECT e.tenant, e.leaf FROM unnest($1::integer[], $2::bytea[]) e(tenant, leaf)`, []any{tenants, leaves}},
			{"now", `INSERT INTO event_intake (tenant, leaf, mac) SELECT e.tenant, e.leaf, e.mac FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) e(tenant, leaf, mac)`, []any{tenants, leaves, macs}},
		} {
			b.Run(fmt.Sprintf("rows=%d/form=%s", n, form.name), func(b *testing.B) {
				for b.Loop() {
					run(b, c, form.sql, form.args...)
				}
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkEntriesAbout finds the one entry about a person in a log of 71,000.
func BenchmarkEntriesAbout(b *testing.B) {
	s, _ := open(b)
	l := &grownLog{s: s, tenant: tenant(b, s, "acme")}
	for range 71 {
		l.growBy(b, 1000)
	}
	for i := 0; b.Loop(); i++ {
		f := trail.Find{About: l.leaves[i%len(l.leaves)].About, Limit: 10}
		if list, err := l.found(b.Context(), f); err != nil || len(list) != 1 {
			b.Fatal(list, err)
		}
	}
}
