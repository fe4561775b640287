package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// roles takes a role's name for a token, and "subject:id" for a person.
type roles struct{ v *vaulttest.Vault }

func (r roles) Verify(_ context.Context, token string) (accessctl.Principal, error) {
	role, name, _ := strings.Cut(token, ":")
	if role == "subject" {
		return r.v.Person(name, "").Principal, nil
	}
	return r.v.As(accessctl.Role(role), "").Principal, nil
}

// serve serves a vault; gate, if not nil, stands in front of it.
func serve(t testing.TB, gate func(http.Handler) http.Handler, o ...vaulttest.Options) (as func(role, purpose string) *client.Client) {
	t.Helper()
	v := vaulttest.New(t, o...)
	h, err := httpapi.New(httpapi.Config{
		Vault: v.Vault, Auth: roles{v}, Logger: slog.New(slog.DiscardHandler), Now: v.Clock.Now, NewID: vaulttest.NewID,
		DefaultTenant: vaulttest.Tenant, Rate: 1000, Burst: 1000, MaxInFlight: 100,
		Registerer: prometheus.NewRegistry(), Version: "test", Ready: v.Ready, Keys: v.Keeper(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if gate != nil {
		h = gate(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return func(role, purpose string) *client.Client {
		return connect(t, client.Config{URL: srv.URL, Token: client.StaticToken(role), Purpose: purpose})
	}
}

func connect(t testing.TB, cfg client.Config) *client.Client {
	t.Helper()
	cfg.Wait = time.Millisecond
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var self = client.Ref{Subject: "c-17", Collection: "customer", Record: "self"}

func TestRecords(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	app := as("app", "support")
	if w, err := app.Put(ctx, self, map[string]any{"email": "luisg@embraer.com.br", "city": "Oslo"}); err != nil || w.Revision != 1 {
		t.Fatal(w, err)
	}
	if w, err := app.Patch(ctx, self, map[string]any{"city": nil, "last_name": "Gonçalves"}, client.IfMatch(1)); err != nil || w.Revision != 2 {
		t.Fatal(w, err)
	}
	if _, err := app.Patch(ctx, self, map[string]any{"city": "Rio"}, client.IfMatch(1)); !client.IsCode(err, api.Conflict) {
		t.Errorf("got %v", err)
	}
	rec, err := as("support", "support").Get(ctx, self, "email", "city")
	want := api.Record{Subject: "c-17", Collection: "customer", Record: "self", Revision: 2, Fields: map[string]api.Field{
		"email": {View: "masked", Value: json.RawMessage(`"l••••@embraer.com.br"`)},
	}}
	if d := cmp.Diff(want, rec); d != "" || err != nil {
		t.Error(d, err)
	}
	items := []api.WriteItem{{Subject: "c-17", Collection: "invoice", Record: "bad"}}
	for i := range 150 {
		items = append(items, api.WriteItem{Subject: "c-17", Collection: "invoice", Record: fmt.Sprintf("n%03d", i), Fields: map[string]json.RawMessage{"total": json.RawMessage("1.98")}})
	}
	items[0].Fields = map[string]json.RawMessage{"total": json.RawMessage(`"much"`)}
	results, err := app.PutBatch(ctx, items)
	if err != nil || !client.IsCode(client.ItemError(0, results[0].Outcome), api.Invalid) || client.ItemError(1, results[1].Outcome) != nil {
		t.Fatal(results, err)
	}
	n := 0
	for ref, err := range app.All(ctx, "c-17", "invoice") {
		if err != nil || ref.Collection != "invoice" {
			t.Fatal(ref, err)
		}
		n++
	}
	if n != 150 {
		t.Errorf("%d invoices", n)
	}
	seen, err := as("billing", "billing").RevealBatch(ctx, []api.RevealItem{{Subject: "c-17", Collection: "invoice", Record: "n001", Fields: []string{"total"}}, {Subject: "c-99", Collection: "invoice", Record: "n001", Fields: []string{"total"}}})
	if err != nil || string(seen[0].Fields["total"].Value) != "1.98" || seen[1].Code != api.NotFound {
		t.Errorf("%+v %v", seen, err)
	}
	found, err := app.Search(ctx, api.SearchRequest{Collection: "customer", Field: "last_name", Equals: json.RawMessage(`"gonçalves"`)})
	if err != nil || len(found.Matches) != 1 {
		t.Errorf("%+v %v", found, err)
	}
	if err := app.Delete(ctx, self); err != nil {
		t.Error(err)
	}
	if err := app.Delete(ctx, self); !client.IsCode(err, api.NotFound) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"", ".", ".."} {
		if _, err := app.Get(ctx, client.Ref{Subject: name, Collection: "customer", Record: "self"}, "email"); !client.IsCode(err, api.Invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := app.Get(ctx, client.Ref{Subject: "a/b", Collection: "customer", Record: "self"}, "email"); !client.IsCode(err, api.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestPortable(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	app := as("app", "support")
	sealed, err := app.Encrypt(ctx, []api.EncryptItem{{Subject: "c-1", Field: "customer.city", Plaintext: json.RawMessage(`"Oslo"`)}})
	if err != nil {
		t.Fatal(err)
	}
	item := []api.DecryptItem{{Subject: "c-1", Field: "customer.city", Ciphertext: sealed[0].Ciphertext}}
	moved, err := app.Reencrypt(ctx, item)
	if err != nil {
		t.Fatal(err)
	}
	item[0].Ciphertext = moved[0].Ciphertext
	opened, err := app.Decrypt(ctx, item)
	if err != nil || string(opened[0].Value) != `"Oslo"` {
		t.Errorf("%+v %v", opened, err)
	}
}

func TestRequests(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	if _, err := as("app", "support").Put(ctx, self, map[string]any{"city": "Oslo"}); err != nil {
		t.Fatal(err)
	}
	me, dpo := as("subject:c-17", ""), as("dpo", "")
	filed, err := me.FileRequest(ctx, "c-17", api.Filing{Kind: "question", Text: "Why?"})
	if err != nil || filed.State != "received" {
		t.Fatalf("%+v %v", filed, err)
	}
	page, err := dpo.Requests(ctx, client.RequestQuery{DueBefore: filed.Due.Add(time.Hour), State: "received", Kind: "question", Limit: 5})
	if err != nil || len(page.Requests) != 1 || page.Cursor != "" {
		t.Errorf("%+v %v", page, err)
	}
	if _, err := dpo.RequestBundle(ctx, filed.ID); !client.IsCode(err, api.Conflict) {
		t.Errorf("the bundle of an open one: %v", err)
	}
	if q, err := dpo.Request(ctx, filed.ID); err != nil || q.Text != "Why?" {
		t.Errorf("%+v %v", q, err)
	}
	if q, err := dpo.StepRequest(ctx, filed.ID, api.RequestStep{Step: "complete", Answer: "So."}); err != nil || q.State != "done" {
		t.Errorf("%+v %v", q, err)
	}
	if b, err := me.RequestBundle(ctx, filed.ID); err != nil || !bytes.HasPrefix(b, []byte("PK")) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if list, err := me.SubjectRequests(ctx, "c-17"); err != nil || len(list) != 1 || list[0].Reason != "" {
		t.Errorf("%+v %v", list, err)
	}
}

func TestPeopleAndSettings(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	app, dpo, op := as("app", "support"), as("dpo", ""), as("operator", "")
	if _, err := app.Put(ctx, self, map[string]any{"city": "Oslo"}); err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("hold", dpo.Hold(ctx, "c-17", "a claim"))
	if _, err := dpo.Erase(ctx, "c-17", "asked"); !client.IsCode(err, api.Held) {
		t.Errorf("erasing under hold: %v", err)
	}
	check("release", dpo.Release(ctx, "c-17"))
	check("restrict", dpo.Restrict(ctx, "c-17", "disputed"))
	check("unrestrict", dpo.Unrestrict(ctx, "c-17"))
	check("lay bait", op.LayBait(ctx, "c-17"))
	check("take bait", op.TakeBait(ctx, "c-17"))
	if err := dpo.LayBait(ctx, "c-17"); !client.IsCode(err, api.Denied) {
		t.Errorf("an officer lays bait: %v", err)
	}
	receipt, err := dpo.RecordConsent(ctx, "c-17", "marketing", api.Decision{Decision: api.Granted, Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil || !json.Valid(receipt) {
		t.Errorf("%s %v", receipt, err)
	}
	consents, err := dpo.Consents(ctx, "c-17")
	if err != nil || len(consents) != 4 || consents[2].State != api.Granted {
		t.Errorf("%+v %v", consents, err)
	}
	own, err := as("subject:c-17", "").Export(ctx, "c-17")
	if err != nil || string(own.Records[0].Fields[0].Value) != `"Oslo"` {
		t.Errorf("%+v %v", own, err)
	}
	var table bytes.Buffer
	if err := dpo.ExportCSV(ctx, "c-17", &table); err != nil || strings.Contains(table.String(), "Oslo") || !strings.HasPrefix(table.String(), "collection,") {
		t.Errorf("%s %v", table.String(), err)
	}
	cert, err := dpo.Erase(ctx, "c-17", "asked")
	if err != nil || !json.Valid(cert) {
		t.Errorf("%s %v", cert, err)
	}
	if n, err := dpo.Reenrol(ctx, "c-17"); err != nil || n != 2 {
		t.Errorf("%d %v", n, err)
	}

	cat, err := op.Catalog(ctx, "default")
	if err != nil || cat.Version != 1 {
		t.Errorf("%+v %v", cat, err)
	}
	if a, err := op.ApplyCatalog(ctx, sample.Catalog(), true); err != nil || !a.DryRun || len(a.Changes) != 0 {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := op.ApplyPolicy(ctx, sample.Policy(), false); err != nil || a.Version != 2 {
		t.Errorf("%+v %v", a, err)
	}
	if p, err := op.Policy(ctx); err != nil || p.Policy != string(sample.Policy()) {
		t.Errorf("%v", err)
	}
	why, err := op.Explain(ctx, api.ExplainRequest{Roles: []string{"support"}, Purpose: "support", Collection: "customer", Field: "email"})
	if err != nil || why.View != api.ViewMasked {
		t.Errorf("%+v %v", why, err)
	}
	if keys, err := op.VerifierKeys(ctx); err != nil || len(keys) != 1 {
		t.Errorf("%v %v", keys, err)
	}
	if _, err := app.Put(ctx, client.Ref{Subject: "c-2", Collection: "customer", Record: "self"}, map[string]any{"city": "Ulm"}); err != nil {
		t.Fatal(err)
	}
	if r, err := op.RotateSubjectKeys(ctx, "c-2"); err != nil || len(r.Keys) != 2 || r.Job.Kind != "reseal" {
		t.Errorf("%+v %v", r, err)
	}
	var e *client.Error
	if _, err := op.RetireSubjectKeys(ctx, "c-2"); !errors.As(err, &e) || e.Code != api.Conflict || !strings.Contains(e.Detail, "reseal") {
		t.Errorf("retired while the job waits: %v", err)
	}
	check("alive", op.Alive(ctx))
	if h, err := op.Ready(ctx); err != nil || h.Status != "ok" {
		t.Errorf("%+v %v", h, err)
	}
	if doc, err := op.OpenAPI(ctx); err != nil || !json.Valid(doc) {
		t.Error(err)
	}
}

func TestErrorsNameRulesNotValues(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	_, err := as("app", "support").Put(ctx, client.Ref{Subject: "kanarienvogel", Collection: "customer", Record: "self"}, map[string]any{"email": "no address"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != api.Invalid || e.Fields[0].Field != "customer.email" || e.RequestID == "" || !strings.Contains(err.Error(), "customer.email") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "no address") {
		t.Errorf("the error holds the value: %v", err)
	}
	gone := connect(t, client.Config{URL: "http://127.0.0.1:1", Token: client.StaticToken("app"), Attempts: 1})
	if _, err := gone.Get(ctx, client.Ref{Subject: "kanarienvogel", Collection: "customer", Record: "self"}, "email"); err == nil || strings.Contains(err.Error(), "kanarienvogel") {
		t.Errorf("the error holds the path: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, u := range []string{"", "vault.example.org", "http://vault.example.org", "ftp://vault.example.org", "https://user:pw@vault.example.org", "https://vault.example.org?x=1", "http://127.0.0.1.example.org"} {
		if _, err := client.New(client.Config{URL: u}); err == nil {
			t.Errorf("%q was accepted", u)
		}
	}
	for _, u := range []string{"https://vault.example.org/", "http://127.0.0.1:8420", "http://localhost", "http://[::1]:1"} {
		if _, err := client.New(client.Config{URL: u}); err != nil {
			t.Errorf("%q: %v", u, err)
		}
	}
	if _, err := client.New(client.Config{URL: "http://vault.example.org", AllowHTTP: true}); err != nil {
		t.Error(err)
	}
}

// A step is how a server treats one attempt.
type step struct {
	status int    // 0: break the connection
	after  bool   // let it have its effect first
	header string // Retry-After
}

// A gate treats the requests that come once it is armed.
type gate struct {
	armed atomic.Bool
	count atomic.Int64
	steps []step
	mu    sync.Mutex
	keys  map[string]bool
	auth  atomic.Bool // a request came to where a redirect leads
}

func (g *gate) stand(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			g.auth.Store(true)
		}
		if !g.armed.Load() {
			next.ServeHTTP(w, r)
			return
		}
		n := int(g.count.Add(1))
		g.mu.Lock()
		g.keys[r.Header.Get("Idempotency-Key")] = true
		g.mu.Unlock()
		if n > len(g.steps) {
			next.ServeHTTP(w, r)
			return
		}
		s := g.steps[n-1]
		if s.after {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		if s.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Retry-After", s.header)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(s.status)
	})
}

func TestRetriesRespectIdempotency(t *testing.T) {
	type do = func(context.Context, *client.Client) error
	get := func(ctx context.Context, c *client.Client) error { _, err := c.Get(ctx, self, "city"); return err }
	put := func(ctx context.Context, c *client.Client) error {
		_, err := c.Put(ctx, self, map[string]any{"city": "Bergen"})
		return err
	}
	remove := func(ctx context.Context, c *client.Client) error { return c.Delete(ctx, self) }
	release := func(ctx context.Context, c *client.Client) error { return c.Release(ctx, "c-17") }
	hold := func(ctx context.Context, c *client.Client) error { return c.Hold(ctx, "c-17", "") }
	decide := func(decision string) do {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.RecordConsent(ctx, "c-17", "marketing", api.Decision{Decision: decision})
			return err
		}
	}
	reenrol := func(ctx context.Context, c *client.Client) error { _, err := c.Reenrol(ctx, "c-17"); return err }
	down, broken, done, full := step{status: 503}, step{}, step{after: true}, step{status: 429, header: "1"}
	for name, c := range map[string]struct {
		role  string
		do    do
		steps []step
		sent  int64
		fails bool
	}{
		"a read through an outage":           {"app", get, []step{down, broken, {status: 502}}, 4, false},
		"a read gives up":                    {"app", get, []step{down, down, down, down}, 4, true},
		"a write whose answer is lost":       {"app", put, []step{done, done}, 3, false},
		"a removal whose answer is lost":     {"app", remove, []step{done}, 2, false},
		"a hold":                             {"dpo", hold, []step{done, down}, 3, false},
		"a release is not repeated":          {"dpo", release, []step{broken}, 1, true},
		"a release, when nothing was done":   {"dpo", release, []step{full}, 2, false},
		"a grant is not repeated":            {"dpo", decide(api.Granted), []step{broken}, 1, true},
		"a grant is not repeated after 503":  {"dpo", decide(api.Granted), []step{down}, 1, true},
		"a withdrawal is":                    {"dpo", decide(api.Withdrawn), []step{broken, down}, 3, false},
		"a re-enrolment is not":              {"dpo", reenrol, []step{broken}, 1, true},
		"what the service refuses is final":  {"support", put, nil, 1, true},
		"an answer of somebody else's fails": {"app", get, []step{{status: 418}}, 1, true},
		"what is put off for an hour fails":  {"app", get, []step{{status: 429, header: "3600"}}, 1, true},
		"a redirect is not followed":         {"app", get, []step{{status: 302}}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it waits
			g := &gate{steps: c.steps, keys: map[string]bool{}}
			as := serve(t, g.stand)
			if _, err := as("app", "support").Put(t.Context(), self, map[string]any{"city": "Oslo"}); err != nil {
				t.Fatal(err)
			}
			g.armed.Store(true)
			err := c.do(t.Context(), as(c.role, "support"))
			g.armed.Store(false)
			if (err != nil) != c.fails || g.count.Load() != c.sent {
				t.Errorf("sent %d times, want %d: %v", g.count.Load(), c.sent, err)
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if len(g.keys) != 1 {
				t.Errorf("the attempts carried different keys: %v", g.keys)
			}
			if g.auth.Load() {
				t.Error("a redirect was followed")
			}
			if name == "a write whose answer is lost" {
				rec, err := as("app", "support").Get(t.Context(), self, "city")
				if err != nil || rec.Revision != 2 {
					t.Errorf("it had more than one effect: %+v %v", rec, err)
				}
			}
		})
	}
}

func TestRetriesEndWithTheContext(t *testing.T) {
	g := &gate{steps: []step{{status: 429, header: "30"}}, keys: map[string]bool{}}
	as := serve(t, g.stand)
	g.armed.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := as("app", "support").Get(ctx, self, "city"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte(" "), 2048))
	}))
	t.Cleanup(srv.Close)
	c := connect(t, client.Config{URL: srv.URL, Token: client.StaticToken("app"), MaxAnswer: 1024})
	if _, err := c.Get(t.Context(), self, "city"); !errors.Is(err, client.ErrAnswer) {
		t.Errorf("got %v", err)
	}
}

func TestAggregate(t *testing.T) {
	ctx, as := t.Context(), serve(t, nil)
	analyst := as("analyst", "analytics")
	q := api.AggregateRequest{Collection: "customer", Measure: "count", GroupBy: []string{"country"}, Epsilon: 0.5}
	out, err := analyst.Aggregate(ctx, q)
	if err != nil || len(out.Groups) != 24 || out.Budget.Answers != 1 {
		t.Errorf("%+v %v", out, err)
	}
	q.Epsilon = 9
	if _, err := analyst.Aggregate(ctx, q); !client.IsCode(err, api.Conflict) {
		t.Errorf("beyond the budget: %v", err)
	}
	list, err := analyst.Budgets(ctx)
	if err != nil || len(list) != 2 || list[0].Answers != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := as("support", "support").Budgets(ctx); !client.IsCode(err, api.Denied) {
		t.Errorf("support: %v", err)
	}
}
