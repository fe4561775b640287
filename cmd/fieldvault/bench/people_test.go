package bench

import (
	"encoding/json"
	"testing"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// TestPeople: they are the same for a seed, others for another, their addresses are
// their own, and the catalog takes every value.
func TestPeople(t *testing.T) {
	cat, err := catalog.Parse(catalogText)
	if err != nil {
		t.Fatal(err)
	}
	coll, ok := cat.Collection("customer")
	if !ok {
		t.Fatal("the catalog has no customers")
	}
	const n = 3000
	emails, countries, same := map[string]bool{}, map[string]int{}, 0
	for i := range int64(n) {
		v := People{Seed: 7}.Values(i)
		if v != (People{Seed: 7}.Values(i)) {
			t.Fatalf("person %d is not the same again", i)
		}
		if v == (People{Seed: 8}.Values(i)) {
			same++
		}
		for j, name := range fieldNames {
			f, ok := coll.Field(name)
			if !ok {
				t.Fatalf("the catalog has no field %s", name)
			}
			raw, err := json.Marshal(v[j])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Encode(raw); err != nil {
				t.Errorf("%s %q of person %d: %v", name, v[j], i, err)
			}
		}
		emails[v[9]] = true
		countries[v[6]]++
	}
	if len(emails) != n || same > 0 || len(countries) < 5 {
		t.Errorf("%d of %d have an address of their own, %d are the same for another seed, of %d countries", len(emails), n, same, len(countries))
	}
	if a, b := text(People{}, 1, 40), text(People{}, 2, 40); len(a) != 40 || a == b {
		t.Errorf("texts %q and %q", a, b)
	}
}
