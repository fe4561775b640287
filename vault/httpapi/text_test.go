package httpapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/api"
)

// texts have one datum of each kind, beside what is seen of it.
var texts = map[string][2]string{
	"e-mail":        {"Write to canary.letters@example.net", "Write to [e-mail]"},
	"IBAN":          {"Pay to IBAN DE89370400440532013000", "Pay to IBAN [IBAN]"},
	"card":          {"Paid with card 4242 4242 4242 4242", "Paid with card [card]"},
	"national id":   {"Steuer-ID 47036892816", "Steuer-ID [national id]"},
	"phone":         {"Call +49 30 23125 123", "Call [phone]"},
	"IP address":    {"Signed in from 198.51.100.7", "Signed in from [IP address]"},
	"date of birth": {"born 1971-03-05", "born [date of birth]"},
	"name":          {"Spoke to Nikola Tesla", "Spoke to [name]"},
}

// noted is the sample's catalog with texts about customers.
func noted() string {
	return strings.Replace(string(sample.Catalog()), "      email:\n        {type: email", `      note: {type: text, purposes: [support, billing], mask: redact}
      memo: {type: text, purposes: [support, billing], expects: [any]}
      email:
        {type: email`, 1)
}

// TestTexts: over HTTP a write warns of every kind without repeating it, the masked role
// never sees what was found, and the plain role does.
func TestTexts(t *testing.T) {
	w := serve(t)
	w.do(ask{method: "PUT", path: "/v1/catalog", token: "operator", body: noted(), header: map[string]string{"Content-Type": "application/yaml"}}).want(200)
	for kind, text := range texts {
		_, canary, _ := strings.Cut(text[0], strings.SplitN(text[1], "[", 2)[0])
		var written api.Written
		g := w.put(self, `{"note":"`+text[0]+`","memo":"`+text[0]+`"}`)
		if g.status != 201 && g.status != 200 {
			t.Fatalf("%s: %d %s", kind, g.status, g.body)
		}
		g.want(g.status, &written)
		if diff := cmp.Diff([]api.TextWarning{{Field: "customer.note", Kinds: []string{kind}}}, written.Warnings); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", kind, diff)
		}
		var seen api.Record
		support := w.do(ask{path: self + fieldsQuery("note"), token: "support", purpose: "support"}).want(200, &seen)
		if f := seen.Fields["note"]; f.View != "masked" || string(f.Value) != `"`+text[1]+`"` {
			t.Errorf("%s: support sees %s as %s", kind, f.Value, f.View)
		}
		if billing := w.do(ask{path: self + fieldsQuery("note"), token: "billing", purpose: "billing"}).want(200); !strings.Contains(string(billing.body), canary) {
			t.Errorf("%s: billing sees %s", kind, billing.body)
		}
		for what, b := range map[string]string{"the answer to a write": string(g.body), "what support sees": string(support.body), "the log": w.log.String()} {
			if strings.Contains(b, canary) {
				t.Errorf("%s: %s holds it", kind, what)
			}
		}
	}
	w.otherWrites(t)
	var c api.Catalog
	w.do(ask{path: "/v1/catalog"}).want(200, &c)
	i := slices.IndexFunc(c.Collections[0].Fields, func(f api.CollectionField) bool { return f.Name == "memo" })
	if i < 0 || !slices.Equal(c.Collections[0].Fields[i].Expects, []string{"any"}) {
		t.Errorf("the catalog: %+v", c.Collections[0].Fields)
	}
}

// otherWrites are warned of like a PUT of one record.
func (w *world) otherWrites(t *testing.T) {
	t.Helper()
	patch := w.do(ask{method: "PATCH", path: self, token: "app", purpose: "support", body: `{"fields":{"note":"Call +49 30 23125 123"}}`}).want(200)
	batch := w.do(ask{method: "POST", path: "/v1/records", token: "app", purpose: "support", body: `{"items":[
		{"subject":"c-17","collection":"customer","record":"self","fields":{"note":"Nothing."}},
		{"subject":"c-18","collection":"customer","record":"self","fields":{"note":"Call +49 30 23125 123"}},
		{"subject":"c-19","collection":"customer","record":"self","fields":{"note":"Call +49 30 23125 123","email":"none"}}]}`}).want(200)
	const warning = `"warnings":[{"field":"customer.note","kinds":["phone"]}]`
	if !strings.Contains(string(patch.body), warning) {
		t.Errorf("a patch: %s", patch.body)
	}
	if b := string(batch.body); strings.Count(b, warning) != 1 || strings.Count(b, "warnings") != 1 {
		t.Errorf("a batch: %s", b)
	}
}
