package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit"
)

var appendVectors = flag.Bool("append-vectors", false, "append missing lines to the golden vectors")

func id(s string) uuid.UUID { return uuid.MustParse(s) }

var (
	eventID   = id("01932b5e-7c00-7000-8000-000000000001")
	requestID = id("01932b5e-7c00-7000-8000-0000000000aa")
	person    = id("5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f")
	row       = id("fb0d7c1e-95a8-4a53-8a51-7d4f1f3c2b1a")
	when      = time.Date(2026, 11, 2, 9, 30, 0, 123456000, time.UTC)
)

func smallest() audit.Event {
	return audit.Event{
		ID: eventID, Tenant: "t", Time: time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC),
		Actor: "local:root", Action: "configure", Outcome: audit.Allowed,
	}
}

func reveal() audit.Event {
	return audit.Event{
		ID: eventID, Tenant: "default", Time: when, Request: requestID,
		Actor: "https://id.example.org#billing-service", Action: accessctl.ActionReveal, Purpose: "billing",
		UID: person, Outcome: audit.Allowed, Catalog: 3, Policy: 7,
		Fields: []audit.FieldView{
			{Collection: 1, Field: 11, View: accessctl.Plain, Count: 1},
			{Collection: 1, Field: 12, View: accessctl.Masked, Reason: accessctl.ReasonPolicy, Count: 1},
			{Collection: 1, Field: 13, View: accessctl.Hidden, Reason: accessctl.ReasonConsent, Count: 1},
		},
	}
}

// vectors are the golden events. Add new ones at the end; never change one.
func vectors() []audit.Event {
	write := reveal()
	write.Action, write.Fields = accessctl.ActionWrite, nil
	write.Writes = []audit.Write{
		{Row: row, Revision: 1, Collection: 1},
		{Row: person, Revision: math.MaxUint64, Collection: math.MaxUint32},
	}
	failed := reveal()
	failed.Outcome, failed.Code, failed.Refers = audit.Failed, "integrity", id("01932b5e-7c00-7000-8000-000000000000")
	failed.Fields = nil
	erased := reveal()
	erased.Action, erased.Purpose, erased.Fields = accessctl.ActionErase, "", nil
	erased.Actor = "self:" + person.String()
	erased.Subject = []audit.Attr{{Key: "digest", Value: "sha256:00ff+/="}, {Key: "group", Value: "marketing"}}
	denied := smallest()
	denied.Outcome, denied.Code, denied.Time = audit.Denied, "not_found", time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)
	odd := smallest()
	odd.Actor = "a\"b\\c\nd\x1b[31m\x00\x7fé\u2028\u202e\U0001f600\ufffd"
	odd.Time = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
	return []audit.Event{smallest(), reveal(), write, failed, erased, denied, odd}
}

func leaf(t testing.TB, e audit.Event) string {
	t.Helper()
	b, err := e.AppendLeaf(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGoldenVectors(t *testing.T) {
	path := filepath.Join("testdata", "leaves.txt")
	text, err := os.ReadFile(path)
	if err != nil && !*appendVectors {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		lines = nil
	}
	for i, e := range vectors() {
		got := leaf(t, e)
		if i >= len(lines) && *appendVectors {
			lines = append(lines, got)
		}
		if i >= len(lines) {
			t.Fatalf("vector %d is missing: run with -append-vectors", i)
		}
		if got != lines[i] {
			t.Errorf("vector %d:\n got %s\nwant %s", i, got, lines[i])
		}
		back, err := audit.ParseLeaf([]byte(lines[i]))
		if err != nil {
			t.Errorf("vector %d: %v", i, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("vector %d (-event +parsed):\n%s", i, diff)
		}
	}
	if len(lines) != len(vectors()) {
		t.Errorf("%d lines for %d vectors", len(lines), len(vectors()))
	}
	if *appendVectors {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExampleOfTheFormat keeps FORMAT.md honest.
func TestExampleOfTheFormat(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "broken here for the page:\n\n")
	example, _, _ = strings.Cut(example, "\n\n")
	if got := strings.NewReplacer("\n", "", "    ", "").Replace(example); got != leaf(t, reveal()) {
		t.Errorf("FORMAT.md shows\n%s\nbut the leaf is\n%s", got, leaf(t, reveal()))
	}
}

func TestAppendLeafRefusesWhatIsNoEvent(t *testing.T) {
	many := func(n int) []audit.FieldView {
		list := make([]audit.FieldView, n)
		for i := range list {
			list[i] = audit.FieldView{Collection: 1, Field: uint32(i + 1), Count: 1}
		}
		return list
	}
	for name, change := range map[string]func(*audit.Event){
		"no id":                  func(e *audit.Event) { e.ID = uuid.Nil },
		"no tenant":              func(e *audit.Event) { e.Tenant = "" },
		"tenant in capitals":     func(e *audit.Event) { e.Tenant = "Default" },
		"tenant too long":        func(e *audit.Event) { e.Tenant = strings.Repeat("t", 64) },
		"tenant with quote":      func(e *audit.Event) { e.Tenant = `t"` },
		"no time":                func(e *audit.Event) { e.Time = time.Time{} },
		"time of nanoseconds":    func(e *audit.Event) { e.Time = e.Time.Add(1) },
		"year 10000":             func(e *audit.Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year 0":                 func(e *audit.Event) { e.Time = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year 10000 in UTC":      func(e *audit.Event) { e.Time = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)) },
		"no actor":               func(e *audit.Event) { e.Actor = "" },
		"actor too long":         func(e *audit.Event) { e.Actor = strings.Repeat("a", audit.MaxActor+1) },
		"actor not UTF-8":        func(e *audit.Event) { e.Actor = "a\xff" },
		"no action":              func(e *audit.Event) { e.Action = "" },
		"action with blank":      func(e *audit.Event) { e.Action = "re veal" },
		"purpose in capitals":    func(e *audit.Event) { e.Purpose = "Billing" },
		"purpose with quote":     func(e *audit.Event) { e.Purpose = `billing"` },
		"no outcome":             func(e *audit.Event) { e.Outcome = "" },
		"unknown outcome":        func(e *audit.Event) { e.Outcome = "permitted" },
		"code is a sentence":     func(e *audit.Event) { e.Code = "not found: c-17" },
		"catalog below 0":        func(e *audit.Event) { e.Catalog = -1 },
		"policy below 0":         func(e *audit.Event) { e.Policy = math.MinInt64 },
		"refers when allowed":    func(e *audit.Event) { e.Refers = requestID },
		"write without row":      func(e *audit.Event) { e.Writes = []audit.Write{{Revision: 1, Collection: 1}} },
		"write without revision": func(e *audit.Event) { e.Writes = []audit.Write{{Row: row, Collection: 1}} },
		"write of no collection": func(e *audit.Event) { e.Writes = []audit.Write{{Row: row, Revision: 1}} },
		"too many writes":        func(e *audit.Event) { e.Writes = make([]audit.Write, audit.MaxWrites+1) },
		"view of no collection":  func(e *audit.Event) { e.Fields[0].Collection = 0 },
		"view of no field":       func(e *audit.Event) { e.Fields[0].Field = 0 },
		"view of no record":      func(e *audit.Event) { e.Fields[0].Count = 0 },
		"unknown view":           func(e *audit.Event) { e.Fields[0].View = 3 },
		"reason is a sentence":   func(e *audit.Event) { e.Fields[0].Reason = "no, c-17" },
		"views out of order":     func(e *audit.Event) { e.Fields[0], e.Fields[1] = e.Fields[1], e.Fields[0] },
		"a view twice":           func(e *audit.Event) { e.Fields[1] = e.Fields[0] },
		"too many views":         func(e *audit.Event) { e.Fields = many(audit.MaxFields + 1) },
		"attribute without key":  func(e *audit.Event) { e.Subject = []audit.Attr{{Value: "v"}} },
		"attribute empty":        func(e *audit.Event) { e.Subject = []audit.Attr{{Key: "k"}} },
		"attribute an address":   func(e *audit.Event) { e.Subject = []audit.Attr{{Key: "k", Value: "a@example.org"}} },
		"attribute with blank":   func(e *audit.Event) { e.Subject = []audit.Attr{{Key: "k", Value: "a b"}} },
		"attribute too long":     func(e *audit.Event) { e.Subject = []audit.Attr{{Key: "k", Value: strings.Repeat("v", 129)}} },
		"attributes unsorted":    func(e *audit.Event) { e.Subject = []audit.Attr{{"b", "1"}, {"a", "1"}} },
		"an attribute twice":     func(e *audit.Event) { e.Subject = []audit.Attr{{"a", "1"}, {"a", "2"}} },
		"too many attributes":    func(e *audit.Event) { e.Subject = make([]audit.Attr, audit.MaxAttrs+1) },
	} {
		t.Run(name, func(t *testing.T) {
			e := reveal()
			change(&e)
			b, err := e.AppendLeaf([]byte("before"))
			if !errors.Is(err, audit.ErrEvent) || string(b) != "before" {
				t.Errorf("got %q, %v; want the slice as it was and ErrEvent", b, err)
			}
		})
	}
}

func TestParseLeafRefusesWhatIsNoLeaf(t *testing.T) {
	good := leaf(t, reveal())
	change := func(old, new string) string {
		t.Helper()
		if strings.Count(good, old) != 1 {
			t.Fatalf("%q does not occur once", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, bad := range map[string]string{
		"empty":                "",
		"null":                 "null",
		"empty object":         "{}",
		"trailing line end":    good + "\n",
		"trailing member":      good[:len(good)-1] + `,"x":1}`,
		"two leaves":           good + good,
		"cut":                  good[:len(good)-1],
		"byte order mark":      "\ufeff" + good,
		"no version":           change(`"v":1,`, ``),
		"version 2":            change(`"v":1`, `"v":2`),
		"version 01":           change(`"v":1`, `"v":01`),
		"version as text":      change(`"v":1`, `"v":"1"`),
		"white space":          change(`"v":1,`, `"v":1, `),
		"other order":          change(`{"v":1,"id":"01932b5e-7c00-7000-8000-000000000001"`, `{"id":"01932b5e-7c00-7000-8000-000000000001","v":1`),
		"a member twice":       change(`,"catalog":3`, `,"catalog":3,"catalog":3`),
		"capitals in an id":    change(`5f0c8a52`, `5F0C8A52`),
		"id in braces":         change(`"5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f"`, `"{5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4}"`),
		"id without dashes":    change(`5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f`, `5f0c8a523a554f0e9a530c6f3b1d2e4f`),
		"nil id":               change(`5f0c8a52-3a55-4f0e-9a53-0c6f3b1d2e4f`, uuid.Nil.String()),
		"empty member":         change(`,"outcome"`, `,"code":"","outcome"`),
		"empty member, later":  change(`,"catalog"`, `,"code":"","catalog"`),
		"empty list":           change(`,"catalog":3`, `,"catalog":3,"writes":[]`),
		"null member":          change(`,"catalog":3`, `,"catalog":null`),
		"catalog 0":            change(`"catalog":3`, `"catalog":0`),
		"leading zero":         change(`"catalog":3`, `"catalog":03`),
		"sign":                 change(`"catalog":3`, `"catalog":+3`),
		"below zero":           change(`"catalog":3`, `"catalog":-3`),
		"fraction":             change(`"catalog":3`, `"catalog":3.0`),
		"exponent":             change(`"catalog":3`, `"catalog":3e0`),
		"beyond 63 bits":       change(`"catalog":3`, `"catalog":9223372036854775808`),
		"beyond 32 bits":       change(`[1,11,`, `[4294967297,11,`),
		"time without micros":  change(`.123456Z`, `Z`),
		"time with 9 digits":   change(`.123456Z`, `.123456000Z`),
		"time with offset":     change(`.123456Z`, `.123456+00:00`),
		"February 30":          change(`2026-11-02`, `2026-02-30`),
		"comma in time":        change(`00.123456Z`, `00,123456Z`),
		"needless escape":      change(`billing-service`, `\u0062illing-service`),
		"escaped solidus":      change(`https://id`, `https:\/\/id`),
		"short escape":         change(`billing-service`, `billing\nservice`),
		"capital escape":       change(`billing-service`, `billing\u000Aservice`),
		"raw line break":       change(`billing-service`, "billing\nservice"),
		"raw non-ASCII":        change(`billing-service`, "billing\u00e9service"),
		"not UTF-8":            change(`billing-service`, "billing\xffservice"),
		"not UTF-8, escaped":   change(`billing-service`, "billing\\\"\xffservice"),
		"lone surrogate":       change(`billing-service`, `billing\ud800service`),
		"lone low surrogate":   change(`billing-service`, `billing\udc00service`),
		"broken escape":        change(`billing-service`, `billing\u00`),
		"open string":          change(`"#billing`[1:], `\`),
		"unknown view":         change(`"masked"`, `"shown"`),
		"view in capitals":     change(`"masked"`, `"Masked"`),
		"view twice":           change(`[1,12,"masked","policy",1]`, `[1,11,"plain","",2]`),
		"short view":           change(`[1,11,"plain","",1]`, `[1,11,"plain",""]`),
		"long view":            change(`[1,11,"plain","",1]`, `[1,11,"plain","",1,1]`),
		"trailing comma":       change(`"consent",1]]`, `"consent",1],]`),
		"unknown outcome":      change(`"allowed"`, `"granted"`),
		"refers when allowed":  good[:len(good)-1] + `,"refers":"` + eventID.String() + `"}`,
		"row of padded base64": change(`,"fields"`, `,"writes":[[1,"-w18HpWoSlOKUX1PHzwrGg==",1]],"fields"`),
		"row with spare bits":  change(`,"fields"`, `,"writes":[[1,"-w18HpWoSlOKUX1PHzwrGh",1]],"fields"`),
		"row with line break":  change(`,"fields"`, `,"writes":[[1,"-w18HpWoSlOKUX1PHz`+"\n"+`rGg",1]],"fields"`),
		"too long":             `{"v":1` + strings.Repeat(" ", audit.MaxLeaf),
	} {
		t.Run(name, func(t *testing.T) {
			e, err := audit.ParseLeaf([]byte(bad))
			if !errors.Is(err, audit.ErrLeaf) {
				t.Errorf("error %v, want ErrLeaf", err)
			}
			if diff := cmp.Diff(audit.Event{}, e); diff != "" {
				t.Errorf("an event came back: %s", diff)
			}
		})
	}
}

// TestNoErrorHoldsAValue: errors name parts, never contents.
func TestNoErrorHoldsAValue(t *testing.T) {
	e := reveal()
	e.Subject = []audit.Attr{{Key: "k", Value: "canary value"}}
	_, err := e.AppendLeaf(nil)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
	_, err = audit.ParseLeaf([]byte(strings.Replace(leaf(t, reveal()), `"reveal"`, `"canary value"`, 1)))
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
}

func TestEveryFlippedByteIsSeen(t *testing.T) {
	for _, e := range vectors() {
		good := []byte(leaf(t, e))
		for i := range good {
			for bit := range 8 {
				bad := bytes.Clone(good)
				bad[i] ^= 1 << bit
				got, err := audit.ParseLeaf(bad)
				if err == nil && cmp.Equal(got, e) {
					t.Fatalf("byte %d, bit %d: the same event from another leaf", i, bit)
				}
			}
		}
	}
}

func TestNoActorLeavesItsPlace(t *testing.T) {
	for _, actor := range []string{
		"a\nb", "a\r\nb", "a\x1b[2J\x1b[31mb", `a","outcome":"denied`, `a\`, `a\"`, "a\x00b", "a\x7fb",
		"a\u0085b", "a\u2028b", "a\u2029b", "a\u202eb\u2066c", "\ufeffa", "ａ", "\U0010ffff", "</script><script>",
	} {
		e := reveal()
		e.Actor = actor
		got := leaf(t, e)
		for _, c := range []byte(got) {
			if c < ' ' || c > '~' {
				t.Errorf("%q: byte %#x in the leaf", actor, c)
			}
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(got), &doc); err != nil {
			t.Errorf("%q: %v", actor, err)
		}
		if doc["actor"] != actor || doc["outcome"] != "allowed" {
			t.Errorf("%q reads %q, outcome %v", actor, doc["actor"], doc["outcome"])
		}
	}
}

func TestAppendLeafAppends(t *testing.T) {
	e := reveal()
	b, err := e.AppendLeaf([]byte("before"))
	if err != nil || string(b) != "before"+leaf(t, e) {
		t.Errorf("got %q, %v", b, err)
	}
}

// TestAppendLeafAllocatesOnce: the leaf is written while a request waits.
func TestAppendLeafAllocatesOnce(t *testing.T) {
	escapes := smallest()
	escapes.Actor = strings.Repeat("\x00", audit.MaxActor)
	for i, e := range append(vectors(), biggest(), escapes) {
		if n := testing.AllocsPerRun(20, func() { _, _ = e.AppendLeaf(nil) }); n > 1 {
			t.Errorf("vector %d: %v allocations", i, n)
		}
		room := make([]byte, 0, 4*audit.MaxLeaf)
		if n := testing.AllocsPerRun(20, func() { _, _ = e.AppendLeaf(room) }); n > 0 {
			t.Errorf("vector %d: %v allocations with room", i, n)
		}
	}
}

// biggest is the largest event that the constants' comment promises to fit.
func biggest() audit.Event {
	long := strings.Repeat("x", 63)
	e := audit.Event{
		ID: eventID, Tenant: long, Time: when, Request: requestID, Actor: strings.Repeat("\x00", audit.MaxActor),
		Action: accessctl.Action(long), Purpose: accessctl.Purpose(long), UID: person, Outcome: audit.Failed, Code: long,
		Catalog: math.MaxInt64, Policy: math.MaxInt64, Refers: requestID,
	}
	for range audit.MaxWrites {
		e.Writes = append(e.Writes, audit.Write{Row: row, Revision: 1<<53 - 1, Collection: math.MaxUint32})
	}
	for i := range 32 {
		e.Fields = append(e.Fields, audit.FieldView{
			Collection: math.MaxUint32, Field: math.MaxUint32 - 32 + uint32(i), View: accessctl.Masked,
			Reason: accessctl.ReasonRestricted, Count: math.MaxUint32,
		})
	}
	for i := range audit.MaxAttrs {
		key := string(rune('a'+i)) + long[1:]
		e.Subject = append(e.Subject, audit.Attr{Key: key, Value: strings.Repeat("v", audit.MaxAttr)})
	}
	return e
}

func TestAFullBatchFits(t *testing.T) {
	if n := len(leaf(t, biggest())); n > audit.MaxLeaf {
		t.Errorf("%d bytes", n)
	}
	e := reveal()
	e.Fields = nil
	for i := range 1000 {
		e.Fields = append(e.Fields, audit.FieldView{
			Collection: math.MaxUint32, Field: math.MaxUint32 - 1000 + uint32(i), View: accessctl.Masked,
			Reason: accessctl.ReasonRestricted, Count: math.MaxUint32,
		})
	}
	leaf(t, e)
}

func TestALeafBeyondItsSizeIsRefused(t *testing.T) {
	e := biggest()
	e.Fields = slices.Clone(e.Fields)
	for i := range 200 {
		e.Fields = slices.Insert(e.Fields, i, audit.FieldView{Collection: 1, Field: uint32(i + 1), Count: 1})
	}
	if b, err := e.AppendLeaf(nil); !errors.Is(err, audit.ErrEvent) || b != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestTheInstantCountsNotTheZone(t *testing.T) {
	e := reveal()
	e.Time = e.Time.In(time.FixedZone("", 3600))
	if leaf(t, e) != leaf(t, reveal()) {
		t.Error("another zone gave another leaf")
	}
}

func TestCompareSorts(t *testing.T) {
	want := []audit.FieldView{
		{Collection: 1, Field: 1, View: accessctl.Hidden, Reason: "consent", Count: 1},
		{Collection: 1, Field: 1, View: accessctl.Hidden, Reason: "policy", Count: 1},
		{Collection: 1, Field: 1, View: accessctl.Masked, Reason: "consent", Count: 1},
		{Collection: 1, Field: 1, View: accessctl.Plain, Count: 9},
		{Collection: 1, Field: 2, View: accessctl.Hidden, Count: 1},
		{Collection: 2, Field: 1, View: accessctl.Hidden, Count: 1},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, audit.FieldView.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	e := reveal()
	e.Fields = got
	leaf(t, e)
}
