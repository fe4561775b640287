package ledger_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault/ledger"
)

var appendVectors = flag.Bool("append-vectors", false, "append missing lines to the golden vectors")

var (
	entryID = uuid.MustParse("01932b5e-7c00-7000-8000-000000000001")
	eventID = uuid.MustParse("01932b5e-7c00-7000-8000-0000000000aa")
	person  = uuid.MustParse("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f")
	when    = time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC)
)

// plain is an entry of a kind that has no more than every entry has.
func plain(kind ledger.Kind) ledger.Entry {
	return ledger.Entry{
		ID: entryID, Kind: kind, Tenant: "default", Lookup: bytes.Repeat([]byte{0xaa}, 16), UID: person, Generation: 1,
		Event: eventID, At: when, MAC: bytes.Repeat([]byte{0xbb}, 32),
	}
}

func erase() ledger.Entry {
	e := plain(ledger.Erase)
	e.Certificate = []byte(`{"a":"certificate"}`)
	return e
}

func eraseGroups() ledger.Entry {
	e := plain(ledger.EraseGroups)
	e.Groups = []ledger.GroupEpoch{{Group: 2, Epoch: 2}, {Group: math.MaxUint32, Epoch: math.MaxUint32}}
	e.Certificate = []byte("c")
	return e
}

func withdraw() ledger.Entry {
	e := plain(ledger.Withdraw)
	e.Purpose, e.Decision = "marketing", ledger.Withdrawn
	return e
}

// biggest is the largest entry there is.
func biggest() ledger.Entry {
	e := plain(ledger.EraseGroups)
	e.Tenant = strings.Repeat("t", 63)
	for i := range ledger.MaxGroups {
		e.Groups = append(e.Groups, ledger.GroupEpoch{Group: uint32(i) + 1, Epoch: 2})
	}
	e.Certificate = make([]byte, ledger.MaxCertificate)
	return e
}

// vectors are the golden entries. Add new ones at the end; never change one.
func vectors() []ledger.Entry {
	refused := withdraw()
	refused.Decision, refused.Purpose = ledger.Refused, "p"
	object := plain(ledger.Object)
	object.Purpose = strings.Repeat("p", 63)
	first := plain(ledger.Erase)
	first.At, first.Tenant, first.Generation = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC), "t", math.MaxUint32
	last := plain(ledger.Release)
	last.At, last.Tenant = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), "t-0-"+strings.Repeat("x", 59)
	return []ledger.Entry{
		erase(), eraseGroups(), withdraw(), refused, object,
		plain(ledger.Restrict), plain(ledger.Unrestrict), plain(ledger.Hold), plain(ledger.Release), first, last,
	}
}

func form(t testing.TB, e ledger.Entry) []byte {
	t.Helper()
	b, err := e.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenVectors(t *testing.T) {
	var forms []string
	for _, e := range vectors() {
		forms = append(forms, hex.EncodeToString(form(t, e)))
	}
	for i, line := range golden(t, "entries.txt", forms) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ledger.Parse(b)
		if err != nil {
			t.Errorf("vector %d: %v", i, err)
		}
		if diff := cmp.Diff(vectors()[i], back); diff != "" {
			t.Errorf("vector %d (-entry +parsed):\n%s", i, diff)
		}
	}
}

// golden compares lines with a file of testdata, and returns the file's.
func golden(t *testing.T, name string, lines []string) []string {
	t.Helper()
	path := filepath.Join("testdata", name)
	text, err := os.ReadFile(path)
	if err != nil && !*appendVectors {
		t.Fatal(err)
	}
	stored := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		stored = nil
	}
	if *appendVectors && len(stored) < len(lines) {
		stored = append(stored, lines[len(stored):]...)
		if err := os.WriteFile(path, []byte(strings.Join(stored, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if len(stored) != len(lines) {
		t.Fatalf("%d lines in %s for %d vectors: run with -append-vectors, if they are new", len(stored), name, len(lines))
	}
	for i := range lines {
		if lines[i] != stored[i] {
			t.Errorf("%s, vector %d:\n got %s\nwant %s", name, i, lines[i], stored[i])
		}
	}
	return stored
}

func TestAppendRefusesWhatIsNoEntry(t *testing.T) {
	for _, c := range []struct {
		part   string
		base   func() ledger.Entry
		change func(*ledger.Entry)
	}{
		{"id", erase, func(e *ledger.Entry) { e.ID = uuid.Nil }},
		{"kind", erase, func(e *ledger.Entry) { e.Kind = "" }},
		{"kind", erase, func(e *ledger.Entry) { e.Kind = "Erase" }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = "" }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = "Acme" }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = "a_b" }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = "9a" }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = strings.Repeat("t", 64) }},
		{"tenant", erase, func(e *ledger.Entry) { e.Tenant = strings.Repeat("t", 256) }},
		{"lookup", erase, func(e *ledger.Entry) { e.Lookup = nil }},
		{"lookup", erase, func(e *ledger.Entry) { e.Lookup = make([]byte, 15) }},
		{"lookup", erase, func(e *ledger.Entry) { e.Lookup = make([]byte, 17) }},
		{"lookup", erase, func(e *ledger.Entry) { e.Lookup = make([]byte, 32) }},
		{"uid", erase, func(e *ledger.Entry) { e.UID = uuid.Nil }},
		{"generation", erase, func(e *ledger.Entry) { e.Generation = 0 }},
		{"event", erase, func(e *ledger.Entry) { e.Event = uuid.Nil }},
		{"time", erase, func(e *ledger.Entry) { e.At = time.Time{} }},
		{"time", erase, func(e *ledger.Entry) { e.At = when.Add(1) }},
		{"time", erase, func(e *ledger.Entry) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"time", erase, func(e *ledger.Entry) { e.At = time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC) }},
		{"MAC", erase, func(e *ledger.Entry) { e.MAC = nil }},
		{"MAC", erase, func(e *ledger.Entry) { e.MAC = make([]byte, 33) }},
		{"certificate", erase, func(e *ledger.Entry) { e.Certificate = make([]byte, ledger.MaxCertificate+1) }},
		{"certificate", withdraw, func(e *ledger.Entry) { e.Certificate = []byte("c") }},
		{"groups", erase, func(e *ledger.Entry) { e.Groups = []ledger.GroupEpoch{{Group: 1, Epoch: 2}} }},
		{"groups", withdraw, func(e *ledger.Entry) { e.Groups = []ledger.GroupEpoch{{Group: 1, Epoch: 2}} }},
		{"groups", eraseGroups, func(e *ledger.Entry) { e.Groups = nil }},
		{"groups", eraseGroups, func(e *ledger.Entry) { e.Groups[0].Group = 0 }},
		{"groups", eraseGroups, func(e *ledger.Entry) { e.Groups[0].Epoch = 1 }},
		{"groups", eraseGroups, func(e *ledger.Entry) { e.Groups[1].Group = 2 }},
		{"groups", eraseGroups, func(e *ledger.Entry) { e.Groups[0], e.Groups[1] = e.Groups[1], e.Groups[0] }},
		{"groups", biggest, func(e *ledger.Entry) {
			e.Groups = append(e.Groups, ledger.GroupEpoch{Group: ledger.MaxGroups + 1, Epoch: 2})
		}},
		{"decision", withdraw, func(e *ledger.Entry) { e.Decision = "" }},
		{"decision", withdraw, func(e *ledger.Entry) { e.Decision = "granted" }},
		{"decision", erase, func(e *ledger.Entry) { e.Decision = ledger.Withdrawn }},
		{"purpose", withdraw, func(e *ledger.Entry) { e.Purpose = "" }},
		{"purpose", withdraw, func(e *ledger.Entry) { e.Purpose = "a-b" }},
		{"purpose", withdraw, func(e *ledger.Entry) { e.Purpose = strings.Repeat("p", 64) }},
		{"purpose", erase, func(e *ledger.Entry) { e.Purpose = "marketing" }},
	} {
		e := c.base()
		c.change(&e)
		b, err := e.Append([]byte("before"))
		if !errors.Is(err, ledger.ErrEntry) || !strings.HasSuffix(err.Error(), ": "+c.part) || string(b) != "before" {
			t.Errorf("%s: %q, %v, want ErrEntry and the part's name", c.part, b, err)
		}
		if s := e.Signed(); (s == nil) != (c.part != "MAC") {
			t.Errorf("%s: Signed returned %d bytes", c.part, len(s))
		}
	}
}

func TestParseRefusesWhatIsNoEntry(t *testing.T) {
	good, groups, decided := form(t, erase()), form(t, eraseGroups()), form(t, withdraw())
	const (
		tenant = 2 + 16 + 8 + 16 // offset of its length
		body   = tenant + 1 + len("default") + ledger.LookupSize + 16 + 4
	)
	set := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	for name, bad := range map[string][]byte{
		"empty":                 {},
		"version alone":         {1},
		"version 0":             set(good, 0, 0),
		"no kind":               set(good, 1, 0),
		"unknown kind":          set(good, 1, 9),
		"another kind":          set(good, 1, 5),
		"nil id":                set(good, 2, make([]byte, 16)...),
		"time out of range":     set(good, 18, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"time before year 1":    set(good, 18, 0x80),
		"nil event":             set(good, 26, make([]byte, 16)...),
		"no tenant":             set(good, tenant, 0),
		"tenant in capitals":    set(good, tenant+1, 'D'),
		"tenant past the end":   set(good, tenant, 255),
		"nil uid":               set(good, body-20, make([]byte, 16)...),
		"generation 0":          set(good, body-4, 0, 0, 0, 0),
		"certificate past end":  set(good, body, 0, 0, 0, 255),
		"certificate too long":  set(good, body, 0xff, 0xff, 0xff, 0xff),
		"certificate shorter":   set(good, body, 0, 0, 0, 1),
		"no groups":             set(groups, body, 0, 0),
		"groups past the end":   set(groups, body, 0, 255),
		"too many groups":       set(groups, body, 255, 255),
		"group 0":               set(groups, body+2, 0, 0, 0, 0),
		"epoch 1":               set(groups, body+6, 0, 0, 0, 1),
		"a group twice":         set(groups, body+10, 0, 0, 0, 2),
		"no decision":           set(decided, body, 0),
		"unknown decision":      set(decided, body, 3),
		"purpose with a dash":   set(decided, body+3, '-'),
		"cut":                   good[:len(good)-1],
		"one byte more":         append(bytes.Clone(good), 0),
		"two entries":           append(bytes.Clone(good), good...),
		"longer than any entry": append(bytes.Clone(good), make([]byte, ledger.MaxEntry)...),
	} {
		e, err := ledger.Parse(bad)
		if !errors.Is(err, ledger.ErrEntry) {
			t.Errorf("%s: %v, want ErrEntry", name, err)
		}
		if diff := cmp.Diff(ledger.Entry{}, e); diff != "" {
			t.Errorf("%s: an entry came back: %s", name, diff)
		}
	}
	for _, version := range []byte{2, 255} {
		if _, err := ledger.Parse(set(good, 0, version)); !errors.Is(err, ledger.ErrNewer) {
			t.Errorf("version %d: %v, want ErrNewer", version, err)
		}
	}
	for n := range good {
		if _, err := ledger.Parse(good[:n]); !errors.Is(err, ledger.ErrEntry) {
			t.Errorf("%d bytes: %v, want ErrEntry", n, err)
		}
	}
}

func TestTheBiggestEntryFits(t *testing.T) {
	b := form(t, biggest())
	if len(b) > ledger.MaxEntry {
		t.Errorf("%d bytes, more than MaxEntry", len(b))
	}
	if _, err := ledger.Parse(b); err != nil {
		t.Error(err)
	}
}

// Whatever is changed in an entry, other bytes are signed; the MAC is not among them.
func TestSignedIsAllButTheMAC(t *testing.T) {
	seen := map[string]int{}
	for i, e := range vectors() {
		s := string(e.Signed())
		if b := form(t, e); s+string(e.MAC) != string(b) {
			t.Errorf("vector %d: Signed is not all before the MAC", i)
		}
		if j, ok := seen[s]; ok {
			t.Errorf("vectors %d and %d sign the same", i, j)
		}
		seen[s] = i
		e.MAC = nil
		if string(e.Signed()) != s {
			t.Errorf("vector %d: what is signed depends on the MAC", i)
		}
	}
	for i, good := range vectors() {
		b := form(t, good)
		for at := range len(b) - 32 {
			for bit := range 8 {
				bad := bytes.Clone(b)
				bad[at] ^= 1 << bit
				if e, err := ledger.Parse(bad); err == nil && bytes.Equal(e.Signed(), good.Signed()) {
					t.Fatalf("vector %d, byte %d, bit %d: not signed", i, at, bit)
				}
			}
		}
	}
}

func TestTheInstantCountsNotTheZone(t *testing.T) {
	e := erase()
	e.At = e.At.In(time.FixedZone("", 3600))
	if !bytes.Equal(form(t, e), form(t, erase())) {
		t.Error("another zone gave another form")
	}
}

// TestNoErrorHoldsAValue: errors name parts, never contents.
func TestNoErrorHoldsAValue(t *testing.T) {
	e := erase()
	e.Tenant = "Canary"
	_, err := e.Append(nil)
	if err == nil || strings.Contains(err.Error(), "anary") {
		t.Errorf("error %v", err)
	}
	_, err = ledger.Parse(bytes.Replace(form(t, erase()), []byte("default"), []byte("Canary!"), 1))
	if err == nil || strings.Contains(err.Error(), "anary") {
		t.Errorf("error %v", err)
	}
}

func TestParseKeepsNothing(t *testing.T) {
	b := form(t, eraseGroups())
	e, err := ledger.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if diff := cmp.Diff(eraseGroups(), e); diff != "" {
		t.Error(diff)
	}
}
