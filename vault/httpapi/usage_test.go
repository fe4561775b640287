package httpapi_test

import (
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
)

func TestUsageAndMinimisation(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 12 3923-5555"}`).want(201)
	for range 3 {
		w.do(ask{method: "GET", path: self + "?fields=email", token: "billing", purpose: "billing"}).want(200)
	}
	if _, err := w.vault.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.vault.Clock.Advance(1e9)
	var u api.PurposeUsage
	w.do(ask{method: "GET", path: "/v1/purposes/billing/usage?days=7", token: "operator"}).want(200, &u)
	if len(u.Rows) != 1 || u.Rows[0].Field != "customer.email" || u.Rows[0].Events != 3 || u.Rows[0].People != 1 || !u.Verified {
		t.Errorf("usage: %+v", u)
	}
	var m api.Minimisation
	w.do(ask{method: "GET", path: "/v1/minimisation", token: "operator"}).want(200, &m)
	for _, f := range m.Fields {
		if f.Field == "customer.email" {
			t.Error("a field that was read is called unused")
		}
	}
	if len(m.Fields) == 0 || len(m.Purposes) == 0 || !m.Verified {
		t.Errorf("minimisation: %+v", m)
	}
	w.do(ask{method: "GET", path: "/v1/purposes/nosuch/usage", token: "operator"}).refused(api.NotFound)
	w.do(ask{method: "GET", path: "/v1/minimisation?days=0", token: "operator"}).refused(api.Invalid)
	w.do(ask{method: "GET", path: "/v1/minimisation", token: "support"}).want(403)
}
