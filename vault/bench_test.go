package vault_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// A crowd is a vault on SQLite with people of ten fields each, ready to be read.
type crowd struct {
	*vaulttest.Vault
	caller accessctl.Caller
	items  []vault.Item
}

func newCrowd(tb testing.TB, people int) *crowd {
	tb.Helper()
	v := vaulttest.New(tb)
	c := &crowd{Vault: v, caller: v.As("app", "support")}
	values := map[string]string{
		"first_name": "Luís", "last_name": "Gonçalves", "company": "Embraer", "address": "Av. Brigadeiro Faria Lima, 2170", "city": "Campinas",
		"state": "SP", "country": "Brazil", "postal_code": "12227-000", "phone": "+55 (12) 3923-5555", "email": "luisg@embraer.com.br",
	}
	var names []string
	for name := range values {
		names = append(names, name)
	}
	for i := range people {
		subject := fmt.Sprint("c-", i)
		v.Put(tb, subject, "customer", "self", values)
		c.items = append(c.items, vault.Item{Subject: subject, Collection: "customer", Record: "self", Fields: names})
	}
	return c
}

// reveal reads all fields of all people in one call.
func (c *crowd) reveal(ctx context.Context, tb testing.TB) {
	tb.Helper()
	out, err := c.Reveal(ctx, c.caller, c.items)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range out {
		if out[i].Err != nil || len(out[i].Fields) != 10 || out[i].Fields[0].View != accessctl.Plain {
			tb.Fatalf("item %d: %v, %d fields", i, out[i].Err, len(out[i].Fields))
		}
	}
}

// BenchmarkReveal is a read of ten fields of one person, and of 100 people, with their
// keys opened before: policy, fence and durable audit on SQLite, which waits for the disk.
func BenchmarkReveal(b *testing.B) {
	for _, people := range []int{1, 100} {
		b.Run(fmt.Sprintf("%dx10", people), func(b *testing.B) {
			c := newCrowd(b, people)
			c.reveal(b.Context(), b)
			b.ReportAllocs()
			for b.Loop() {
				c.reveal(b.Context(), b)
			}
		})
	}
}
