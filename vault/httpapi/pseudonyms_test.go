package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/api"
)

// namesOf posts a body to one of the two routes.
func (w *world) namesOf(route, token, purpose string, body any) got {
	b, err := json.Marshal(body)
	if err != nil {
		w.tb.Fatal(err)
	}
	return w.do(ask{method: "POST", path: "/v1/pseudonyms" + route, token: token, purpose: purpose, body: string(b)})
}

func TestPseudonyms(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	w.put("/v1/subjects/c-18/records/customer/self", `{"email":"anna@example.org"}`).want(201)
	w.do(ask{method: "PUT", path: "/v1/subjects/c-17/consents/analytics", token: "dpo", body: `{"decision":"granted","method":"api"}`}).want(200)
	var made, again api.PseudonymAnswer
	in := api.PseudonymRequest{Recipient: "Analysts", Subjects: []string{"c-18", "c-17", "..", "c-99", "c-17"}}
	g := w.namesOf("", "app", "analytics", in).want(200, &made)
	if g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", g.header)
	}
	in.Purpose = "analytics"
	w.namesOf("", "app", "analytics", in).want(200, &again)
	if d := cmp.Diff(made, again); d != "" {
		t.Error(d)
	}
	var codes []api.Code
	for _, r := range made.Results {
		codes = append(codes, r.Code)
	}
	if d := cmp.Diff([]api.Code{api.NotFound, "", api.Invalid, api.NotFound, ""}, codes); d != "" {
		t.Fatal(d)
	}
	name := made.Results[1].Pseudonym
	if len(name) != 52 || name != made.Results[4].Pseudonym || made.Results[1].Status != 200 {
		t.Errorf("%+v", made)
	}
	// No consent and no person are the same answer, to the byte.
	if d := cmp.Diff(made.Results[0], made.Results[3]); d != "" {
		t.Error(d)
	}

	var back api.ResolveAnswer
	resolve := func(list ...string) api.ResolveRequest {
		return api.ResolveRequest{Recipient: "Analysts", Pseudonyms: list}
	}
	w.namesOf("/resolve", "dpo", "analytics", resolve("", name, "fp1:"+strings.Repeat("A", 48), "c-17")).want(200, &back)
	nobody := api.ResolveResult{Outcome: api.Outcome{Status: 404, Code: api.NotFound}}
	found := api.ResolveResult{Outcome: api.Outcome{Status: 200}, Subject: "c-17"}
	if d := cmp.Diff([]api.ResolveResult{nobody, found, nobody, nobody}, back.Results); d != "" {
		t.Error(d)
	}
	w.do(ask{method: "PUT", path: "/v1/subjects/c-17/consents/analytics", token: "dpo", body: `{"decision":"withdrawn","method":"api"}`}).want(200)
	back = api.ResolveAnswer{}
	w.namesOf("/resolve", "dpo", "analytics", resolve(name)).want(200, &back)
	if d := cmp.Diff([]api.ResolveResult{nobody}, back.Results); d != "" {
		t.Error(d)
	}
}

func TestPseudonymsRefused(t *testing.T) {
	w := serve(t)
	many := make([]string, api.MaxItems+1)
	for i := range many {
		many[i] = "c-1"
	}
	for _, c := range []struct {
		name, route, token, purpose string
		body                        any
		code                        api.Code
		field, rule                 string
	}{
		{"no purpose", "", "app", "", api.PseudonymRequest{Recipient: "Analysts", Subjects: many[:1]}, api.Invalid, "purpose", api.HeaderPurpose},
		{"an unknown purpose", "", "app", "nothing", api.PseudonymRequest{Recipient: "Analysts", Subjects: many[:1]}, api.Invalid, "purpose", ""},
		{"two purposes", "", "app", "analytics", api.PseudonymRequest{Purpose: "billing", Recipient: "Analysts", Subjects: many[:1]}, api.Invalid, "purpose", api.HeaderPurpose},
		{"no recipient", "", "app", "analytics", api.PseudonymRequest{Subjects: many[:1]}, api.Invalid, "recipient", "Analysts"},
		{"another recipient", "", "app", "analytics", api.PseudonymRequest{Recipient: "analysts", Subjects: many[:1]}, api.Invalid, "recipient", "Analysts"},
		{"nobody", "", "app", "analytics", api.PseudonymRequest{Recipient: "Analysts", Subjects: []string{}}, api.Invalid, "subjects", ""},
		{"too many", "", "app", "analytics", api.PseudonymRequest{Recipient: "Analysts", Subjects: many}, api.TooLarge, "", ""},
		{"an analyst", "", "analyst", "analytics", api.PseudonymRequest{Recipient: "Analysts", Subjects: many[:1]}, api.Denied, "", ""},
		{"another purpose than policy's", "", "app", "billing", api.PseudonymRequest{Recipient: "Accounting", Subjects: many[:1]}, api.Denied, "", ""},
		{"the application resolves", "/resolve", "app", "analytics", api.ResolveRequest{Recipient: "Analysts", Pseudonyms: many[:1]}, api.Denied, "", ""},
		{"an operator resolves", "/resolve", "operator", "analytics", api.ResolveRequest{Recipient: "Analysts", Pseudonyms: many[:1]}, api.Denied, "", ""},
		{"none to resolve", "/resolve", "dpo", "analytics", api.ResolveRequest{Recipient: "Analysts", Pseudonyms: []string{}}, api.Invalid, "pseudonyms", ""},
		{"too many to resolve", "/resolve", "dpo", "analytics", api.ResolveRequest{Recipient: "Analysts", Pseudonyms: many}, api.TooLarge, "", ""},
		{"a person", "", "subject:c-1", "analytics", api.PseudonymRequest{Recipient: "Analysts", Subjects: many[:1]}, api.Denied, "", ""},
	} {
		p := w.namesOf(c.route, c.token, c.purpose, c.body).refused(c.code)
		if c.field != "" && (len(p.Fields) != 1 || p.Fields[0].Field != c.field || !strings.Contains(p.Fields[0].Rule, c.rule)) {
			t.Errorf("%s: %+v", c.name, p.Fields)
		}
	}
	w.do(ask{method: "POST", path: "/v1/pseudonyms", token: "app", purpose: "analytics", body: `{"recipient":"Analysts","subjects":["c-1"],"all":true}`}).refused(api.Invalid)
}
