package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// tokens takes "role" for a caller with that role, "role:name" for another of
// that role, and "subject:id" for a person. It stands in for package jwtauth,
// which has its own tests.
type tokens struct{ v *vaulttest.Vault }

func (t tokens) Verify(_ context.Context, token string) (accessctl.Principal, error) {
	role, name, _ := strings.Cut(token, ":")
	switch role {
	case "subject":
		return t.v.Person(name, "").Principal, nil
	case "panic":
		panic("a value of a person")
	case "app", "support", "billing", "marketing", "dpo", "analyst", "operator":
		p := t.v.As(accessctl.Role(role), "").Principal
		p.Subject += name
		return p, nil
	}
	return accessctl.Principal{}, errors.New("the token names nobody: " + token)
}

// A world is a served vault, with what it logged and measured.
type world struct {
	tb      testing.TB
	vault   *vaulttest.Vault
	handler http.Handler
	url     string
	log     *lines
	metrics *prometheus.Registry
	doc     map[string]any
	schemas *jsonschema.Compiler
}

// lines is a log that goroutines share.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func serve(tb testing.TB, change ...func(*httpapi.Config)) *world {
	tb.Helper()
	w := &world{tb: tb, vault: vaulttest.New(tb), log: &lines{}, metrics: prometheus.NewRegistry()}
	cfg := httpapi.Config{
		Vault: w.vault.Vault, Auth: tokens{w.vault}, Logger: slog.New(slog.NewJSONHandler(w.log, nil)), Now: w.vault.Clock.Now,
		NewID: vaulttest.NewID, DefaultTenant: vaulttest.Tenant, Rate: 1000, Burst: 10_000, MaxInFlight: 100,
		Registerer: w.metrics, Version: "test", Ready: w.vault.Ready, Keys: w.vault.Keeper(),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	if w.handler, err = httpapi.New(cfg); err != nil {
		tb.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = httpapi.NewServer(w.handler, cfg.Logger)
	srv.Start()
	tb.Cleanup(srv.Close)
	w.url = srv.URL
	w.readDocument()
	return w
}

// readDocument reads the OpenAPI document, so that every answer can be held against it.
func (w *world) readDocument() {
	w.tb.Helper()
	res, err := http.Get(w.url + "/openapi.json")
	if err != nil {
		w.tb.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // a test
	doc, err := jsonschema.UnmarshalJSON(res.Body)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.doc = doc.(map[string]any)
	w.schemas = jsonschema.NewCompiler()
	w.schemas.AssertFormat()
	if err := w.schemas.AddResource("openapi.json", doc); err != nil {
		w.tb.Fatal(err)
	}
}

// An ask is a request of a test.
type ask struct {
	method, path string
	token        string
	purpose      string
	body         string
	header       map[string]string
	more         http.Header
}

// A got is its answer.
type got struct {
	tb     testing.TB
	status int
	header http.Header
	body   []byte
}

// do sends a request as it stands, and holds the answer against the document.
func (w *world) do(a ask) got {
	w.tb.Helper()
	req, err := http.NewRequestWithContext(w.tb.Context(), a.method, w.url+a.path, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	if a.body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(a.body)), int64(len(a.body))
		req.Header.Set("Content-Type", "application/json")
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if a.purpose != "" {
		req.Header.Set(api.HeaderPurpose, a.purpose)
	}
	for k, v := range a.header {
		req.Header.Set(k, v)
	}
	for k, v := range a.more {
		req.Header[k] = append(req.Header[k], v...)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // a test
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.conforms(req, res, b)
	return got{w.tb, res.StatusCode, res.Header, b}
}

// conforms holds an answer against the document's schema for its route and status.
func (w *world) conforms(req *http.Request, res *http.Response, body []byte) {
	w.tb.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff"} {
		if res.Header.Get(name) != want {
			w.tb.Errorf("%s %s: %s is %q", req.Method, req.URL, name, res.Header.Get(name))
		}
	}
	if len(res.Header.Get(api.HeaderRequestID)) != 36 {
		w.tb.Errorf("%s %s: no Request-Id", req.Method, req.URL)
	}
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	at := "openapi.json#/components/schemas/Problem"
	if media != api.ProblemType {
		at = w.pointer(req, res, media)
		if at == "" {
			return
		}
	}
	schema, err := w.schemas.Compile(at)
	if err != nil {
		w.tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		w.tb.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	if err := schema.Validate(value); err != nil {
		w.tb.Errorf("%s %s: the answer %s does not fit the document: %v", req.Method, req.URL, body, err)
	}
	if err := api.Unmarshal(body, new(any)); err != nil {
		w.tb.Errorf("%s %s: the answer is not strict JSON: %v", req.Method, req.URL, err)
	}
}

// pointer leads to the schema of a good answer; "" for answers without a JSON body.
func (w *world) pointer(req *http.Request, res *http.Response, media string) string {
	w.tb.Helper()
	path := req.URL.EscapedPath()
	pattern := w.handler.(chi.Routes).Find(chi.NewRouteContext(), req.Method, path)
	pattern = strings.Replace(pattern, "/*", "/{path}", 1)
	status := fmt.Sprint(res.StatusCode)
	item, _ := w.doc["paths"].(map[string]any)[pattern].(map[string]any)
	op, _ := item[strings.ToLower(req.Method)].(map[string]any)
	if op == nil {
		if !strings.HasPrefix(pattern, "/docs/") {
			w.tb.Errorf("%s %s is not in the document", req.Method, pattern)
		}
		return ""
	}
	r, _ := op["responses"].(map[string]any)[status].(map[string]any)
	if r == nil {
		w.tb.Errorf("%s %s: the document does not know status %s", req.Method, pattern, status)
		return ""
	}
	content, _ := r["content"].(map[string]any)
	if media == "" && content == nil {
		return ""
	}
	if content[media] == nil {
		w.tb.Errorf("%s %s %s: the document does not know %q", req.Method, pattern, status, media)
		return ""
	}
	if media != "application/json" {
		return ""
	}
	esc := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	return "openapi.json#/paths/" + esc.Replace(pattern) + "/" + strings.ToLower(req.Method) + "/responses/" + status +
		"/content/" + esc.Replace(media) + "/schema"
}

// want fails the test unless the status is the given one, and decodes the body.
func (g got) want(status int, v ...any) got {
	g.tb.Helper()
	if g.status != status {
		g.tb.Fatalf("status %d, want %d: %s", g.status, status, g.body)
	}
	if len(v) > 0 {
		if err := json.Unmarshal(g.body, v[0]); err != nil {
			g.tb.Fatalf("%v: %s", err, g.body)
		}
	}
	return g
}

// refused fails the test unless the answer is a problem with this code.
func (g got) refused(code api.Code) api.Problem {
	g.tb.Helper()
	var p api.Problem
	if err := json.Unmarshal(g.body, &p); err != nil {
		g.tb.Fatalf("status %d, want a problem: %s", g.status, g.body)
	}
	if p.Code != code || p.Status != g.status || g.header.Get("Content-Type") != api.ProblemType || g.header.Get("Cache-Control") != "no-store" {
		g.tb.Fatalf("got %d %s %q, want the code %s: %s", g.status, g.header.Get("Content-Type"), p.Code, code, g.body)
	}
	if p.RequestID != g.header.Get(api.HeaderRequestID) || p.Type != api.TypePrefix+string(code) || p.Title != http.StatusText(g.status) || p.Detail == "" {
		g.tb.Errorf("the problem is incomplete: %s", g.body)
	}
	return p
}

const self = "/v1/subjects/c-17/records/customer/self"

// put stores a customer over HTTP.
func (w *world) put(path, fields string) got {
	w.tb.Helper()
	return w.do(ask{method: "PUT", path: path, token: "app", purpose: "support", body: `{"fields":` + fields + `}`})
}

func fieldsQuery(names ...string) string {
	return "?fields=" + url.QueryEscape(strings.Join(names, ","))
}
