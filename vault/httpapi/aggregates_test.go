package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/api"
)

// counted has so many customers of one country, who agreed to be counted.
func (w *world) counted(n int) {
	w.tb.Helper()
	for i := range n {
		subject := fmt.Sprintf("/v1/subjects/c-%d", i)
		w.put(subject+"/records/customer/self", `{"country":"Norway","postal_code":"0171","email":"someone@example.org"}`).want(201)
		w.put(subject+"/records/invoice/1", `{"country":"Norway","total":8.5,"date":"2021-02-03"}`).want(201)
		w.do(ask{method: "PUT", path: subject + "/consents/analytics", token: "dpo", body: `{"decision":"granted"}`}).want(200)
	}
}

func TestAggregates(t *testing.T) {
	w := serve(t)
	w.counted(40)
	var out api.AggregateAnswer
	g := w.do(ask{method: "POST", path: "/v1/aggregates", token: "analyst", purpose: "analytics", body: `{"collection":"customer","measure":"count","group_by":["country"],"epsilon":0.9}`}).want(200, &out)
	if g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", g.header)
	}
	if len(out.Groups) != 24 || out.Epsilon != 0.9 || out.Confidence != 0.95 || out.Threshold != 0 || out.Budget.Answers != 1 || out.Budget.SpentEpsilon <= 0.9 {
		t.Errorf("%+v", out)
	}
	for _, g := range out.Groups {
		v := g.Values[0]
		if norway := g.Key[0] == "Norway"; (v.Value > 25) != norway || v.Low > v.Value || v.High < v.Value || v.Error < 1 || g.People != nil {
			t.Errorf("%+v", g)
		}
	}
	out = api.AggregateAnswer{}
	w.do(ask{method: "POST", path: "/v1/aggregates", token: "analyst", purpose: "analytics", body: `{"collection":"invoice","measure":"mean","field":"total","epsilon":0.9,"confidence":0.8}`}).want(200, &out)
	if out.Confidence != 0.8 || len(out.Groups) != 1 || len(out.Groups[0].Key) != 0 || out.Groups[0].Values[0].Low < 0 || out.Groups[0].Values[0].High > 26 {
		t.Errorf("%+v", out)
	}
	out = api.AggregateAnswer{}
	w.do(ask{method: "POST", path: "/v1/aggregates", token: "analyst", purpose: "analytics", body: `{"collection":"invoice","measure":"histogram","field":"total","group_by":["country"],"epsilon":0.1}`}).want(200, &out)
	if len(out.Bins) != 26 || len(out.Groups) != 24 || len(out.Groups[0].Values) != 26 {
		t.Errorf("%+v", out)
	}
	var list api.BudgetList
	w.do(ask{method: "GET", path: "/v1/budgets", token: "analyst"}).want(200, &list)
	if len(list.Budgets) != 2 || list.Budgets[0].Collection != "customer" || list.Budgets[1].Answers != 2 || list.Budgets[0].LeftEpsilon <= 0 {
		t.Errorf("%+v", list)
	}
	g = w.do(ask{method: "POST", path: "/v1/aggregates", token: "analyst", purpose: "analytics", body: `{"collection":"customer","measure":"count","field":"country","epsilon":9}`})
	if p := g.refused(api.Conflict); !strings.Contains(p.Detail, "an epsilon of at most") {
		t.Errorf("%+v", p)
	}
}

func TestAggregatesRefused(t *testing.T) {
	w := serve(t)
	const good = `{"collection":"customer","measure":"count","group_by":["country"],"epsilon":0.1}`
	for name, tt := range map[string]struct {
		token, purpose, body string
		want                 api.Code
	}{
		"support":                {"support", "support", good, api.Denied},
		"operators":              {"operator", "analytics", good, api.Denied},
		"people":                 {"subject:c-1", "analytics", good, api.Denied},
		"another purpose":        {"analyst", "billing", good, api.Denied},
		"no purpose":             {"analyst", "", good, api.Invalid},
		"an undeclared field":    {"analyst", "analytics", strings.Replace(good, "country", "city", 1), api.Invalid},
		"an unknown collection":  {"analyst", "analytics", strings.Replace(good, "customer", "order", 1), api.Invalid},
		"an unknown measure":     {"analyst", "analytics", strings.Replace(good, "count\"", "median\"", 1), api.Invalid},
		"an unknown member":      {"analyst", "analytics", strings.Replace(good, "epsilon", "eps", 1), api.Invalid},
		"no epsilon":             {"analyst", "analytics", strings.Replace(good, `,"epsilon":0.1`, "", 1), api.Invalid},
		"an epsilon beyond":      {"analyst", "analytics", strings.Replace(good, "0.1", "1e30", 1), api.Invalid},
		"an epsilon below":       {"analyst", "analytics", strings.Replace(good, "0.1", "-1", 1), api.Invalid},
		"a confidence beyond":    {"analyst", "analytics", strings.Replace(good, "0.1", `0.1,"confidence":1.5`, 1), api.Invalid},
		"a confidence of all":    {"analyst", "analytics", strings.Replace(good, "0.1", `0.1,"confidence":1`, 1), api.Invalid},
		"a confidence below":     {"analyst", "analytics", strings.Replace(good, "0.1", `0.1,"confidence":0.4`, 1), api.Invalid},
		"an epsilon that is not": {"analyst", "analytics", strings.Replace(good, "0.1", `"1"`, 1), api.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			w.do(ask{method: "POST", path: "/v1/aggregates", token: tt.token, purpose: tt.purpose, body: tt.body}).refused(tt.want)
		})
	}
	w.do(ask{method: "GET", path: "/v1/budgets", token: "support"}).refused(api.Denied)
	w.do(ask{method: "GET", path: "/v1/budgets", token: "operator"}).want(200)
}
