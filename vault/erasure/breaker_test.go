package erasure_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/vault/erasure"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestAllow(t *testing.T) {
	tally := func(minutesAgo, count int64) erasure.Tally {
		return erasure.Tally{Since: noon.Add(-time.Duration(minutesAgo) * time.Minute), Count: count}
	}
	const hour, share = "more than 20 people within 1 hour by one principal need a second person",
		"more than 5 % of the tenant's people within 1 hour need a second person"
	const day, minute = "more than 2 people within 1 day by one principal need a second person",
		"more than 0.5 % of the tenant's people within 1 minute need a second person"
	for _, tt := range []struct {
		name         string
		limits       erasure.Limits
		mine, tenant erasure.Tally
		live, n      int64
		why          string
	}{
		{"the first", erasure.Limits{}, tally(0, 0), tally(0, 0), 1000, 1, ""},
		{"the 20th in an hour", erasure.Limits{}, tally(59, 19), tally(59, 19), 10_000, 1, ""},
		{"the 21st in an hour", erasure.Limits{}, tally(59, 20), tally(59, 20), 10_000, 1, hour},
		{"the 21st an hour later", erasure.Limits{}, tally(60, 20), tally(60, 20), 10_000, 1, ""},
		{"a list of 20", erasure.Limits{}, tally(0, 0), tally(0, 0), 10_000, 20, ""},
		{"a list of 21", erasure.Limits{}, tally(0, 0), tally(0, 0), 10_000, 21, hour},
		{"a list of 21, after an old tally", erasure.Limits{}, tally(600, 3), tally(600, 3), 10_000, 21, hour},
		{"another principal", erasure.Limits{}, tally(0, 0), tally(10, 20), 10_000, 20, ""},
		{"5 % of 400", erasure.Limits{}, tally(0, 0), tally(0, 0), 400, 20, ""},
		{"5 % of 400, one by one", erasure.Limits{}, tally(10, 0), tally(10, 19), 381, 1, ""},
		{"more than 5 % of 400, one by one", erasure.Limits{}, tally(10, 0), tally(10, 20), 380, 1, share},
		{"an hour later", erasure.Limits{}, tally(61, 0), tally(61, 20), 380, 1, ""},
		{"a small tenant has no share", erasure.Limits{}, tally(10, 0), tally(10, 19), 300, 20, ""},
		{"own limits", erasure.Limits{PerWindow: 2, Window: 24 * time.Hour}, tally(23*60, 2), tally(23*60, 2), 10_000, 1, day},
		{"own share", erasure.Limits{PerMille: 5, MinPeople: 10, Window: time.Minute}, tally(0, 0), tally(0, 0), 1000, 6, minute},
		{"no limit by principal", erasure.Limits{PerWindow: -1}, tally(0, 100), tally(0, 100), 100_000, 100, ""},
		{"no limit at all", erasure.Limits{PerWindow: -1, PerMille: -1}, tally(0, 100), tally(0, 100), 500, 400, ""},
		{"a clock that went back", erasure.Limits{}, tally(-300, 20), tally(-300, 20), 10_000, 1, hour},
		{"a number that overflows", erasure.Limits{}, tally(0, 1), tally(0, 1), 10_000, 1<<63 - 1, hour},
		{"a number that is none", erasure.Limits{}, tally(0, 0), tally(0, 0), 10_000, -1, "the count is not known"},
		{"a tally that is none", erasure.Limits{}, tally(0, -5), tally(0, 0), 10_000, 1, "the count is not known"},
	} {
		got := erasure.Allow(tt.limits, tt.mine, tt.tenant, tt.live, tt.n, noon)
		if want := (erasure.Verdict{Allowed: tt.why == "", Why: tt.why}); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
}

func TestTallyIn(t *testing.T) {
	old := erasure.Tally{Since: noon, Count: 7}
	if got := old.In(erasure.Limits{}, noon.Add(time.Hour-1)); got != old {
		t.Errorf("within the window: %+v", got)
	}
	if got, want := old.In(erasure.Limits{}, noon.Add(time.Hour)), (erasure.Tally{Since: noon.Add(time.Hour)}); got != want {
		t.Errorf("after the window: %+v, want %+v", got, want)
	}
}

func TestDigest(t *testing.T) {
	a, b := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	base := erasure.Digest("erasure", "acme", [][]byte{a, b}, []uint32{2, 5})
	const golden = "0000000d66762f617070726f76616c2f31" + "0000000765726173757265" + "0000000461636d65" + "000000080000000200000005" +
		"00000020" + "0101010101010101010101010101010101010101010101010101010101010101" +
		"00000020" + "0202020202020202020202020202020202020202020202020202020202020202"
	if got := hex.EncodeToString(base); got != golden {
		t.Errorf("the form has changed:\n%s, want\n%s", got, golden)
	}
	in := [][]byte{b, a, b}
	if got := erasure.Digest("erasure", "acme", in, []uint32{5, 2, 5}); !bytes.Equal(got, base) || !bytes.Equal(in[0], b) {
		t.Error("order and repetition matter, or the caller's list was changed")
	}
	seen := map[string]string{string(base): "base"}
	for name, d := range map[string][]byte{
		"another kind":       erasure.Digest("deletion", "acme", [][]byte{a, b}, []uint32{2, 5}),
		"another tenant":     erasure.Digest("erasure", "acm", [][]byte{a, b}, []uint32{2, 5}),
		"one person":         erasure.Digest("erasure", "acme", [][]byte{a}, []uint32{2, 5}),
		"one group":          erasure.Digest("erasure", "acme", [][]byte{a, b}, []uint32{2}),
		"whole people":       erasure.Digest("erasure", "acme", [][]byte{a, b}, nil),
		"two lookups as one": erasure.Digest("erasure", "acme", [][]byte{append(bytes.Clone(a), b...)}, []uint32{2, 5}),
	} {
		if was, taken := seen[string(d)]; taken {
			t.Errorf("%s has the digest of %s", name, was)
		}
		seen[string(d)] = name
	}
}
