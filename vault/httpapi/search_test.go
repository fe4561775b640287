package httpapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/api"
)

// Searches by prefix, part and range: who may, what is refused and why, and what the
// catalog says of an index.
func TestSearchBeyondEquality(t *testing.T) {
	w := serve(t)
	w.do(ask{method: "POST", path: "/v1/records", token: "app", body: `{"items":[
		{"subject":"c-1","collection":"customer","record":"self","fields":{"last_name":"Gonçalves","company":"Embraer - Empresa"}},
		{"subject":"c-2","collection":"customer","record":"self","fields":{"last_name":"Gonzo","company":"Embassy"}},
		{"subject":"c-1","collection":"invoice","record":"n-1","fields":{"date":"2021-03-11","total":3.96}},
		{"subject":"c-2","collection":"invoice","record":"n-2","fields":{"date":"2021-04-01","total":13.86}}]}`}).want(200)
	search := func(token, body string) got {
		return w.do(ask{method: "POST", path: "/v1/search", token: token, purpose: "support", body: body})
	}
	one, two := api.Match{Subject: "c-1", Record: "self"}, api.Match{Subject: "c-2", Record: "self"}
	first, second := api.Match{Subject: "c-1", Record: "n-1"}, api.Match{Subject: "c-2", Record: "n-2"}
	for body, want := range map[string][]api.Match{
		`{"collection":"customer","field":"last_name","prefix":"GONÇ"}`:                 {one},
		`{"collection":"customer","field":"last_name","prefix":"gon"}`:                  {one, two},
		`{"collection":"customer","field":"last_name","equals":"gonzo"}`:                {two},
		`{"collection":"customer","field":"company","contains":"empresa"}`:              {one},
		`{"collection":"customer","field":"company","contains":"emb"}`:                  {one, two},
		`{"collection":"invoice","field":"date","from":"2021-03-01","to":"2021-03-31"}`: {first},
		`{"collection":"invoice","field":"total","from":3.96}`:                          {first, second},
		`{"collection":"invoice","field":"total","from":3.97,"to":13.86}`:               {second},
		`{"collection":"invoice","field":"total","to":3.95}`:                            {},
	} {
		var found api.SearchAnswer
		search("app", body).want(200, &found)
		sorted := cmp.Transformer("sorted", func(list []api.Match) map[api.Match]bool {
			m := map[api.Match]bool{}
			for _, x := range list {
				m[x] = true
			}
			return m
		})
		if d := cmp.Diff(want, found.Matches, sorted); d != "" {
			t.Errorf("%s: %s", body, d)
		}
	}
	for body, want := range map[string]string{
		`{"collection":"customer","field":"last_name"}`:                                 "is required",
		`{"collection":"customer","field":"last_name","prefix":"go"}`:                   "at least 3 characters",
		`{"collection":"customer","field":"last_name","prefix":"gon","equals":"gonzo"}`: "cannot stand beside",
		`{"collection":"customer","field":"email","prefix":"luis"}`:                     "does not declare it",
		`{"collection":"customer","field":"company","equals":"Embassy"}`:                "does not declare it",
		`{"collection":"invoice","field":"date","from":"1900-01-01"}`:                   "more than 256 intervals",
		`{"collection":"customer","field":"last_name","prefix":null}`:                   "must be a JSON string",
		`{"collection":"customer","field":"last_name","suffix":"gon"}`:                  "",
	} {
		if r := search("app", body).want(400); !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %s, want %q", body, r.body, want)
		}
	}
	for _, body := range []string{
		`{"collection":"customer","field":"last_name","prefix":"gon"}`, `{"collection":"customer","field":"company","contains":"emb"}`,
		`{"collection":"invoice","field":"total","from":3.96}`,
	} {
		search("support", body).want(403)
	}
	var cat api.Catalog
	w.do(ask{method: "GET", path: "/v1/catalog"}).want(200, &cat)
	indexes := map[string]*api.FieldIndex{}
	for _, c := range cat.Collections {
		for _, f := range c.Fields {
			indexes[c.Name+"."+f.Name] = f.Index
		}
	}
	if x := indexes["customer.last_name"]; x == nil || x.Prefix == nil || x.Prefix.Min != 3 || len(x.Leaks) != 1 || !strings.Contains(x.Leaks[0], "whoever steals the database sees") {
		t.Errorf("the index of last names: %+v", x)
	}
	if x := indexes["invoice.date"]; x == nil || x.Kind != "partial" || x.Range == nil || x.Range.By != "month" {
		t.Errorf("the index of dates: %+v", x)
	}
	if x := indexes["customer.first_name"]; x != nil {
		t.Errorf("an index that is not there: %+v", x)
	}
}
