package pgstore_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// What destroys or replaces keys, and new documents, are told once committed; a put, a
// rewrap and what is rolled back are not.
func TestListen(t *testing.T) {
	s, url := open(t)
	other := connect(t, url)
	id := tenant(t, s, "acme")
	p, end := person(t, s, id, "alice"), person(t, s, id, "bob")
	news := make(chan vault.News, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- other.Listen(ctx, func(n vault.News) { news <- n }) }()
	next := func() vault.News {
		t.Helper()
		select {
		case n := <-news:
			return n
		case <-time.After(20 * time.Second):
			t.Fatal("no news has come")
			return vault.News{}
		}
	}
	if n := next(); n != (vault.News{}) {
		t.Fatalf("at first: %+v", n)
	}
	undo := errors.New("undo")
	keys := vault.News{Tenant: id, UID: p.UID}
	for _, c := range []struct {
		name string
		want []vault.News
		do   func(ctx context.Context, tx vault.Tx) error
	}{
		{"put and rewrap", nil, func(ctx context.Context, tx vault.Tx) error {
			if _, err := tx.InsertKey(ctx, id, p.UID, vault.DataKey{Group: 7, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("w")}); err != nil {
				return err
			}
			if _, err := tx.LockRecord(ctx, id, p.UID, vault.RecordRef{Collection: 1, Record: "r"}); err != nil {
				return err
			}
			n, err := tx.RewrapKeys(ctx, id, []vault.Rewrapped{{UID: p.UID, Group: 7, Epoch: 1, Version: 1, KEKVersion: 1, Next: 2, Wrapped: []byte("x")}})
			if err == nil && n != 1 {
				err = errors.New("nothing was rewrapped")
			}
			return err
		}},
		{"rolled back", nil, func(ctx context.Context, tx vault.Tx) error {
			if _, err := tx.DestroyKeys(ctx, id, p.UID); err != nil {
				return err
			}
			return undo
		}},
		{"ReplaceKey", []vault.News{keys}, func(ctx context.Context, tx vault.Tx) error {
			old := vault.DataKey{Group: 7, Epoch: 1, Version: 1, KEKVersion: 2}
			return tx.ReplaceKey(ctx, id, p.UID, old, vault.DataKey{Epoch: 1, Version: 2, KEKVersion: 2, Wrapped: []byte("y")})
		}},
		{"DestroyGroup", []vault.News{keys}, func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.DestroyGroup(ctx, id, p.UID, 7)
			return err
		}},
		{"DestroyKeys", []vault.News{keys}, func(ctx context.Context, tx vault.Tx) error {
			_, err := tx.DestroyKeys(ctx, id, p.UID)
			return err
		}},
		{"InsertDocument", []vault.News{{Tenant: id}}, func(ctx context.Context, tx vault.Tx) error {
			return tx.InsertDocument(ctx, id, vault.DocumentPolicy, vault.Document{Version: 1, By: "me", Created: now()})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.Update(t.Context(), func(tx vault.Tx) error { return c.do(t.Context(), tx) }); err != nil && !errors.Is(err, undo) {
				t.Fatal(err)
			}
			update(t, s, func(ctx context.Context, tx vault.Tx) error { // so that the end is seen
				_, err := tx.DestroyGroup(ctx, id, end.UID, 99)
				return err
			})
			var got []vault.News
			for n := next(); n != (vault.News{Tenant: id, UID: end.UID}); n = next() {
				got = append(got, n)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	run(t, db(t, url), `NOTIFY fieldvault, 'what a later version says'`)
	if n := next(); n != (vault.News{}) {
		t.Errorf("what is not known is %+v", n)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What erasures cost, which notify, beside puts, which do not: people erased, and records put, by eight at once, with
// commits that reach the disk.
func BenchmarkNotify(b *testing.B) {
	c := storetest.StartCluster(b, storetest.ClusterOptions{Durable: true})
	url := c.Database(b)
	if err := pgstore.Migrate(b.Context(), url, nil); err != nil {
		b.Fatal(err)
	}
	s, err := pgstore.Open(b.Context(), pgstore.Config{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	id := tenant(b, s, "acme")
	each := func(b *testing.B, f func(ctx context.Context, tx vault.Tx, p vault.Subject) error) {
		b.Helper()
		people := make([]vault.Subject, b.N)
		for i := range people {
			people[i] = live(id, b.Name()+string(rune(i))+time.Now().String())
		}
		update(b, s, func(ctx context.Context, tx vault.Tx) error {
			for _, p := range people {
				if _, err := tx.InsertSubject(ctx, p); err != nil {
					return err
				}
				if _, err := tx.InsertKey(ctx, id, p.UID, vault.DataKey{Group: 1, Epoch: 1, Version: 1, KEKVersion: 1, Wrapped: []byte("w")}); err != nil {
					return err
				}
			}
			return nil
		})
		var at atomic.Int64
		b.SetParallelism(4) // of two cores
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p := people[at.Add(1)-1]
				if err := s.Update(b.Context(), func(tx vault.Tx) error { return f(b.Context(), tx, p) }); err != nil {
					b.Error(err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	}
	b.Run("erase", func(b *testing.B) {
		each(b, func(ctx context.Context, tx vault.Tx, p vault.Subject) error {
			if _, err := tx.DestroyKeys(ctx, id, p.UID); err != nil {
				return err
			}
			return erase(ctx, tx, p)
		})
	})
	b.Run("put", func(b *testing.B) {
		each(b, func(ctx context.Context, tx vault.Tx, p vault.Subject) error {
			if _, err := tx.Subject(ctx, id, p.Lookup, vault.ShareLock); err != nil {
				return err
			}
			_, err := tx.LockRecord(ctx, id, p.UID, vault.RecordRef{Collection: 1, Record: "r"})
			return err
		})
	})
}
