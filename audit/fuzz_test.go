package audit_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

// FuzzParsedLeavesAreCanonical: whatever parses is the leaf of what was parsed, is
// JSON and is one line of printable ASCII.
func FuzzParsedLeavesAreCanonical(f *testing.F) {
	for _, e := range vectors() {
		f.Add([]byte(leaf(f, e)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := audit.ParseLeaf(b)
		if err != nil {
			return
		}
		again, err := e.AppendLeaf(nil)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%q parses, but encodes as %q, %v", b, again, err)
		}
		if !json.Valid(b) || slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' }) {
			t.Fatalf("%q is not a line of JSON in ASCII", b)
		}
	})
}

// FuzzActorsRoundTrip: any name an actor may have comes back, and no two share a
// leaf.
func FuzzActorsRoundTrip(f *testing.F) {
	f.Add("https://id.example.org#svc")
	f.Add("a\"\\\n\x00\u2028\U0001f600")
	f.Fuzz(func(t *testing.T, actor string) {
		e := smallest()
		e.Actor = actor
		b, err := e.AppendLeaf(nil)
		if err != nil {
			return
		}
		back, err := audit.ParseLeaf(b)
		if err != nil || back.Actor != actor {
			t.Fatalf("%q came back as %q, %v", actor, back.Actor, err)
		}
	})
}

// TestEventsRoundTrip: every event that has a leaf comes back from it.
func TestEventsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := event().Draw(t, "event")
		b, err := want.AppendLeaf(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audit.ParseLeaf(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func event() *rapid.Generator[audit.Event] {
	return rapid.Custom(func(t *rapid.T) audit.Event {
		e := audit.Event{
			ID:      someID().Draw(t, "id"),
			Tenant:  rapid.StringMatching(`[a-z][a-z0-9-]{0,62}`).Draw(t, "tenant"),
			Time:    time.UnixMicro(rapid.Int64Range(-62135596799999999, 253402300799999999).Draw(t, "time")).UTC(),
			Request: maybeID().Draw(t, "request"),
			Actor:   rapid.StringN(1, 100, audit.MaxActor).Draw(t, "actor"),
			Action:  accessctl.Action(someName().Draw(t, "action")),
			UID:     maybeID().Draw(t, "uid"),
			Outcome: rapid.SampledFrom([]audit.Outcome{audit.Allowed, audit.Denied, audit.Failed}).Draw(t, "outcome"),
			Catalog: rapid.Int64Min(0).Draw(t, "catalog"),
			Policy:  rapid.Int64Min(0).Draw(t, "policy"),
			Writes:  rapid.SliceOfN(someWrite(), 0, 5).Draw(t, "writes"),
			Fields:  rapid.SliceOfN(someView(), 0, 10).Draw(t, "fields"),
		}
		if rapid.Bool().Draw(t, "more") {
			e.Purpose = accessctl.Purpose(someName().Draw(t, "purpose"))
			e.Code = someName().Draw(t, "code")
			e.Subject = []audit.Attr{{Key: "k", Value: rapid.StringMatching(`[A-Za-z0-9._:/+=-]{1,128}`).Draw(t, "value")}}
		}
		if e.Outcome == audit.Failed {
			e.Refers = maybeID().Draw(t, "refers")
		}
		slices.SortFunc(e.Fields, audit.FieldView.Compare)
		e.Fields = slices.CompactFunc(e.Fields, func(a, b audit.FieldView) bool { return a.Compare(b) == 0 })
		return e
	})
}

func someName() *rapid.Generator[string] { return rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`) }

func someID() *rapid.Generator[uuid.UUID] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) uuid.UUID {
		b[0] |= 1
		return uuid.UUID(b)
	})
}

func maybeID() *rapid.Generator[uuid.UUID] { return rapid.OneOf(someID(), rapid.Just(uuid.Nil)) }

func someWrite() *rapid.Generator[audit.Write] {
	return rapid.Custom(func(t *rapid.T) audit.Write {
		return audit.Write{
			Row:        someID().Draw(t, "row"),
			Revision:   rapid.Uint64Min(1).Draw(t, "revision"),
			Collection: rapid.Uint32Min(1).Draw(t, "collection"),
		}
	})
}

func someView() *rapid.Generator[audit.FieldView] {
	return rapid.Custom(func(t *rapid.T) audit.FieldView {
		return audit.FieldView{
			Collection: rapid.Uint32Min(1).Draw(t, "collection"),
			Field:      rapid.Uint32Min(1).Draw(t, "field"),
			View:       rapid.SampledFrom([]accessctl.View{accessctl.Hidden, accessctl.Masked, accessctl.Plain}).Draw(t, "view"),
			Reason:     rapid.SampledFrom([]accessctl.Reason{"", "policy", "consent", "restricted"}).Draw(t, "reason"),
			Count:      rapid.Uint32Min(1).Draw(t, "count"),
		}
	})
}
