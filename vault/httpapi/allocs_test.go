//go:build !race

package httpapi_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/httpapi"
)

// TestAnswersAreOneAllocation: the buffer, which is large enough from the start, so
// that plaintext is not left behind in a smaller one. (The race detector allocates as
// well: hence the build tag.)
func TestAnswersAreOneAllocation(t *testing.T) {
	for _, size := range []struct{ people, fields int }{{1, 1}, {1, 10}, {100, 10}} {
		items, out := revealed(t, size.people, size.fields)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := httpapi.AppendResults(items, out); err != nil {
				t.Fatal(err)
			}
		}); n != 1 {
			t.Errorf("%d people x %d fields: %v allocations", size.people, size.fields, n)
		}
	}
}
