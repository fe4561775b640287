package vault_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
)

// TestCrowdsOfNewAndKnownPeople: batches of the same people, at once and by every path of
// a write, store everybody once, with the last of the writes, whatever their order.
func TestCrowdsOfNewAndKnownPeople(t *testing.T) {
	v := newVault(t)
	const batches, people = 12, 40
	name := func(i int) string { return fmt.Sprint("crowd-", i) }
	write := func(i int, city string) vault.Write {
		return vault.Write{Subject: name(i), Collection: "customer", Record: "self", Fields: map[string]json.RawMessage{
			"city": json.RawMessage(fmt.Sprintf("%q", city)), "email": json.RawMessage(fmt.Sprintf("%q", name(i)+"@example.org")),
		}}
	}
	for i := 0; i < people; i += 3 { // these are known
		if _, err := v.PutBatch(t.Context(), v.As("app", "support"), []vault.Write{write(i, "before")}, vault.Idempotency{}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for b := range batches {
		wg.Go(func() {
			var list []vault.Write
			for i := range people {
				w := write((i*(2*b+1)+b)%people, fmt.Sprint("city ", b))
				list = append(list, w)
				if b%3 == 1 && i%7 == 0 {
					list = append(list, w) // the same record twice: no plain item
				}
			}
			var idem vault.Idempotency
			if b%3 == 2 {
				idem = vault.Idempotency{Key: fmt.Sprint("key ", b), Request: []byte{byte(b)}}
			}
			written, err := v.PutBatch(t.Context(), v.As("app", "support"), list, idem)
			if err != nil {
				t.Errorf("batch %d: %v", b, err)
				return
			}
			for _, w := range written {
				if w.Err != nil || w.Revision == 0 {
					t.Errorf("batch %d: %+v", b, w)
				}
			}
		})
	}
	wg.Wait()
	for i := range people {
		out, err := v.Reveal(t.Context(), v.As("app", "support"), []vault.Item{{Subject: name(i), Collection: "customer", Record: "self", Fields: []string{"email"}}})
		if err != nil || out[0].Err != nil || string(out[0].Fields[0].Value.Expose()) != name(i)+"@example.org" {
			t.Errorf("%s: %v, %+v", name(i), err, out)
		}
	}
}
