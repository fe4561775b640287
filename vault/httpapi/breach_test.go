package httpapi_test

import (
	"encoding/csv"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault/api"
)

// The rows about billing's reading are the same in all forms; what support saw masked
// is counted only on request, and events outside the window never are.
func TestBreachReport(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 12 3923-5555"}`).want(201)
	read := func(role string) {
		w.do(ask{method: "GET", path: self + "?fields=email", token: role, purpose: role}).want(200)
	}
	read("billing") // too early
	w.vault.Clock.Advance(time.Minute)
	from := w.vault.Clock.Now()
	read("billing")
	read("billing")
	read("support")
	w.vault.Clock.Advance(time.Minute)
	to := w.vault.Clock.Now()
	read("billing") // too late
	if _, err := w.vault.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	window := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
	get := func(more url.Values, accept string) got {
		q := window.Encode() + "&" + more.Encode()
		return w.do(ask{method: "GET", path: "/v1/audit/breach?" + strings.TrimSuffix(q, "&"), token: "operator", header: map[string]string{"Accept": accept}})
	}
	actor := func(role string) string { return w.vault.As("x", "").Issuer + "#" + role }

	for _, c := range []struct {
		name   string
		query  url.Values
		values map[string]int64 // by actor
	}{
		{"all", url.Values{}, map[string]int64{actor("billing"): 2}},
		{"masked too", url.Values{"masked": {"true"}}, map[string]int64{actor("billing"): 2, actor("support"): 1}},
		{"one actor", url.Values{"actor": {actor("support")}, "masked": {"true"}}, map[string]int64{actor("support"): 1}},
		{"two actors", url.Values{"actor": {actor("support"), actor("billing")}, "masked": {"true"}}, map[string]int64{actor("billing"): 2, actor("support"): 1}},
		{"a purpose", url.Values{"purpose": {"support", "marketing"}, "masked": {"true"}}, map[string]int64{actor("support"): 1}},
		{"nobody", url.Values{"actor": {"nobody"}}, map[string]int64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r report.Report
			get(c.query, "application/json").want(200, &r)
			if len(r.Rows) != len(c.values) || r.Checkpoint == nil || !r.Checkpoint.Verified {
				t.Fatalf("%+v", r)
			}
			for _, row := range r.Rows {
				if row.Values != c.values[row.Actor] || row.Collection != "customer" || row.Field != "email" {
					t.Errorf("%+v, want %d values", row, c.values[row.Actor])
				}
			}
		})
	}
	g := get(nil, "text/csv").want(200)
	rows, err := csv.NewReader(strings.NewReader(string(g.body))).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][7] != actor("billing") || g.header.Get("Content-Disposition") == "" || g.header.Get("Vary") != "Accept" {
		t.Errorf("csv: %v, %v, %v", rows, err, g.header)
	}
	if g := get(nil, "text/html, text/markdown;q=0.9, */*").want(200); !strings.HasPrefix(string(g.body), "# Notification") {
		t.Errorf("markdown: %s", g.body)
	}
	if g := get(nil, "text/html, */*, text/csv").want(200); !json.Valid(g.body) {
		t.Errorf("by default: %s", g.body)
	}
}

func TestBreachRefusals(t *testing.T) {
	w := serve(t)
	const window = "/v1/audit/breach?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z"
	for _, path := range []string{
		"/v1/audit/breach", "/v1/audit/breach?from=2026-11-01T00:00:00Z", "/v1/audit/breach?to=2026-11-01T00:00:00Z", window + "&to=2026-11-03T00:00:00Z",
		"/v1/audit/breach?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "/v1/audit/breach?from=yesterday&to=2026-11-01T00:00:00Z",
		window + "&masked=yes", window + "&subject=c-1", window + strings.Repeat("&actor=a", 101),
	} {
		w.do(ask{method: "GET", path: path, token: "operator"}).refused(api.Invalid)
	}
	for _, role := range []string{"app", "support", "billing", "subject:c-17"} {
		w.do(ask{method: "GET", path: window, token: role}).refused(api.Denied)
	}
	w.do(ask{method: "GET", path: window, token: "operator"}).refused(api.NotFound) // no event is in the log
}
