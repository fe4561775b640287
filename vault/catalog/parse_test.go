package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/catalog"
)

// base is a small valid catalog, into which the tests put what is bad.
const base = `title: Shop
groups:
  news: {title: News}
purposes:
  support: {title: S, text: T, benefit: B, basis: contract}
  news: {title: S, text: T, benefit: B, basis: consent}
  offers: {title: S, text: T, benefit: B, basis: consent}
collections:
  customer:
    fields:
      email: {type: email, purposes: [support]}
`

func TestParseDefaults(t *testing.T) {
	c := parse(t, base)
	if c.Version != 0 || c.Region != "" || c.Controller != nil {
		t.Errorf("version %d, region %q, controller %v", c.Version, c.Region, c.Controller)
	}
	col, _ := c.Collection("customer")
	if col.ID != 0 || col.Title != "Customer" {
		t.Errorf("collection has id %d and title %q", col.ID, col.Title)
	}
	f := field(t, c, "customer.email")
	got := []string{f.Title, f.Classification, f.Group, f.Mask, f.Region}
	if diff := cmp.Diff([]string{"Email", "personal", "default", "email", ""}, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if f.Index != nil || f.Retention != 0 || f.Schema != nil {
		t.Errorf("index %v, retention %d, schema %s", f.Index, f.Retention, f.Schema)
	}
	names := ""
	for _, g := range c.Groups {
		names += g.Name + " "
	}
	if names != "identity default news " {
		t.Errorf("groups %s", names)
	}
}

func TestParseInheritsRegionForPhonesOnly(t *testing.T) {
	c := shop(t)
	for name, want := range map[string]string{
		"customer.phone": "DE", "customer.mobile": "FR", "customer.tax_id": "ES", "customer.email": "",
	} {
		if got := field(t, c, name).Region; got != want {
			t.Errorf("%s has region %q, want %q", name, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const fields = "      email: {type: email, purposes: [support]}\n"
	for _, tt := range []struct {
		name string
		old  string // of base, replaced by
		new  string
		want string // each problem on a line, | between them
	}{
		{"empty", base, "", "line 1: is empty"},
		{"comment", base, "# nothing\n", "line 1: is empty"},
		{"scalar", base, "shop\n", "line 1: must be a mapping, key: value"},
		{"sequence", base, "- shop\n", "line 1: must be a mapping, key: value"},
		{"not UTF-8", "Shop", "Sh\xffp", "is not UTF-8"},
		{"too large", "Shop", strings.Repeat("x", 1<<20), "is larger than 1 MiB"},
		{"syntax", "Shop", "[Shop", "line 2: is not YAML: "},
		{"two documents", "title:", "title: a\n---\ntitle:", "line 3: is a second document: a catalog is one"},
		{"anchor", "Shop", "&a Shop", `line 1: has "&": anchors`},
		{"alias", "Shop", "*a", `line 1: has "*": anchors`},
		{"tag", "Shop", "!!str Shop", `line 1: has "!!str": anchors`},
		{"merge", "fields:", "<<: {}\n    fields:", `line 10: has "<<": anchors`},
		{"complex key", "title:", "? a\n: b\ntitle:", `line 1: has "?": anchors`},
		{"directive", "title:", "%YAML 1.2\n---\ntitle:", `line 1: has "%": anchors`},
		{"deep flow", "Shop", strings.Repeat("[", 100), "line 1: is nested too deeply"},
		{"deep block", "Shop", "\n  " + strings.Repeat("- ", 100) + "a", "line 2: is nested too deeply"},
		{"deep indent", "Shop", "\n" + strings.Repeat(" ", 300) + "a: b", "line 2: is indented too far"},
		{"many keys", "Shop", "\n" + strings.Repeat("  a: b\n", 10_000), "line 10001: has more than 10,000 keys"},
		{"unknown key", "title:", "titel: x\ntitle:", `line 1: titel: is not a known key; did you mean "title"?`},
		{"unknown key with an escape sequence", "title:", "\"a\\e[31m\\nb\": x\ntitle:", "line 1: a?[31m b: is not a known key"},
		{"long unknown key", "title:", strings.Repeat("é", 100) + ": x\ntitle:", "line 1: " + strings.Repeat("é", 32) + "…: is not a known key"},
		{"unknown key of a field", "{type: email,", "{type: email, indx: {kind: equality},", `line 11: collections.customer.fields.email.indx: is not a known key; did you mean "index"?`},
		{"unknown key, nothing like it", "title:", "colour: red\ntitle:", "line 1: colour: is not a known key"},
		{"key twice", "title:", "title: x\ntitle:", "line 2: title: stands twice"},
		{"field twice", fields, fields + fields, "line 12: collections.customer.fields.email: stands twice"},
		{"number as text", "Shop", "3", "line 1: title: must be text: put it in quotes"},
		{"boolean as key", "  news: {title: News}", "  true: {title: News}", "line 3: groups: has a key that is not text"},
		{"no title", "title: Shop\n", "", "line 1: title: is missing"},
		{"title on two lines", "Shop", `"a\nb"`, "line 1: title: must be one line without control characters"},
		{"controller", "title:", "controller: {name: Shop}\ntitle:", "line 1: controller.contact: is missing"},
		{"where data are stored", "title:", "controller: {name: Shop, contact: x, storage_locations: [\"a\\nb\"]}\ntitle:", "line 1: controller.storage_locations[0]: must be one line without control characters"},
		{"region", "title:", "region: Germany\ntitle:", "line 1: region: is not a country: write the two letters of ISO 3166, such as DE"},
		{"region in lower case", "title:", "region: de\ntitle:", "line 1: region: is not a country: write the two letters of ISO 3166, such as DE"},
		{"group identity", "  news: {title: News}", "  news: {title: News}\n  identity: {}", "line 4: groups.identity: is reserved"},
		{"group name", "  news: {title: News}", "  news: {title: News}\n  New-s: {}", "line 4: groups.New-s: is not a name: names match [a-z][a-z0-9_]{0,62}"},
		{"groups as list", "groups:\n  news: {title: News}", "groups: [news]", "line 2: groups: must be a mapping, key: value"},
		{"long name", "  news: {title: News}", "  news: {title: News}\n  " + strings.Repeat("n", 64) + ": {}", "line 4: groups." + strings.Repeat("n", 64) + ": is not a name: names match [a-z][a-z0-9_]{0,62}"},
		{"no purposes", base[strings.Index(base, "purposes:"):strings.Index(base, "collections:")], "", "line 1: purposes: is missing: nothing can be read without a purpose|line 7: collections.customer.fields.email.purposes[0]: names a purpose that is not declared"},
		{"purpose self", "  support:", "  self: {title: S, text: T, benefit: B, basis: contract}\n  support:", "line 5: purposes.self: is reserved for people who read their own data"},
		{"empty purpose", "  support:", "  empty:\n  support:", "line 5: purposes.empty.title: is missing|line 5: purposes.empty.text: is missing: people are told this|line 5: purposes.empty.benefit: is missing: people are told this|line 5: purposes.empty.basis: is missing: one of consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests"},
		{"basis", "basis: contract", "basis: contracts", `line 5: purposes.support.basis: must be one of consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests; did you mean "contract"?`},
		{"recipients", "basis: contract", "basis: contract, recipients: Helpdesk", "line 5: purposes.support.recipients: must be a list, such as [a, b]"},
		{"recipient", "basis: contract", "basis: contract, recipients: [a, 3]", "line 5: purposes.support.recipients[1]: must be text"},
		{"retention", "basis: contract", "basis: contract, retention: 2 years", "line 5: purposes.support.retention: must be days, such as 30, or a duration such as P2Y, P6M, P4W or P30D"},
		{"despite_restriction", "basis: contract", "basis: contract, despite_restriction: yes", "line 5: purposes.support.despite_restriction: must be true or false"},
		{"purpose version", "basis: contract", "basis: contract, version: 0", "line 5: purposes.support.version: must be 1 or more"},
		{"purpose version as text", "basis: contract", "basis: contract, version: two", "line 5: purposes.support.version: must be a whole number"},
		{"review_by", "basis: contract", "basis: contract, review_by: 2027-02-29", "line 5: purposes.support.review_by: must be a date such as 2027-06-30"},
		{"control character", "text: T", `text: "\e[31m"`, "line 5: purposes.support.text: must not contain control characters"},
		{"no collections", base[strings.Index(base, "collections:"):], "", "line 1: collections: is missing"},
		{"no fields", "    fields:\n" + fields, "    title: C\n", "line 9: collections.customer.fields: is missing"},
		{"collection name", "customer:", "Customer:", "line 9: collections.Customer: is not a name: names match [a-z][a-z0-9_]{0,62}"},
		{"no type", "type: email, ", "", "line 11: collections.customer.fields.email.type: is missing: one of email, phone, name, date, address, national_id, iban, card, text, number, boolean, json, bytes"},
		{"type", "type: email", "type: e-mail", `line 11: collections.customer.fields.email.type: must be one of email, phone, name, date, address, national_id, iban, card, text, number, boolean, json, bytes; did you mean "email"?`},
		{"classification", "type: email", "type: email, classification: Contact Data", "line 11: collections.customer.fields.email.classification: is not a name: names match [a-z][a-z0-9_]{0,62}"},
		{"field without purpose", ", purposes: [support]", "", "line 11: collections.customer.fields.email.purposes: is missing: a field without a purpose could never be read"},
		{"unknown purpose", "[support]", "[suport]", `line 11: collections.customer.fields.email.purposes[0]: names a purpose that is not declared; did you mean "support"?`},
		{"purpose twice", "[support]", "[support, support]", "line 11: collections.customer.fields.email.purposes[1]: stands twice"},
		{"purpose self listed", "[support]", "[support, self]", `line 11: collections.customer.fields.email.purposes[1]: is "self", which is not listed: people may always read their own data`},
		{"unknown group", "[support]", "[support], group: new", `line 11: collections.customer.fields.email.group: names a group that is not declared under groups; did you mean "news"?`},
		{"group identity used", "[support]", "[support], group: identity", "line 11: collections.customer.fields.email.group: is reserved for external ids and free text about the person"},
		{"index kind", "[support]", "[support], index: {kind: prefix}", "line 11: collections.customer.fields.email.index.kind: must be equality or partial"},
		{"index without kind", "[support]", "[support], index: {bits: 64}", "line 11: collections.customer.fields.email.index.kind: is missing: equality"},
		{"index of 7 bits", "[support]", "[support], index: {kind: equality, bits: 7}", "line 11: collections.customer.fields.email.index.bits: must be from 8 to 256"},
		{"index of 257 bits", "[support]", "[support], index: {kind: equality, bits: 257}", "line 11: collections.customer.fields.email.index.bits: must be from 8 to 256"},
		{"index of a boolean", "type: email, purposes: [support]", "type: boolean, purposes: [support], index: {kind: equality}", "line 11: collections.customer.fields.email.index: is not possible for type boolean"},
		{"mask", "[support]", "[support], mask: last4", "line 11: collections.customer.fields.email.mask: must be one of email, full for type email"},
		{"mask of another type", "[support]", "[support], mask: redact", "line 11: collections.customer.fields.email.mask: must be one of email, full for type email"},
		{"kinds of an e-mail", "[support]", "[support], expects: [e-mail]", "line 11: collections.customer.fields.email.expects: is only for text"},
		{"an unknown kind", "type: email, purposes: [support]", "type: text, purposes: [support], expects: [phones]", `line 11: collections.customer.fields.email.expects[0]: must be one of e-mail, IBAN, card, national id, phone, IP address, date of birth, name, any; did you mean "phone"?`},
		{"a kind twice", "type: email, purposes: [support]", "type: text, purposes: [support], expects: [phone, phone]", "line 11: collections.customer.fields.email.expects[1]: stands twice"},
		{"any kind and one", "type: email, purposes: [support]", "type: text, purposes: [support], expects: [phone, any]", "line 11: collections.customer.fields.email.expects[1]: is every kind: name no other beside it"},
		{"region of an e-mail", "[support]", "[support], region: DE", "line 11: collections.customer.fields.email.region: is only for phone and national_id"},
		{"schema of an e-mail", "[support]", "[support], schema: {}", "line 11: collections.customer.fields.email.schema: is only for type json"},
		{"schema", "type: email, purposes: [support]", "type: json, purposes: [support], schema: {type: strin}", "line 11: collections.customer.fields.email.schema: is not a JSON Schema: "},
		{"schema from elsewhere", "type: email, purposes: [support]", `type: json, purposes: [support], schema: {$ref: "file:///etc/passwd"}`, "line 11: collections.customer.fields.email.schema: is not a JSON Schema: "},
		{"schema with a huge number", "type: email, purposes: [support]", "type: json, purposes: [support], schema: {multipleOf: 1.0e-65}", "line 11: collections.customer.fields.email.schema.multipleOf: must be a number as JSON writes it"},
		{"schema with infinity", "type: email, purposes: [support]", "type: json, purposes: [support], schema: {minimum: .inf}", "line 11: collections.customer.fields.email.schema.minimum: cannot be written in JSON"},
		{"schema with octal", "type: email, purposes: [support]", "type: json, purposes: [support], schema: {minimum: 0o17}", "line 11: collections.customer.fields.email.schema.minimum: must be a number as JSON writes it"},
		{"renamed from itself", "[support]", "[support], renamed_from: email", "line 11: collections.customer.fields.email.renamed_from: is a name that is still in use"},
		{"renamed from no name", "[support]", "[support], renamed_from: E-mail", "line 11: collections.customer.fields.email.renamed_from: is not a name: names match [a-z][a-z0-9_]{0,62}"},
		{"renamed twice", fields, "      a: {type: text, purposes: [support], renamed_from: x}\n      b: {type: text, purposes: [support], renamed_from: x}\n", "line 12: collections.customer.fields.b.renamed_from: is claimed by collections.customer.fields.a as well"},
		{"consent in the default group", "[support]", "[news]", "line 11: collections.customer.fields.email.group: all its purposes (news) rest on consent, so it needs a key group of its own: declare one under groups and name it here"},
		{"consent shares with contract", fields, "      a: {type: text, purposes: [news, offers], group: news}\n      b: {type: text, purposes: [news, support], group: news}\n", "line 11: collections.customer.fields.a.group: all its purposes (news, offers) rest on consent, so it needs a key group of its own: group news also holds customer.b, which rests on something else"},
		{"consent shares with other consent", fields, "      a: {type: text, purposes: [news, offers], group: news}\n      b: {type: text, purposes: [news], group: news}\n", "line 11: collections.customer.fields.a.group: all its purposes (news, offers) rest on consent, so it needs a key group of its own: group news also holds customer.b, which lists other purposes|line 12: collections.customer.fields.b.group: all its purposes (news) rest on consent, so it needs a key group of its own: group news also holds customer.a, which lists other purposes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := strings.Replace(base, tt.old, tt.new, 1)
			if src == base {
				t.Fatal("the base does not contain what is to be replaced")
			}
			c, err := catalog.Parse([]byte(src))
			if c != nil {
				t.Error("a catalog beside an error")
			}
			got := problems(t, err)
			want := strings.Split(tt.want, "|")
			if len(got) != len(want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
			}
			for i := range got {
				if !strings.HasPrefix(got[i], want[i]) || strings.Contains(got[i], "\n") {
					t.Errorf("got  %s\nwant %s", got[i], want[i])
				}
			}
		})
	}
}

func TestParseAllowsGroupsOfConsent(t *testing.T) {
	src := strings.Replace(base, "      email:", `      a: {type: text, purposes: [news, offers], group: news}
      b: {type: text, purposes: [offers, news], group: news}
      email:`, 1)
	if g, _ := parse(t, src).Group("news"); len(g.Consent) != 2 {
		t.Errorf("group news rests on %v", g.Consent)
	}
}

// TestParseReportsEverything gives several problems at once, in the order of the
// source.
func TestParseReportsEverything(t *testing.T) {
	_, err := catalog.Parse([]byte(`titel: Shop
purposes:
  support: {title: S, text: T, benefit: B, basis: contrat}
collections:
  customer:
    fields:
      email: {type: emial, purposes: [support, marketing]}
      phone: {type: phone, purposes: [support], index: {kind: equal, bits: 4}}
`))
	want := []string{
		`line 1: title: is missing`,
		`line 1: titel: is not a known key; did you mean "title"?`,
		`line 3: purposes.support.basis: must be one of consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests; did you mean "contract"?`,
		`line 7: collections.customer.fields.email.type: must be one of email, phone, name, date, address, national_id, iban, card, text, number, boolean, json, bytes; did you mean "email"?`,
		`line 7: collections.customer.fields.email.purposes[1]: names a purpose that is not declared`,
		`line 8: collections.customer.fields.phone.index.kind: must be equality or partial`,
		`line 8: collections.customer.fields.phone.index.bits: must be from 8 to 256`,
	}
	got := problems(t, err)
	got[0], got[1] = min(got[0], got[1]), max(got[0], got[1])
	want[0], want[1] = min(want[0], want[1]), max(want[0], want[1])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if text := err.Error(); !strings.HasPrefix(text, "catalog: line 1: ") || strings.Count(text, "\n") != len(want)-1 {
		t.Errorf("error text:\n%s", text)
	}
}

func TestRetention(t *testing.T) {
	for text, want := range map[string]catalog.Days{
		"1": 1, "365": 365, "P30D": 30, "P4W": 28, "P1M": 31, "P6M": 183, "P1Y": 366, "P2Y": 731, "P10Y": 3653,
		"P1Y6M": 548, "P1Y2M3W4D": 452,
	} {
		src := strings.Replace(base, "[support]", "[support], retention: "+text, 1)
		if got := field(t, parse(t, src), "customer.email").Retention; got != want {
			t.Errorf("%s is %d days, want %d", text, got, want)
		}
	}
	for _, text := range []string{
		"0", "-1", "+1", "1.5", "P", "PD", "P0D", "P1", "P1H", "PT1H", "P1D1Y", "P1Y1Y", "1Y", "p1y", "P-1D", "P1.5Y",
		"P9999999D", "366001", "99999999999999999999", "true", "[1]", "{a: b}", `" 30"`, "P1M ago",
	} {
		src := strings.Replace(base, "[support]", "[support], retention: "+text, 1)
		if c, err := catalog.Parse([]byte(src)); err == nil && text != `" 30"` {
			t.Errorf("%s is %d days, want an error", text, field(t, c, "customer.email").Retention)
		}
	}
}

// TestParseIsBounded feeds what has brought YAML parsers down. That it ends is
// the test.
func TestParseIsBounded(t *testing.T) {
	const n = 1 << 15
	for _, part := range []string{
		"[", "{", "- ", "? ", "a: ", "&a ", "!a ", "*a\n", "\"", "'", "|\n", ">\n ", ": ", "\n ", "#", "- - -\n", "a:\n a",
		"{a: ", "[a, ", "]", "}", "\t", "---\n", "%", "@", "`", "a: b\n", "\r", "\x00", "\\", "- a\n", "a: [b]\n",
	} {
		src := strings.Repeat(part, n/len(part))
		if _, err := catalog.Parse([]byte(src)); err == nil {
			t.Errorf("%q repeated is a catalog", part)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, "shop.yaml"))
	f.Add([]byte(base))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := catalog.Parse(src)
		if err != nil {
			problems(t, err)
			return
		}
		applied, err := c.Assign(nil)
		if err != nil {
			t.Fatalf("a parsed catalog cannot be applied: %v", err)
		}
		b, err := catalog.Marshal(applied)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Unmarshal(b); err != nil {
			t.Fatalf("a marshalled catalog cannot be read: %v\n%s", err, b)
		}
		if _, err := c.Assign(applied); err != nil {
			t.Fatalf("a catalog cannot follow itself: %v", err)
		}
	})
}
