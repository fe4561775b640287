package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkReveal reads ten fields of one person, without the network.
func BenchmarkReveal(b *testing.B) {
	w := serve(b)
	w.put(self, `{"first_name":"Luis","last_name":"Gonçalves","company":"Embraer","address":"Av. 1","city":"Campinas",
		"state":"SP","country":"Brazil","postal_code":"12227-000","phone":"+55 12 3923-5555","email":"luisg@embraer.com.br"}`).want(201)
	path := self + "?fields=first_name,last_name,company,address,city,state,country,postal_code,phone,email"
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Authorization", "Bearer app")
		req.Header.Set("Fieldvault-Purpose", "support")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusOK {
			b.Fatal(rec.Body)
		}
		w.vault.Clock.Advance(1e9)
	}
}
