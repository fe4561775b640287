package pgstore_test

import (
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// benchmark makes a store of n people of one tenant and returns a reference to
// each one's record.
func benchmark(b *testing.B, n int) (*pgstore.Store, int32, []vault.Ref) {
	b.Helper()
	url := storetest.Postgres(b)
	if err := pgstore.Migrate(b.Context(), url, nil); err != nil {
		b.Fatal(err)
	}
	s, err := pgstore.Open(b.Context(), pgstore.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
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
			if err := s.AppendEvents(b.Context(), []vault.Intake{{Tenant: id, Leaf: leaf}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(s.Stats().Appended)/float64(max(s.Stats().Batches, 1)), "events/statement")
}
