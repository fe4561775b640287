//go:build e2e

package e2e_test

import (
	"strings"
	"testing"
)

func settingsCases() []testCase {
	return []testCase{
		{name: "N04_a_policy_applied_at_one", run: policyAtOne},
		{name: "N05_a_catalog_applied_at_one", run: catalogAtOne},
		{name: "N06_an_index_key_exchanged", run: indexKeyExchanged, long: true},
	}
}

// A policy counts on the other node from the next request on, whether it forbids or
// permits again.
func policyAtOne(t *testing.T, w *world) {
	if !w.production {
		return
	}
	w.putIn(t, "lab", "n04", fields{"email": "n04@example.org"})
	_, other := w.second(t)
	read := call{token: w.in(t, "lab", "app"), purpose: "support", path: recordPath("n04", "customer", "self") + "?fields=email"}
	apply := func(text string) {
		t.Helper()
		w.do(t, call{
			token: w.in(t, "lab", "operator"), method: "PUT", path: "/v1/policy", body: text,
			header: map[string]string{"Content-Type": "text/plain"},
		}).want(t, "applying", "200")
	}
	for range 3 {
		if got := w.at(t, other, read).view(t, "email"); got != "plain: n04@example.org" {
			t.Errorf("permitted: %q", got)
		}
		apply(labPolicy + "\nforbid(principal, action in [Action::\"reveal\", Action::\"reveal_masked\"], resource);")
		if got := w.at(t, other, read).String(); got != "403 denied" && got != "404 not_found" {
			t.Errorf("forbidden: %q", got)
		}
		apply(labPolicy)
	}
}

// So does a catalog: what it adds can be written and read at the other node at once.
func catalogAtOne(t *testing.T, w *world) {
	if !w.production {
		return
	}
	w.putIn(t, "lab", "n05", fields{"email": "n05@example.org"})
	_, other := w.second(t)
	app := w.in(t, "lab", "app")
	read := call{token: app, purpose: "support", path: recordPath("n05", "customer", "self") + "?fields=email"}
	w.at(t, other, read).want(t, "before", "200")
	larger := strings.Replace(labCatalog, "collections:", "  research: {title: Research, text: To learn, benefit: Insight, basis: public_task}\ncollections:", 1) +
		"      hobby: {title: Hobby, type: text, purposes: [support, research]}\n" +
		"  pet:\n    title: Pets\n    fields:\n      name: {title: Name, type: text, purposes: [research]}\n"
	w.do(t, call{
		token: w.in(t, "lab", "operator"), method: "PUT", path: "/v1/catalog", body: larger,
		header: map[string]string{"Content-Type": "application/yaml"},
	}).want(t, "applying", "200")
	for what, c := range map[string]call{
		"writing a new field":         {method: "PATCH", path: recordPath("n05", "customer", "self"), body: fields{"fields": fields{"hobby": "chess"}}},
		"writing to a new collection": {method: "PUT", path: recordPath("n05", "pet", "rex"), body: fields{"fields": fields{"name": "Rex"}}},
	} {
		c.token = app
		if a := w.at(t, other, c); a.status >= 300 {
			t.Errorf("%s: %s\n%s", what, a, a.body)
		}
	}
	_, third := w.second(t)
	w.do(t, call{
		token: w.in(t, "lab", "operator"), method: "PUT", path: "/v1/catalog", body: strings.ReplaceAll(larger, "research", "science"),
		header: map[string]string{"Content-Type": "application/yaml"},
	}).want(t, "applying another", "200")
	for _, node := range []string{other, third} {
		a := w.at(t, node, call{token: app, purpose: "science", path: recordPath("n05", "customer", "self") + "?fields=email,hobby"})
		a.want(t, "reading for a new purpose", "200")
	}
}
