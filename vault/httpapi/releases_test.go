package httpapi_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

// handedOn has so many customers of two countries each, who agreed to be in tables.
func (w *world) handedOn(n int) {
	w.tb.Helper()
	for i := range n {
		subject := fmt.Sprintf("/v1/subjects/c-%d", i)
		w.put(subject+"/records/customer/self", fmt.Sprintf(`{"country":%q,"postal_code":"0%d71","city":"Oslo"}`, []string{"Norway", "Chile"}[i%2], i%7)).want(201)
		w.do(ask{method: "PUT", path: subject + "/consents/analytics", token: "dpo", body: `{"decision":"granted"}`}).want(200)
	}
}

func TestReleases(t *testing.T) {
	w := serve(t)
	w.handedOn(40)
	release := func(body string) got {
		return w.do(ask{method: "POST", path: "/v1/releases", token: "analyst", purpose: "analytics", body: body})
	}
	p := release(`{"collection":"customer","k":41}`).refused(api.Unmet)
	if p.Status != 422 || p.Detail != "The table has 40 rows, fewer than k = 41: release it with more people, or not at all." {
		t.Errorf("%+v", p)
	}
	var out api.Release
	g := release(`{"collection":"customer","k":20,"t":0.9,"max_suppression":0.1}`).want(200, &out)
	if g.header.Get("Cache-Control") != "no-store" || out.Format != "csv" {
		t.Errorf("%v, %s", g.header, out.Format)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out.Table))).ReadAll()
	if err != nil || len(rows) != 41 || strings.Join(rows[0], " ") != "country city postal_code" {
		t.Fatalf("%v, %v", rows, err)
	}
	count := map[string]int{}
	for _, r := range rows[1:] {
		count[strings.Join(r, " ")]++
	}
	if count["Norway Oslo 0*"] != 20 || count["Chile Oslo 0*"] != 20 || out.Report.K != 20 || out.Report.Classes != 2 || out.Report.People != 40 {
		t.Errorf("%v, %+v", count, out.Report)
	}
	if d := release(`{"collection":"customer"}`).refused(api.Conflict).Detail; !strings.Contains(d, "the next may be made from "+out.Report.Next.Format(time.RFC3339)) {
		t.Errorf("too soon: %s", d)
	}
	w.vault.Clock.Advance(30 * 24 * time.Hour)
	release(`{"collection":"customer","columns":["country"],"format":"parquet"}`).want(200, &out)
	type row struct {
		Country string `parquet:"country,optional"`
	}
	read, err := parquet.Read[row](strings.NewReader(string(out.Table)), int64(len(out.Table)))
	if err != nil || len(read) != 40 || read[0].Country != "Chile" {
		t.Errorf("%v, %v", read, err)
	}
}

func TestReleasesRefused(t *testing.T) {
	w := serve(t)
	const good = `{"collection":"customer","k":6,"t":0.5,"max_suppression":0.05}`
	for name, tt := range map[string]struct {
		token, purpose, body string
		want                 api.Code
	}{
		"support":               {"support", "support", good, api.Denied},
		"operators":             {"operator", "analytics", good, api.Denied},
		"people":                {"subject:c-1", "analytics", good, api.Denied},
		"another purpose":       {"analyst", "billing", good, api.Denied},
		"no purpose":            {"analyst", "", good, api.Invalid},
		"an undeclared field":   {"analyst", "analytics", `{"collection":"customer","columns":["email"]}`, api.Invalid},
		"an unknown collection": {"analyst", "analytics", strings.Replace(good, "customer", "order", 1), api.Invalid},
		"one without releases":  {"analyst", "analytics", strings.Replace(good, "customer", "invoice", 1), api.Invalid},
		"an unknown format":     {"analyst", "analytics", `{"collection":"customer","format":"xlsx"}`, api.Invalid},
		"an unknown member":     {"analyst", "analytics", strings.Replace(good, `"t"`, `"tt"`, 1), api.Invalid},
		"a lower k":             {"analyst", "analytics", strings.Replace(good, "6", "4", 1), api.Invalid},
		"a negative k":          {"analyst", "analytics", strings.Replace(good, "6", "-6", 1), api.Invalid},
		"a t of nothing":        {"analyst", "analytics", strings.Replace(good, "0.5", "0.0001", 1), api.Invalid},
		"a greater t":           {"analyst", "analytics", strings.Replace(good, "0.5", "1e300", 1), api.Invalid},
		"more left out":         {"analyst", "analytics", strings.Replace(good, "0.05", "0.2", 1), api.Invalid},
		"less than none":        {"analyst", "analytics", strings.Replace(good, "0.05", "-1", 1), api.Invalid},
		"nobody":                {"analyst", "analytics", good, api.Unmet},
	} {
		t.Run(name, func(t *testing.T) {
			w.do(ask{method: "POST", path: "/v1/releases", token: tt.token, purpose: tt.purpose, body: tt.body}).refused(tt.want)
		})
	}
}

// slow accepts a token when the time of the request is over.
type slow struct{ httpapi.Authenticator }

func (s slow) Verify(ctx context.Context, token string) (accessctl.Principal, error) {
	p, err := s.Authenticator.Verify(ctx, token)
	<-ctx.Done()
	return p, err
}

// TestWorkThatTakesTooLong says what it cost, and what to do.
func TestWorkThatTakesTooLong(t *testing.T) {
	w := serve(t, func(c *httpapi.Config) { c.Auth = slow{c.Auth} })
	for path, tt := range map[string]struct{ body, want string }{
		"/v1/aggregates": {`{"collection":"customer","measure":"count","group_by":["country"],"epsilon":0.1}`, "What it took from the budget stays spent. Ask with `fieldvault aggregate`"},
		"/v1/releases":   {`{"collection":"customer"}`, "It took one of the tries until the next table. Release it with `fieldvault release`"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(tt.body))
		r.Header = http.Header{"Authorization": {"Bearer analyst"}, "Content-Type": {"application/json"}, api.HeaderPurpose: {"analytics"}}
		got := httptest.NewRecorder()
		w.handler.ServeHTTP(got, r)
		cancel()
		if got.Code != 503 || !strings.Contains(got.Body.String(), tt.want) || got.Header().Get("Retry-After") != "" {
			t.Errorf("%s: %d %v %s", path, got.Code, got.Header(), got.Body)
		}
	}
}
