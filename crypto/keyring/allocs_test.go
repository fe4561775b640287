//go:build !race

package keyring_test

import (
	"context"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/crypto/keyring"
)

// TestAllocations pins what opening warm keys allocates, however many: the
// result.
func TestAllocations(t *testing.T) {
	kek := cryptotest.NewKEK(t)
	r := newRing(t, keyring.Config{KEK: kek})
	keys := stored(t, kek, people(100)...)
	mustOpen(t, r, keys...)
	r.Stats() // lets the cache settle, which it does beside what is measured
	if n := testing.AllocsPerRun(50, func() {
		if _, _, err := r.Open(context.Background(), keys); err != nil {
			t.Fatal(err)
		}
	}); n > 3 { // 1, and what the cache does in its own time
		t.Errorf("opening 100 warm keys allocates %v times", n)
	}
}
