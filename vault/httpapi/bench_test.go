package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/secret"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

const (
	tenFields = "first_name,last_name,company,address,city,state,country,postal_code,phone,email"
	tenValues = `{"first_name":"Luis","last_name":"Gonçalves","company":"Embraer","address":"Av. 1","city":"Campinas",
		"state":"SP","country":"Brazil","postal_code":"12227-000","phone":"+55 12 3923-5555","email":"luisg@embraer.com.br"}`
)

// BenchmarkReveal reads ten fields of one person, without the network.
func BenchmarkReveal(b *testing.B) {
	w := serve(b)
	w.put(self, tenValues).want(201)
	b.ReportAllocs()
	for b.Loop() {
		w.ask(b, httptest.NewRequest(http.MethodGet, self+"?fields="+tenFields, nil))
	}
}

// BenchmarkRevealBatch reads ten fields of each of 100 people, without the network.
func BenchmarkRevealBatch(b *testing.B) {
	w := serve(b)
	var items []string
	for i := range 100 {
		w.put(fmt.Sprintf("/v1/subjects/b-%d/records/customer/self", i), tenValues).want(201)
		items = append(items, fmt.Sprintf(`{"subject":"b-%d","collection":"customer","record":"self","fields":["%s"]}`,
			i, strings.ReplaceAll(tenFields, ",", `","`)))
	}
	body := `{"items":[` + strings.Join(items, ",") + `]}`
	b.ReportAllocs()
	for b.Loop() {
		w.ask(b, httptest.NewRequest(http.MethodPost, "/v1/reveal", strings.NewReader(body)))
	}
}

// ask sends a request of the application, past the network.
func (w *world) ask(b *testing.B, req *http.Request) {
	b.Helper()
	req.Header.Set("Authorization", "Bearer app")
	req.Header.Set("Fieldvault-Purpose", "support")
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		b.Fatal(rec.Body)
	}
	w.vault.Clock.Advance(time.Second) // for the rate limit
}

// BenchmarkAppendResults writes answers as JSON: one field, and ten fields of each of
// 100 people, one in ten of them masked and one hidden.
func BenchmarkAppendResults(b *testing.B) {
	for _, size := range []struct{ people, fields int }{{1, 1}, {100, 10}} {
		b.Run(fmt.Sprintf("%dx%d", size.people, size.fields), func(b *testing.B) {
			items, out := revealed(b, size.people, size.fields)
			b.ReportAllocs()
			for b.Loop() {
				body, err := httpapi.AppendResults(items, out)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(body)))
			}
		})
	}
}

// revealed is what the core answers for so many people and fields.
func revealed(tb testing.TB, people, fields int) ([]vault.Item, []vault.Revealed) {
	tb.Helper()
	parsed, err := catalog.Parse(sample.Catalog())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := parsed.Assign(nil)
	if err != nil {
		tb.Fatal(err)
	}
	customer, _ := c.Collection("customer")
	value := secret.FromString("Gonçalves & \"Filhos\", 32 bytes")
	items, out := make([]vault.Item, people), make([]vault.Revealed, people)
	for i := range items {
		items[i] = vault.Item{Subject: fmt.Sprint("c-", i), Collection: "customer", Record: "self"}
		out[i].Revision = 7
		for j := range fields {
			a := vault.Answer{Field: &customer.Fields[j], View: accessctl.Plain, Value: value}
			switch j {
			case 8:
				a.View = accessctl.Masked
			case 9:
				a = vault.Answer{Field: a.Field, View: accessctl.Hidden, Reason: accessctl.ReasonConsent}
			}
			out[i].Fields = append(out[i].Fields, a)
		}
	}
	return items, out
}
