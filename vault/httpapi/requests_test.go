package httpapi_test

import (
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/rights"
	"github.com/fieldvault/fieldvault/vault/rights/bundle"
)

const requestsOf = "/v1/subjects/c-17/requests"

// A request from its filing to its evidence, as the person and the officer see it.
func TestRequests(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	me := func(method, path, body string) got {
		return w.do(ask{method: method, path: path, token: "subject:c-17", body: body})
	}
	dpo := func(method, path, body string) got {
		return w.do(ask{method: method, path: path, token: "dpo", body: body})
	}
	var q api.Request
	me("POST", requestsOf, `{"kind":"access","text":"What do you hold on me?"}`).want(201, &q)
	one := "/v1/requests/" + q.ID
	if q.State != "received" || q.Text != "" || q.Standing.Task != "answer" || q.Standing.Last == "" {
		t.Errorf("%+v", q)
	}
	var page api.Requests
	dpo("GET", "/v1/requests?limit=1&kind=access&state=received&due_before=2100-01-01T00:00:00Z", "").want(200, &page)
	if len(page.Requests) != 1 || page.Requests[0].ID != q.ID || page.Cursor == "" || page.Requests[0].Subject != "" {
		t.Errorf("%+v", page)
	}
	dpo("GET", "/v1/requests?cursor="+page.Cursor, "").refused(api.Invalid) // of another list
	dpo("GET", "/v1/requests?state=nosuch", "").refused(api.Invalid)
	me("GET", "/v1/requests", "").refused(api.Denied)
	dpo("GET", one+"/bundle", "").refused(api.Conflict)
	dpo("PATCH", one, `{"step":"acknowledge"}`).want(200, &q)
	if p := dpo("PATCH", one, `{"step":"acknowledge"}`).refused(api.Conflict); !strings.Contains(p.Detail, "possible: extend, complete, refuse, cancel") {
		t.Errorf("the detail does not say what is possible: %s", p.Detail)
	}
	dpo("PATCH", one, `{"step":"refuse","told":true,"reason":"accurate"}`).refused(api.Invalid)
	dpo("PATCH", one, `{"step":"dance"}`).refused(api.Invalid)
	for range 2 { // the second is a repetition
		w.do(ask{method: "PATCH", path: one, token: "dpo", body: `{"step":"complete","answer":"Here it is."}`, header: map[string]string{"Idempotency-Key": "k"}}).want(200, &q)
	}
	q = api.Request{}
	me("GET", one, "").want(200, &q)
	if q.State != "done" || q.Text != "What do you hold on me?" || q.Steps[2].Answer != "Here it is." || q.Subject != "c-17" {
		t.Errorf("%+v", q)
	}
	page = api.Requests{}
	me("GET", requestsOf, "").want(200, &page)
	if len(page.Requests) != 1 || page.Requests[0].Text != "" {
		t.Errorf("%+v", page)
	}
	w.do(ask{method: "GET", path: one, token: "subject:c-18"}).refused(api.NotFound)
	w.do(ask{method: "GET", path: one, token: "support"}).refused(api.Denied)
	dpo("GET", "/v1/requests/nosuch", "").refused(api.NotFound)

	w.sequence()
	for token, value := range map[string]bool{"subject:c-17": true, "dpo": false} {
		g := w.do(ask{method: "GET", path: one + "/bundle", token: token}).want(200)
		r, err := bundle.Verify(g.body, w.vault.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		if r.Request.ID.String() != q.ID || len(r.Steps) != 3 || !r.Signed[0].Logged {
			t.Errorf("%+v", r)
		}
		if got := strings.Contains(string(g.body), "luisg@embraer.com.br"); got != value {
			t.Errorf("the bundle for %s holds the person's values: %v", token, got)
		}
	}
}

// The evidence of an erasure holds its certificate, and verifies after the person is gone.
func TestBundleOfAnErasure(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	var q api.Request
	w.do(ask{method: "POST", path: requestsOf, token: "subject:c-17", body: `{"kind":"erasure","text":"Forget me."}`}).want(201, &q)
	w.do(ask{method: "POST", path: "/v1/subjects/c-17/erasure", token: "dpo", body: `{}`}).want(200)
	w.sequence()
	g := w.do(ask{method: "GET", path: "/v1/requests/" + q.ID + "/bundle", token: "dpo"}).want(200)
	r, err := bundle.Verify(g.body, w.vault.VerifierKey())
	if err != nil || r.Request.State != rights.Done || len(r.Signed) != 2 || r.Signed[0].File != "certificate.json" || !r.Signed[0].Logged {
		t.Fatalf("%+v, %v", r, err)
	}
	if strings.Contains(string(g.body), "Forget me.") {
		t.Error("the bundle holds a word of the erased")
	}
}

// The evidence of an objection holds the receipt.
func TestBundleOfAnOptOut(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br"}`).want(201)
	var q api.Request
	w.do(ask{method: "POST", path: requestsOf, token: "subject:c-17", body: `{"kind":"opt_out"}`}).want(201, &q)
	w.do(ask{method: "PATCH", path: "/v1/requests/" + q.ID, token: "dpo", body: `{"step":"complete"}`}).want(200)
	g := w.do(ask{method: "GET", path: "/v1/requests/" + q.ID + "/bundle", token: "dpo"}).want(200)
	if _, err := bundle.Verify(g.body, w.vault.VerifierKey()); err != nil {
		t.Fatal(err)
	}
}
