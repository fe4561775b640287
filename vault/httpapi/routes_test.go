package httpapi_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/audit/evidence"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/api"
)

// Every answer of these tests is held against the OpenAPI document by world.do.

func TestARecordThroughItsLife(t *testing.T) {
	w := serve(t)
	g := w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 12 3923-5555","city":"São José dos Campos"}`).want(201)
	if g.header.Get("ETag") != `"1"` || g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", g.header)
	}
	var out api.Record
	get := func(token, purpose string, fields ...string) got {
		return w.do(ask{method: "GET", path: self + fieldsQuery(fields...), token: token, purpose: purpose})
	}
	g = get("support", "support", "email", "phone").want(200, &out)
	want := api.Record{
		Subject: "c-17", Collection: "customer", Record: "self", Revision: 1,
		Fields: map[string]api.Field{
			"email": {View: "masked", Value: json.RawMessage(`"l••••@embraer.com.br"`)},
			"phone": {View: "masked", Value: json.RawMessage(`"•••• 5555"`)},
		},
	}
	if d := cmp.Diff(want, out); d != "" {
		t.Error(d)
	}
	if g.header.Get("ETag") != `"1"` || g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", g.header)
	}
	out = api.Record{}
	get("billing", "billing", "email").want(200, &out)
	if string(out.Fields["email"].Value) != `"luisg@embraer.com.br"` {
		t.Errorf("billing: %v", out)
	}
	w.do(ask{method: "PATCH", path: self, token: "app", body: `{"fields":{"phone":null,"city":"Campinas"}}`, header: map[string]string{"If-Match": `"1"`}}).want(200)
	w.do(ask{method: "PATCH", path: self, token: "app", body: `{"fields":{"city":"Rio"}}`, header: map[string]string{"If-Match": `"1"`}}).refused(api.Conflict)
	out = api.Record{}
	get("app", "support", "phone", "city").want(200, &out)
	if _, there := out.Fields["phone"]; there || string(out.Fields["city"].Value) != `"Campinas"` {
		t.Errorf("after the patch: %v", out)
	}
	var refs api.References
	w.do(ask{method: "GET", path: "/v1/subjects/c-17/records?collection=customer&limit=5", token: "app", purpose: "support"}).want(200, &refs)
	if d := cmp.Diff([]api.Reference{{Collection: "customer", Record: "self", Revision: 2}}, refs.Records); d != "" {
		t.Error(d)
	}
	if g := w.do(ask{method: "DELETE", path: self, token: "app"}).want(204); len(g.body) != 0 {
		t.Errorf("204 with a body: %s", g.body)
	}
	get("app", "support", "city").refused(api.NotFound)
	w.put(self, `{"city":"Campinas"}`).want(201)
}

func TestBatchesAnswerEachItem(t *testing.T) {
	w := serve(t)
	var put api.BatchWritten
	w.do(ask{method: "POST", path: "/v1/records", token: "app", body: `{"items":[
		{"subject":"c-1","collection":"customer","record":"self","fields":{"email":"a@example.org","last_name":"Tremblay"}},
		{"subject":"..","collection":"customer","record":"self","fields":{"email":"b@example.org"}},
		{"subject":"c-2","collection":"customer","record":"self","fields":{"email":"not an address"}},
		{"subject":"c-3","collection":"customer","record":"self","fields":{"email":"c@example.org"}}]}`}).want(200, &put)
	var statuses []int
	for _, r := range put.Results {
		statuses = append(statuses, r.Status)
	}
	if d := cmp.Diff([]int{201, 400, 400, 201}, statuses); d != "" {
		t.Fatal(d)
	}
	if d := cmp.Diff("customer.email", put.Results[2].Errors[0].Field); d != "" {
		t.Error(d)
	}
	var seen api.RevealAnswer
	w.do(ask{method: "POST", path: "/v1/reveal", token: "app", purpose: "support", body: `{"items":[
		{"subject":"c-3","collection":"customer","record":"self","fields":["email"]},
		{"subject":"c-2","collection":"customer","record":"self","fields":["email"]},
		{"subject":"c-1","collection":"customer","record":"self","fields":[]},
		{"subject":"c-1","collection":"nothing","record":"self","fields":["email"]}]}`}).want(200, &seen)
	if d := cmp.Diff([]api.Code{"", api.NotFound, api.Invalid, api.Invalid}, []api.Code{
		seen.Results[0].Code, seen.Results[1].Code, seen.Results[2].Code, seen.Results[3].Code,
	}); d != "" {
		t.Error(d)
	}
	if string(seen.Results[0].Fields["email"].Value) != `"c@example.org"` {
		t.Errorf("%+v", seen.Results[0])
	}
	var found api.SearchAnswer
	w.do(ask{method: "POST", path: "/v1/search", token: "support", purpose: "support", body: `{"collection":"customer","field":"last_name","equals":"TREMBLAY"}`}).want(200, &found)
	if d := cmp.Diff([]api.Match{{Subject: "c-1", Record: "self"}}, found.Matches); d != "" {
		t.Error(d)
	}
}

func TestPortableCiphertexts(t *testing.T) {
	w := serve(t)
	var sealed, moved api.EncryptAnswer
	w.do(ask{method: "POST", path: "/v1/encrypt", token: "app", body: `{"items":[
		{"subject":"c-9","field":"customer.email","plaintext":"anna@example.org"},{"subject":"c-9","field":"email","plaintext":"a"}]}`}).want(200, &sealed)
	if sealed.Results[0].Status != 200 || sealed.Results[1].Code != api.Invalid {
		t.Fatalf("%+v", sealed)
	}
	again := func(path, token, purpose, ciphertext string) got {
		b, _ := json.Marshal(api.DecryptRequest{Items: []api.DecryptItem{{Subject: "c-9", Field: "customer.email", Ciphertext: ciphertext}}})
		return w.do(ask{method: "POST", path: path, token: token, purpose: purpose, body: string(b)})
	}
	again("/v1/reencrypt", "app", "", sealed.Results[0].Ciphertext).want(200, &moved)
	for token, want := range map[string]string{"billing": `"anna@example.org"`, "support": `"a••••@example.org"`} {
		var out api.DecryptAnswer
		again("/v1/decrypt", token, token, moved.Results[0].Ciphertext).want(200, &out)
		if string(out.Results[0].Value) != want {
			t.Errorf("%s: %+v", token, out)
		}
	}
	var out api.DecryptAnswer
	again("/v1/decrypt", "billing", "billing", "fv1:AAAA").want(200, &out)
	if out.Results[0].Code != api.Invalid {
		t.Errorf("%+v", out)
	}
}

func TestPeople(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 12 3923-5555","company":"=cmd()"}`).want(201)
	dpo := func(method, path, body string) got {
		return w.do(ask{method: method, path: "/v1/subjects/c-17" + path, token: "dpo", body: body})
	}
	dpo("PUT", "/hold", `{"reason":"a claim"}`).want(204)
	dpo("POST", "/erasure", `{"reason":"asked"}`).refused(api.Held)
	dpo("DELETE", "/hold", "").want(204)
	dpo("PUT", "/restriction", "").want(204)
	dpo("DELETE", "/restriction", "").want(204)
	for _, method := range []string{"PUT", "PUT", "DELETE", "DELETE"} {
		w.do(ask{method: method, path: "/v1/subjects/c-17/honey", token: "operator"}).want(204)
		dpo(method, "/honey", "").refused(api.Denied)
	}

	var all api.Consents
	dpo("PUT", "/consents/marketing", `{"decision":"granted","method":"api","evidence":{"form":7}}`).want(200)
	dpo("GET", "/consents", "").want(200, &all)
	if len(all.Consents) != 4 || all.Consents[2].State != "granted" || len(all.Consents[2].Receipt) == 0 {
		t.Errorf("%+v", all)
	}
	var keys api.VerifierKeys
	w.do(ask{method: "GET", path: "/v1/audit/key"}).want(200, &keys)
	pub, err := evidence.ParseKey(keys.Keys[0].Key)
	if err != nil || keys.Keys[0].Key != evidence.FormatKey(pub) || keys.Keys[0].ID != evidence.KeyID(pub) {
		t.Errorf("the key %+v is not as package evidence writes it: %v", keys, err)
	}
	var manifest, own api.Export
	dpo("GET", "/export", "").want(200, &manifest)
	w.do(ask{method: "GET", path: "/v1/subjects/c-17/export", token: "subject:c-17"}).want(200, &own)
	if f := manifest.Records[0].Fields[0]; f.Value != nil || f.View != "" {
		t.Errorf("an officer got a value: %+v", f)
	}
	if f := own.Records[0].Fields[2]; string(f.Value) != `"luisg@embraer.com.br"` {
		t.Errorf("the person did not get the value: %+v", own.Records[0].Fields)
	}
	g := w.do(ask{method: "GET", path: "/v1/subjects/c-17/export", token: "subject:c-17", header: map[string]string{"Accept": "text/csv"}}).want(200)
	rows, err := csv.NewReader(strings.NewReader(string(g.body))).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][9] != "'=cmd()" || rows[2][9] != "+55 12 3923-5555" {
		t.Errorf("csv: %v %v", rows, err)
	}
	cert := dpo("POST", "/erasure", `{"reason":"asked"}`).want(200)
	if err := evidence.Verify(cert.body, pub); err != nil {
		t.Errorf("the certificate does not verify: %v", err)
	}
	if again := dpo("POST", "/erasure", "").want(200); string(again.body) != string(cert.body) {
		t.Error("erasing again answers another certificate")
	}
	w.do(ask{method: "GET", path: self + "?fields=email", token: "app", purpose: "support"}).refused(api.Gone)
	var gen api.Generation
	dpo("POST", "/reenrolment", "").want(200, &gen)
	if gen.Generation != 2 {
		t.Errorf("generation %d", gen.Generation)
	}
}

func TestSettings(t *testing.T) {
	w := serve(t)
	var cat api.Catalog
	g := w.do(ask{method: "GET", path: "/v1/catalog?tenant=default"}).want(200, &cat)
	if len(cat.Purposes) != 4 || cat.Collections[0].Name != "customer" || strings.Contains(string(g.body), `"id":1`) {
		t.Errorf("%s", g.body)
	}
	w.do(ask{method: "GET", path: "/v1/catalog?tenant=other"}).refused(api.NotFound)
	yaml := map[string]string{"Content-Type": "application/yaml"}
	changed := strings.Replace(string(sample.Catalog()), "title: Chinook music shop", "title: Another shop", 1)
	var applied api.CatalogApplied
	w.do(ask{method: "PUT", path: "/v1/catalog?dry_run=true", token: "operator", body: changed, header: yaml}).want(200, &applied)
	if applied.Version != 1 || !applied.DryRun || len(applied.Changes) != 1 {
		t.Errorf("%+v", applied)
	}
	w.do(ask{method: "PUT", path: "/v1/catalog", token: "operator", body: changed, header: yaml}).want(200, &applied)
	if applied.Version != 2 || applied.DryRun {
		t.Errorf("%+v", applied)
	}
	p := w.do(ask{method: "PUT", path: "/v1/catalog", token: "operator", body: "title: [", header: yaml}).refused(api.Invalid)
	if len(p.Fields) == 0 || !strings.Contains(p.Fields[0].Rule, "line") {
		t.Errorf("%+v", p)
	}
	text := map[string]string{"Content-Type": "text/plain; charset=UTF-8"}
	var policy api.PolicyApplied
	w.do(ask{method: "PUT", path: "/v1/policy", token: "operator", body: string(sample.Policy()), header: text}).want(200, &policy)
	if policy.Version != 2 {
		t.Errorf("%+v", policy)
	}
	bad := `@id("x") permit(principal in Role::"app", action == Action::"revael", resource);`
	if p = w.do(ask{method: "PUT", path: "/v1/policy", token: "operator", body: bad, header: text}).refused(api.Invalid); len(p.Fields) == 0 || !strings.Contains(p.Fields[0].Rule, "revael") {
		t.Errorf("%+v", p)
	}
	var now api.Policy
	w.do(ask{method: "GET", path: "/v1/policy", token: "operator"}).want(200, &now)
	if now.Policy != string(sample.Policy()) || now.Version != 2 {
		t.Errorf("%+v", now)
	}
	var why api.Explanation
	w.do(ask{method: "POST", path: "/v1/policy/explain", token: "operator", body: `{"roles":["marketing"],"purpose":"marketing","collection":"customer","field":"email","state":{"consent":"withdrawn"}}`}).want(200, &why)
	if why.View != "hidden" || why.Reason != "consent" || why.Text == "" {
		t.Errorf("%+v", why)
	}
	w.do(ask{method: "POST", path: "/v1/policy/explain", token: "app", body: `{"roles":["app"],"collection":"customer","field":"email"}`}).refused(api.Denied)
}

func TestServiceRoutes(t *testing.T) {
	w := serve(t)
	w.do(ask{method: "GET", path: "/healthz"}).want(200)
	var h api.Health
	w.do(ask{method: "GET", path: "/readyz"}).want(200, &h)
	if h.Status != "ok" || len(h.Checks) == 0 {
		t.Errorf("%+v", h)
	}
	g := w.do(ask{method: "GET", path: "/docs"}).want(200)
	csp := g.header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") || strings.Contains(string(g.body), "onload") {
		t.Errorf("csp %q", csp)
	}
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui.css", "init.js", "page.css", "LICENSE-swagger-ui.txt", "LICENSE-bundle.txt"} {
		w.do(ask{method: "GET", path: "/docs/" + name}).want(200)
	}
	w.do(ask{method: "GET", path: "/docs/../config.go"}).refused(api.NotFound)
}

// The document and the router name the same routes, in both directions; the
// page's own files are no part of the API.
func TestDocumentAndRouterAgree(t *testing.T) {
	w := serve(t)
	var routed, documented []string
	err := chi.Walk(w.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !strings.HasPrefix(route, "/docs/") {
			routed = append(routed, method+" "+strings.Replace(route, "/*", "/{path}", 1)) // what follows, with its slashes
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range w.doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
			security, given := op.(map[string]any)["security"].([]any)
			public := given && len(security) == 0
			g := w.do(ask{method: strings.ToUpper(method), path: strings.NewReplacer("{", "", "}", "").Replace(path)})
			if public == (g.status == 401) {
				t.Errorf("%s %s: documented as public %v, and answers %d without a token", method, path, public, g.status)
			}
		}
	}
	slices.Sort(routed)
	slices.Sort(documented)
	if d := cmp.Diff(documented, routed); d != "" {
		t.Error(d)
	}
	if w.doc["openapi"] != "3.1.0" {
		t.Errorf("openapi %v", w.doc["openapi"])
	}
}
