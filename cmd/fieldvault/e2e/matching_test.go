//go:build e2e

package e2e_test

import (
	"slices"
	"testing"
)

// By the sample's catalog people are found by the beginning of a name, a part of a company,
// the month and the total of an invoice, by who sees those in plain. Whoever sees a mask
// walks nothing, and the erased are not found.
func searchBeyondEquality(t *testing.T, w *world) {
	w.put(t, "w08", fields{"last_name": "Xýlander", "company": "Brdy a Krkonoše, s.r.o."})
	app, support := w.token(t, "app"), w.token(t, "support")
	prefix := fields{"collection": "customer", "field": "last_name", "prefix": "xýl"}
	part := fields{"collection": "customer", "field": "company", "contains": "A KRKONOŠE,"}
	month := fields{"collection": "invoice", "field": "date", "from": "2021-01-01", "to": "2021-01-31"}
	total := fields{"collection": "invoice", "field": "total", "from": 20}
	search := func(body fields) (people []string) {
		t.Helper()
		var found struct{ Matches []struct{ Subject string } }
		w.do(t, call{token: app, purpose: "support", method: "POST", path: "/v1/search", body: body}).want(t, "searching", "200").decode(t, &found)
		for _, m := range found.Matches {
			people = append(people, m.Subject)
		}
		slices.Sort(people)
		return people
	}
	for _, body := range []fields{prefix, part} {
		if got := search(body); !slices.Equal(got, []string{"w08"}) {
			t.Errorf("%v finds %q", body, got)
		}
	}
	if got := search(month); !slices.Equal(got, []string{"c-14", "c-2", "c-23", "c-37", "c-4", "c-8"}) {
		t.Errorf("%v finds %q", month, got)
	}
	if got := search(total); len(got) != 4 {
		t.Errorf("%v finds %q", total, got)
	}
	for _, body := range []fields{prefix, part, month, total} {
		w.do(t, call{token: support, purpose: "support", method: "POST", path: "/v1/search", body: body}).want(t, "walking behind a mask", "403 denied")
	}
	w.do(t, call{token: support, purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "last_name", "equals": "XÝLANDER"}}).want(t, "equality", "200")
	w.erase(t, "w08").want(t, "erasing", "200")
	for _, body := range []fields{prefix, part} {
		if got := search(body); len(got) != 0 {
			t.Errorf("%v finds the erased: %q", body, got)
		}
	}
}
