package vault_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/vault"
)

// A decided27560 is a decision whose receipt is looked at.
type decided27560 struct {
	by accessctl.Role // "": the person
	d  vault.Decided
}

// controller27560 states all that receipts say of a controller.
const controller27560 = `controller:
  name: Example Ltd
  contact: privacy@example.org
  address: 1 Example Street, Example
  jurisdiction: EU
  storage_locations: [Ireland, Germany]
`

// decisions27560 are of every kind that there is, in an order in which they may come.
func decisions27560(now time.Time) []decided27560 {
	return []decided27560{
		{"", vault.Decided{Purpose: "news", Decision: "granted", Method: "portal"}},
		{"", vault.Decided{Purpose: "news", Decision: "granted", Method: "form", Language: "de", Expires: now.Add(90 * time.Minute)}},
		{"app", vault.Decided{Purpose: "news", Decision: "refused", Method: "api"}},
		{"app", vault.Decided{Purpose: "news", Decision: "granted"}},
		{"", vault.Decided{Purpose: "news", Decision: "withdrawn", Method: "gpc"}},
		{"dpo", vault.Decided{Purpose: "stats", Decision: "granted", Method: "import", Notice: "1"}},
		{"", vault.Decided{Purpose: "stats", Decision: "objected", Method: "portal"}},
		{"dpo", vault.Decided{Purpose: "stats", Decision: "overruled"}},
		{"", vault.Decided{Purpose: "offers", Decision: "objected", Method: "gpc"}},
		{"", vault.Decided{Purpose: "offers", Decision: "granted", Method: "portal"}},
		{"", vault.Decided{Purpose: "health", Decision: "granted", Explicit: true, Method: "portal"}},
		{"", vault.Decided{Purpose: "health", Decision: "withdrawn", Method: "portal"}},
		{"", vault.Decided{Purpose: "games", Decision: "granted", Age: 15, Guardian: true, Method: "form"}},
		{"", vault.Decided{Purpose: "games", Decision: "refused", Method: "form"}},
	}
}

// receipts27560 makes one receipt of each by the real core, under a catalog that names
// this controller.
func receipts27560(t *testing.T, named string) [][]byte {
	t.Helper()
	v := rightsVault(t)
	if named != "" {
		republish(t, v, "title: Shop\n", "title: Shop\n"+named)
	}
	var all [][]byte
	for _, c := range decisions27560(v.Clock.Now()) {
		caller := v.Person("c-1", "")
		if c.by != "" {
			caller = v.As(c.by, "")
		}
		c.d.Subject = "c-1"
		v.Clock.Advance(time.Minute)
		doc, err := v.RecordConsent(t.Context(), caller, c.d)
		if err != nil {
			t.Fatalf("%+v: %v", c.d, err)
		}
		if err := evidence.Verify(doc, v.VerifierKey()); err != nil {
			t.Errorf("%+v: %v", c.d, err)
		}
		all = append(all, doc)
	}
	return all
}

// TestReceiptFields: the receipt of every kind of decision has the mandatory fields of
// ISO/IEC TS 27560:2023 in their forms, and says them with terms that exist.
func TestReceiptFields(t *testing.T) {
	c := newISO27560(t)
	for name, controller := range map[string]string{"nobody": "", "a controller": controller27560} {
		t.Run(name, func(t *testing.T) {
			for i, doc := range receipts27560(t, controller) {
				for _, wrong := range c.check(doc) {
					t.Errorf("receipt %d: %s", i, wrong)
				}
				old := name == "nobody" || strings.Contains(string(doc), `"privacy_notice":{"version":"1"`) // the first names nobody
				if got := strings.Count(string(doc), "not stated in the notice"); old != (got == 4) || !old && got > 0 {
					t.Errorf("receipt %d of notice 1 %v leaves %d fields unstated", i, old, got)
				}
			}
		})
	}
}

// TestReceiptFieldsFail: the check finds every required field that is left out, every time
// and id that is damaged, every line of the context that is lost and every term that is none.
func TestReceiptFieldsFail(t *testing.T) {
	c := newISO27560(t)
	doc := receipts27560(t, controller27560)[1] // it has all there is: an end, and a language that is not the catalog's
	tried := 0
	try := func(section, name string, change func(object), want string) {
		t.Helper()
		var receipt object
		if err := json.Unmarshal(doc, &receipt); err != nil {
			t.Fatal(err)
		}
		for _, p := range parts27560(receipt, nil) {
			if p.section == section {
				change(p.json)
				break
			}
		}
		changed, err := json.Marshal(receipt)
		if err != nil {
			t.Fatal(err)
		}
		tried++
		if wrong := c.check(changed); !slices.ContainsFunc(wrong, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("%s.%s: %q, want one that begins with %q", section, name, wrong, want)
		}
	}
	bad := map[string]any{
		"time": "2026-02-30T09:30:00Z", "uuid": "c-17", "language": "not a language", "duration": "P1X", "text": "", "term": "unheard-of",
		"texts": []any{}, "parties": []any{"nobody"}, "list": "nobody", "objects": []any{}, "object": "x", "bool": "no", "number": "1",
		"hash": "md5:00", "class": "dpv:Receipt", "schema": "dpv-27560:other",
	}
	for _, f := range c.fields {
		what := f.section + "." + f.name
		if f.required == "yes" || f.required == "conditional" {
			try(f.section, f.name, func(o object) { delete(o, f.name) }, what+": is missing")
		}
		if f.form != "-" {
			want := what + ": "
			switch {
			case f.form == "class":
				want = "receipt: there is no class"
			case f.form == "schema":
				want = iri("dct:conformsTo") + ": there is no term"
			case f.name == "header" || f.name == "processing":
				want = "invalid @nest value"
			}
			if f.name != "@context" && f.name != "uri" {
				try(f.section, f.name, func(o object) { o[f.name] = bad[f.form] }, want)
			}
		}
		if f.form == "time" {
			for _, s := range []string{"", "2026-11-02", "2026-11-02 09:30:00Z", "2026-11-02T09:30:00+01:00", "1793611800"} {
				try(f.section, f.name, func(o object) { o[f.name] = s }, what+": ")
			}
		}
	}
	try("header", "surplus", func(o object) { o["surplus"] = "x" }, "header.surplus: is not in the list")
	failContext(t, c, try)
	if tried < 120 {
		t.Errorf("only %d changes were tried", tried)
	}
}

// failContext loses each line of the context that a field needs, and misspells its term.
func failContext(t *testing.T, c *iso27560, try func(string, string, func(object), string)) {
	t.Helper()
	for _, f := range c.fields {
		if f.term == "" || f.term == "@type" || f.form == "-" || f.section == "privacy_notice" || f.name == "event_type" {
			continue
		}
		try("receipt", f.name, func(o object) { delete(asObject(o["@context"]), f.name) }, f.section+"."+f.name+": the graph has not")
		try("receipt", f.name, func(o object) { asObject(o["@context"])[f.name] = "dpv:hasNothing" }, "")
	}
}
