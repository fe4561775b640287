//go:build !race

package api_test

import (
	"encoding/json"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
)

// TestStrictnessCostsFewAllocations: as many more than encoding/json alone for a
// hundred items as for one: the path, and the members of two types. (The race
// detector allocates as well: hence the build tag.)
func TestStrictnessCostsFewAllocations(t *testing.T) {
	for _, people := range []int{1, 100} {
		body := revealBody(t, people)
		strict := testing.AllocsPerRun(50, func() {
			var v api.RevealRequest
			if err := api.Unmarshal(body, &v); err != nil {
				t.Fatal(err)
			}
		})
		plain := testing.AllocsPerRun(50, func() {
			var v api.RevealRequest
			if err := json.Unmarshal(body, &v); err != nil {
				t.Fatal(err)
			}
		})
		if strict > plain+16 {
			t.Errorf("%d people: %v allocations, encoding/json alone %v", people, strict, plain)
		}
	}
}

// TestLikeItemsShareTheirFields: of a reveal of many who are asked the same, each costs
// the texts that are its own.
func TestLikeItemsShareTheirFields(t *testing.T) {
	body := revealBody(t, 100)
	if n := testing.AllocsPerRun(50, func() {
		var v api.RevealRequest
		if err := api.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
	}); n > 150 {
		t.Errorf("%v allocations", n)
	}
}
