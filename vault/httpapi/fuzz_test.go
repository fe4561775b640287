package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
)

// FuzzNoRequestBreaksTheService: whatever a caller with every form of request
// sends, the answer is no fault, and an error is a problem of the closed set.
func FuzzNoRequestBreaksTheService(f *testing.F) {
	w := serve(f)
	w.put(self, `{"city":"Oslo"}`).want(201)
	for _, s := range []struct{ method, target, token, name, value, body string }{
		{"GET", self + "?fields=city", "app", "Fieldvault-Purpose", "support", ""},
		{"PUT", self, "app", "If-Match", `"1"`, `{"fields":{"city":"Oslo"}}`},
		{"PATCH", "/v1/subjects/a%40b/records/customer/%2e%2e", "app", "Idempotency-Key", "k", `{"fields":{"city":null}}`},
		{"GET", "/v1/subjects/c-17/records?limit=1&cursor=AAAA", "app", "Fieldvault-Purpose", "support", ""},
		{"GET", "/v1/subjects/c-17/export", "dpo", "Accept", "text/csv;q=0.5, */*", ""},
		{"POST", "/v1/reveal", "support", "Fieldvault-Purpose", "support", `{"items":[{"subject":"c-17","collection":"customer","record":"self","fields":["city"]}]}`},
		{"POST", "/v1/decrypt", "app", "Fieldvault-Purpose", "billing", `{"items":[{"subject":"c-17","field":"customer.city","ciphertext":"fv1:AAAA"}]}`},
		{"POST", "/v1/search", "app", "Fieldvault-Purpose", "support", `{"collection":"customer","field":"email","equals":"a@example.org"}`},
		{"PUT", "/v1/subjects/c-17/consents/marketing", "dpo", "Content-Type", "application/json", `{"decision":"granted"}`},
		{"PUT", "/v1/catalog?dry_run=true", "operator", "Content-Type", "application/yaml", "title: x"},
		{"PUT", "/v1/policy?dry_run=true", "operator", "Content-Type", "text/plain", "permit(principal, action, resource);"},
		{"POST", "/v1/policy/explain", "operator", "Request-Id", "x", `{"roles":["app"],"collection":"customer","field":"email","state":{"consent":"none"}}`},
		{"BREW", "//", "", "Authorization", "Basic x", ""},
	} {
		f.Add(s.method, s.target, s.token, s.name, s.value, s.body)
	}
	f.Fuzz(func(t *testing.T, method, target, token, name, value, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://x"+target, strings.NewReader(body))
		if err != nil {
			return
		}
		req.RemoteAddr = "192.0.2.1:1"
		req.Header.Set("Content-Type", "application/json")
		req.Header[http.CanonicalHeaderKey(name)] = []string{value}
		if token != "" && token != "panic" {
			req.Header.Set("Authorization", "Bearer "+strings.SplitN(token, ":", 2)[0])
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req)
		switch res := rec.Result(); {
		case res.StatusCode == http.StatusInternalServerError:
			t.Fatalf("status 500: %s", rec.Body)
		case res.StatusCode >= 400 && res.Header.Get("Content-Type") != api.ProblemType:
			t.Fatalf("status %d with %q", res.StatusCode, res.Header.Get("Content-Type"))
		case len(res.Header.Get(api.HeaderRequestID)) != 36:
			t.Fatal("no Request-Id")
		}
	})
}
