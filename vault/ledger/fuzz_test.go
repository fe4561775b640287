package ledger_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/ledger"
	"github.com/fieldvault/fieldvault/vault/ledger/ledgertest"
)

// FuzzParsedEntriesAreCanonical: whatever parses is the form of what was parsed.
func FuzzParsedEntriesAreCanonical(f *testing.F) {
	for _, e := range vectors() {
		f.Add(form(f, e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ledger.Parse(b)
		if err != nil {
			return
		}
		again, err := e.Append(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x parses, but is written as %x, %v", b, again, err)
		}
	})
}

// FuzzOpenedFilesAreWhole: whatever opens reads to its end, takes an entry more
// and opens again with it.
func FuzzOpenedFilesAreWhole(f *testing.F) {
	path := filepath.Join(f.TempDir(), "seed")
	l, err := ledger.CreateFile(f.Context(), path, person, ledger.FileConfig{})
	if err != nil {
		f.Fatal(err)
	}
	if err := l.Append(f.Context(), []ledger.Entry{erase()}); err != nil {
		f.Fatal(err)
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-1])
	f.Add(seed[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(quickDir(t), "ledger")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := ledger.OpenFile(t.Context(), path, ledger.FileConfig{})
		if err != nil {
			return
		}
		all := ledgertest.All(t, l)
		if err := l.Append(t.Context(), ledgertest.Entries(1)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openFile(t, path)
		if d := cmp.Diff(all, ledgertest.All(t, l)[:len(all)], cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// TestEntriesRoundTrip: every entry that has a form comes back from it.
func TestEntriesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := entry().Draw(t, "entry")
		b, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.Parse(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

func entry() *rapid.Generator[ledger.Entry] {
	return rapid.Custom(func(t *rapid.T) ledger.Entry {
		e := ledger.Entry{
			ID:         someID().Draw(t, "id"),
			Kind:       rapid.SampledFrom(allKinds()).Draw(t, "kind"),
			Tenant:     rapid.StringMatching(`[a-z][a-z0-9-]{0,62}`).Draw(t, "tenant"),
			Lookup:     rapid.SliceOfN(rapid.Byte(), ledger.LookupSize, ledger.LookupSize).Draw(t, "lookup"),
			UID:        someID().Draw(t, "uid"),
			Generation: rapid.Uint32Min(1).Draw(t, "generation"),
			Event:      someID().Draw(t, "event"),
			At:         time.UnixMicro(rapid.Int64Range(-62135596799999999, 253402300799999999).Draw(t, "time")).UTC(),
			MAC:        rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "mac"),
		}
		switch e.Kind {
		case ledger.EraseGroups:
			for g := range rapid.Uint32Range(1, 300).Draw(t, "groups") {
				if g%7 == 0 {
					e.Groups = append(e.Groups, ledger.GroupEpoch{Group: g + 1, Epoch: rapid.Uint32Min(2).Draw(t, "epoch")})
				}
			}
			fallthrough
		case ledger.Erase:
			e.Certificate = rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "certificate")
		case ledger.Withdraw:
			e.Decision = rapid.SampledFrom([]string{ledger.Withdrawn, ledger.Refused}).Draw(t, "decision")
			e.Purpose = rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`).Draw(t, "purpose")
		case ledger.Object:
			e.Purpose = rapid.StringMatching(`[a-z][a-z0-9_]{0,62}`).Draw(t, "purpose")
		default: // the others have no more
		}
		return e
	})
}

func allKinds() []ledger.Kind {
	return []ledger.Kind{
		ledger.Erase, ledger.EraseGroups, ledger.Withdraw, ledger.Object,
		ledger.Restrict, ledger.Unrestrict, ledger.Hold, ledger.Release,
	}
}

func someID() *rapid.Generator[uuid.UUID] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) uuid.UUID {
		b[0] |= 1
		return uuid.UUID(b)
	})
}
