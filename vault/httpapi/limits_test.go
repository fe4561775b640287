package httpapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

func limited(perSecond float64, burst, inFlight int) func(*httpapi.Config) {
	return func(c *httpapi.Config) { c.Rate, c.Burst, c.MaxInFlight = perSecond, burst, inFlight }
}

func read(token string) ask {
	return ask{method: "GET", path: self + "?fields=city", token: token, purpose: "support"}
}

func TestRateIsPerPrincipal(t *testing.T) {
	w := serve(t, limited(1, 3, 100))
	for range 3 {
		w.do(read("app")).refused(api.NotFound)
	}
	for i := range 5 { // forwarded-for headers do not matter
		a := read("app")
		a.header = map[string]string{"X-Forwarded-For": fmt.Sprint("192.0.2.", i), "Forwarded": fmt.Sprint("for=192.0.2.", i), "X-Real-Ip": fmt.Sprint("192.0.2.", i)}
		if g := w.do(a); g.refused(api.RateLimited).Status != 429 || g.header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", g.header.Get("Retry-After"))
		}
	}
	w.do(read("app:other")).refused(api.NotFound)
	w.vault.Clock.Advance(time.Second)
	w.do(read("app")).refused(api.NotFound)
	w.do(read("app")).refused(api.RateLimited)
}

func TestPublicRoutesAreMeteredByAddress(t *testing.T) {
	w := serve(t, limited(1, 2, 100))
	for range 2 {
		w.do(ask{method: "GET", path: "/v1/catalog"}).want(200)
	}
	w.do(ask{method: "GET", path: "/v1/catalog", header: map[string]string{"X-Forwarded-For": "192.0.2.1"}}).refused(api.RateLimited)
	for range 5 {
		w.do(ask{method: "GET", path: "/healthz"}).want(200)
	}
}

func TestTokens(t *testing.T) {
	w := serve(t)
	for name, h := range map[string]http.Header{
		"none":       nil,
		"empty":      {"Authorization": {""}},
		"no scheme":  {"Authorization": {"app"}},
		"basic":      {"Authorization": {"Basic app"}},
		"no token":   {"Authorization": {"Bearer "}},
		"twice":      {"Authorization": {"Bearer app", "Bearer app"}},
		"another":    {"Authorization": {"Bearer nobody"}},
		"in a query": nil,
		"too long":   {"Authorization": {"Bearer app:" + strings.Repeat("a", api.MaxToken)}},
	} {
		t.Run(name, func(t *testing.T) {
			a := ask{method: "GET", path: self + "?fields=city", more: h}
			if name == "in a query" {
				a.path += "&access_token=app"
			}
			g := w.do(a)
			g.refused(api.Unauthenticated)
			if g.header.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	a := read("")
	a.more = http.Header{"Authorization": {"bearer app"}}
	w.do(a).refused(api.NotFound)
}

func TestFailuresAreMeteredByAddressAndHoldUpNobodyElse(t *testing.T) {
	w := serve(t, limited(10, 50, 100))
	for range 5 {
		w.do(read("nobody")).refused(api.Unauthenticated)
	}
	for i := range 3 {
		a := read(fmt.Sprint("nobody", i))
		a.header = map[string]string{"X-Forwarded-For": fmt.Sprint("192.0.2.", i)}
		w.do(a).refused(api.RateLimited)
	}
	w.do(read("app")).refused(api.NotFound)
	w.vault.Clock.Advance(time.Second)
	w.do(read("nobody")).refused(api.Unauthenticated)
}

// A caller gets at most half of the requests that may be under way.
func TestRequestsUnderWay(t *testing.T) {
	w := serve(t, limited(1000, 1000, 2))
	w.vault.KEK.Stop()
	done := make(chan int, 2)
	for _, token := range []string{"app", "app:other"} {
		go func() {
			done <- httpDo(w, "PUT", "/v1/subjects/c-"+token+"/records/customer/self", token, `{"fields":{"city":"Oslo"}}`)
		}()
		if token == "app" {
			w.waitInFlight(1)
			for deadline := time.Now().Add(10 * time.Second); w.do(read("app")).status != 429 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) // it is counted a moment before it has its place
			}
			w.do(read("app")).refused(api.RateLimited)
		}
	}
	w.waitInFlight(2)
	g := w.do(read("app:third"))
	g.refused(api.Unavailable)
	if g.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.do(ask{method: "GET", path: "/healthz"}).want(200)
	w.vault.KEK.Continue()
	for range 2 {
		<-done
	}
	w.do(read("app")).refused(api.NotFound)
	if n := w.metric("fieldvault_http_requests_in_flight"); n != 0 {
		t.Errorf("%v requests are still under way", n)
	}
}

func TestNewRefusesGaps(t *testing.T) {
	v := vaulttest.New(t)
	full := func() httpapi.Config {
		return httpapi.Config{
			Vault: v.Vault, Auth: tokens{v}, Logger: slog.New(slog.DiscardHandler), Now: v.Clock.Now, NewID: vaulttest.NewID,
			DefaultTenant: "default", Rate: 1, Burst: 1, MaxInFlight: 1, Registerer: prometheus.NewRegistry(), Version: "1",
			Ready: func(context.Context) []vault.Check { return nil }, Keys: v.Keeper(),
		}
	}
	if _, err := httpapi.New(full()); err != nil {
		t.Fatal(err)
	}
	for name, gap := range map[string]func(*httpapi.Config){
		"Vault":         func(c *httpapi.Config) { c.Vault = nil },
		"Auth":          func(c *httpapi.Config) { c.Auth = nil },
		"Logger":        func(c *httpapi.Config) { c.Logger = nil },
		"Now":           func(c *httpapi.Config) { c.Now = nil },
		"NewID":         func(c *httpapi.Config) { c.NewID = nil },
		"DefaultTenant": func(c *httpapi.Config) { c.DefaultTenant = "" },
		"Rate":          func(c *httpapi.Config) { c.Rate = 0 },
		"Burst":         func(c *httpapi.Config) { c.Burst = 0 },
		"MaxInFlight":   func(c *httpapi.Config) { c.MaxInFlight = 0 },
		"Registerer":    func(c *httpapi.Config) { c.Registerer = nil },
		"Version":       func(c *httpapi.Config) { c.Version = "" },
		"Ready":         func(c *httpapi.Config) { c.Ready = nil },
	} {
		c := full()
		gap(&c)
		if _, err := httpapi.New(c); err == nil || !strings.Contains(err.Error(), "Config."+name+" ") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	c := full()
	if _, err := httpapi.New(c); err != nil {
		t.Fatal(err)
	}
	if _, err := httpapi.New(c); err == nil {
		t.Error("metrics were registered twice")
	}
}

func TestServerBoundsEverything(t *testing.T) {
	s := httpapi.NewServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 64<<10 || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
}

// What is not ready makes readyz fail, and is named; healthz goes on.
func TestReadyz(t *testing.T) {
	w := serve(t, func(c *httpapi.Config) {
		c.Ready = func(context.Context) []vault.Check {
			return []vault.Check{{Name: "database", OK: true}, {Name: "kek", Note: "start Vault"}}
		}
	})
	var h api.Health
	w.do(ask{method: "GET", path: "/readyz"}).want(503, &h)
	if h.Status != "failing" || h.Checks[1].Note != "start Vault" {
		t.Errorf("%+v", h)
	}
	w.do(ask{method: "GET", path: "/healthz"}).want(200)
}

// The number of principals that are metered is bounded; who was quiet for longest
// is forgotten first.
func TestBodiesShareABudget(t *testing.T) {
	read := func(size int, limit, budget int64) (int, api.Code) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x", strings.NewReader(strings.Repeat("a", size)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := httpapi.ReadBody(r, limit, budget)
		if err != nil {
			_, code, _ := httpapi.ProblemOf(err)
			return 0, code
		}
		return len(b), ""
	}
	for _, c := range []struct {
		size          int
		limit, budget int64
		code          api.Code
	}{
		{0, 10, 0, ""},
		{10, 10, 0, ""},
		{11, 10, 0, api.TooLarge},
		{511, 1000, 0, ""},
		{1000, 1000, 2000, ""},
		{1001, 1000, 2000, api.TooLarge},
		{10_000, 100_000, 100_000, ""},
		{10_000, 100_000, 10_000, api.Unavailable},
		{100_000, 100_000, 1 << 20, ""},
		{100_001, 100_000, 1 << 20, api.TooLarge},
	} {
		n, code := read(c.size, c.limit, c.budget)
		if code != c.code || code == "" && n != c.size {
			t.Errorf("%+v: %d bytes, %q", c, n, code)
		}
	}
}

// What net/http says of a broken connection may quote what a client sent.
func TestServerLogsNoText(t *testing.T) {
	var b lines
	s := httpapi.NewServer(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})))
	s.ErrorLog.Print("http: bad header kanarienvogel")
	if b.String() == "" || strings.Contains(b.String(), "kanarienvogel") {
		t.Errorf("logged %q", b.String())
	}
}
