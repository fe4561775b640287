package tree_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
	"github.com/fieldvault/fieldvault/audit/tree"
)

var benchSize = flag.Int("entries", 100_000, "entries of the log that BenchmarkVerify checks")

// event is the leaf of the i-th event of a tenant: a reveal of three fields.
func event(t testing.TB, tenant string, i int) []byte {
	t.Helper()
	id := uuid.MustParse("01932b5e-7c00-7000-8000-000000000000")
	binary.BigEndian.PutUint32(id[12:], uint32(i))
	request, person := id, id
	request[8], person[6] = 0xa0, 0x40
	e := audit.Event{
		ID: id, Tenant: tenant, Time: time.UnixMicro(1793611800000000 + int64(i)).UTC(), Request: request,
		Actor: "https://id.example.org#billing-service", Action: accessctl.ActionReveal, Purpose: "billing",
		UID: person, Outcome: audit.Allowed, Catalog: 3, Policy: 7,
		Fields: []audit.FieldView{
			{Collection: 1, Field: 11, View: accessctl.Plain, Count: 1},
			{Collection: 1, Field: 12, View: accessctl.Masked, Reason: accessctl.ReasonPolicy, Count: 1},
			{Collection: 1, Field: 13, View: accessctl.Hidden, Reason: accessctl.ReasonConsent, Count: 1},
		},
	}
	b, err := e.AppendLeaf(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func events(t testing.TB, n int) [][]byte {
	t.Helper()
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = event(t, "default", i)
	}
	return leaves
}

// TestVerifyOfEvents: with Tenant or with CheckLeaf, an entry that is no event of the
// tenant, or that was logged before, is named.
func TestVerifyOfEvents(t *testing.T) {
	for name, c := range map[string]struct {
		do  func([][]byte)
		bad int64
		why string
	}{
		"honest":            {func([][]byte) {}, -1, ""},
		"another tenant":    {func(l [][]byte) { l[300] = event(t, "other", 300) }, 300, "tenant"},
		"not an event":      {func(l [][]byte) { l[301] = []byte("{}") }, 301, "form"},
		"nothing":           {func(l [][]byte) { l[599] = []byte{} }, 599, "form"},
		"twice":             {func(l [][]byte) { l[400] = l[20] }, 400, "before it"},
		"twice, in a row":   {func(l [][]byte) { l[1] = l[0] }, 1, "before it"},
		"thrice":            {func(l [][]byte) { l[580], l[400] = l[20], l[20] }, 400, "before it"},
		"one id, two texts": {func(l [][]byte) { l[9] = []byte(strings.Replace(string(l[8]), "billing\"", "support\"", 1)) }, 9, "before it"},
		"several":           {func(l [][]byte) { l[300], l[299], l[500] = l[5], []byte("x"), event(t, "other", 9) }, 299, "form"},
	} {
		leaves := events(t, 600)
		c.do(leaves)
		tenant := verification(newLog(t, leaves))
		each := tenant
		tenant.Tenant, each.Each = "default", tree.CheckLeaf("default")
		for kind, v := range map[string]tree.Verification{"Tenant": tenant, "Each": each} {
			report, err := v.Run(t.Context())
			var bad *tree.BadError
			switch {
			case c.bad < 0 && (err != nil || report.Entries != 600):
				t.Errorf("%s, %s: %+v, %v", name, kind, report, err)
			case c.bad >= 0 && (!errors.As(err, &bad) || bad.Index != c.bad || !strings.Contains(bad.Why, c.why) || report.Entries != c.bad):
				t.Errorf("%s, %s: %+v, %v", name, kind, report, err)
			}
		}
	}
}

func TestVerifyOfEventsInAPrunedLog(t *testing.T) {
	l := newLog(t, events(t, 600))
	l.leaves[3], l.leaves[4], l.leaves[5] = nil, nil, nil
	v := verification(l)
	v.Tenant, v.Pruned = "default", 6
	if report, err := v.Run(t.Context()); err != nil || report.Entries != 597 || report.Pruned != 3 {
		t.Errorf("%+v, %v", report, err)
	}
}

// BenchmarkVerify checks a log of -entries realistic events in memory.
func BenchmarkVerify(b *testing.B) {
	l := newLog(b, events(b, *benchSize))
	for _, how := range []string{"Tenant", "CheckLeaf", "hashes"} {
		b.Run(how, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v := verification(l)
				switch how {
				case "Tenant":
					v.Tenant = "default"
				case "CheckLeaf":
					v.Each = tree.CheckLeaf("default")
				}
				if _, err := v.Run(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(*benchSize)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
