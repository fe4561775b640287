package vault

import (
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// What is dealt is all that there was, each person's keys in one batch; and two people of
// a batch stand as far apart as there are batches.
func TestDeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batches := rapid.IntRange(1, 20).Draw(t, "batches")
		var keys []PlacedKey
		place := map[uuid.UUID]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 4), 0, 60).Draw(t, "keys of each person") {
			uid := uuid.UUID{byte(i)}
			place[uid] = i
			for g := range n {
				keys = append(keys, PlacedKey{UID: uid, DataKey: DataKey{Group: uint32(g + 1)}})
			}
		}
		all := 0
		dealt := map[uuid.UUID]bool{}
		for _, b := range deal(keys, batches) {
			if len(b) == 0 {
				t.Fatal("a batch is empty")
			}
			all += len(b)
			for i, k := range b {
				switch {
				case i > 0 && k.UID == b[i-1].UID:
					if k.Group != b[i-1].Group+1 {
						t.Fatal("keys of a person are in another order")
					}
				case dealt[k.UID]:
					t.Fatal("a person is in two batches")
				case k.Group != 1:
					t.Fatal("a person's first key is elsewhere")
				case i > 0 && place[k.UID]-place[b[i-1].UID] != batches:
					t.Fatalf("people %d and %d are in one of %d batches", place[b[i-1].UID], place[k.UID], batches)
				}
				dealt[k.UID] = true
			}
		}
		if all != len(keys) {
			t.Fatalf("%d keys were dealt of %d", all, len(keys))
		}
	})
}
