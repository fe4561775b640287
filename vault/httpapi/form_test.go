package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/crypto/cryptotest"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

func TestPathParametersAreDecodedExactlyOnce(t *testing.T) {
	w := serve(t)
	read := func(path string) got {
		return w.do(ask{method: "GET", path: path + "?fields=city", token: "app", purpose: "support"})
	}
	w.put("/v1/subjects/a@b/records/customer/self", `{"city":"Oslo"}`).want(201)
	for _, same := range []string{"/v1/subjects/a%40b/records/customer/self", "/v1/subjects/%61@b/records/cust%6fmer/s%65lf"} {
		read(same).want(200)
	}
	read("/v1/subjects/A@b/records/customer/self").refused(api.NotFound)
	for _, bad := range []string{
		"a%2540b", "..", "%2e%2e", ".%2e", ".", "%2e", "a%2fb", "a%5cb", "%00", "a%20b", "a%0ab", "caf%C3%A9", "%ff", "*", "a%252e",
		strings.Repeat("a", 129), "%EF%BC%A1", "",
	} {
		read("/v1/subjects/" + bad + "/records/customer/self").refused(api.Invalid)
		if bad != "" {
			read("/v1/subjects/c-17/records/customer/" + bad).refused(api.Invalid)
		}
	}
	for _, bad := range []string{"Customer", "customer%00", "*", "%63ustomer%20"} {
		read("/v1/subjects/c-17/records/" + bad + "/self").refused(api.Invalid)
	}
	for _, none := range []string{"//v1/catalog", "/v1/catalog/", "/v1/subjects", "/V1/catalog", "/v1%2fcatalog", "/"} {
		w.do(ask{method: "GET", path: none}).refused(api.NotFound)
	}
}

func TestPurposeStandsOnce(t *testing.T) {
	w := serve(t)
	w.put(self, `{"city":"Oslo"}`).want(201)
	read := func(h http.Header) got {
		return w.do(ask{method: "GET", path: self + "?fields=city", token: "app", more: h})
	}
	read(http.Header{"Fieldvault-Purpose": {"support"}}).want(200)
	read(http.Header{"fieldvault-PURPOSE": {"support"}}).want(200)
	for name, h := range map[string]http.Header{
		"missing":         nil,
		"unknown":         {"Fieldvault-Purpose": {"curiosity"}},
		"other case":      {"Fieldvault-Purpose": {"Support"}},
		"empty":           {"Fieldvault-Purpose": {""}},
		"twice":           {"Fieldvault-Purpose": {"support", "support"}},
		"two":             {"Fieldvault-Purpose": {"support", "billing"}},
		"two spellings":   {"Fieldvault-Purpose": {"support"}, "fieldvault-purpose": {"billing"}},
		"two in one":      {"Fieldvault-Purpose": {"support, billing"}},
		"underscore only": {"Fieldvault_Purpose": {"support"}},
	} {
		t.Run(name, func(t *testing.T) {
			if p := read(h).refused(api.Invalid); p.Fields[0].Field != "purpose" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestConditionsAndKeys(t *testing.T) {
	w := serve(t)
	w.put(self, `{"city":"Oslo"}`).want(201)
	change := func(method string, h http.Header, city string) got {
		return w.do(ask{method: method, path: self, token: "app", body: `{"fields":{"city":"` + city + `"}}`, more: h})
	}
	for _, bad := range []string{"1", `W/"1"`, `"01"`, `"0"`, `"-1"`, `*`, `"1", "2"`, `""`, `"`, `"18446744073709551616"`, ` `, `"1`} {
		change("PUT", http.Header{"If-Match": {bad}}, "Bergen").refused(api.Invalid)
	}
	change("PUT", http.Header{"If-Match": {`"1"`, `"1"`}}, "Bergen").refused(api.Invalid)
	change("PUT", http.Header{"If-None-Match": {"*"}}, "Bergen").refused(api.Invalid)
	change("PUT", http.Header{"If-Match": {`"7"`}}, "Bergen").refused(api.Conflict)
	w.do(ask{method: "PUT", path: "/v1/subjects/c-17/hold", token: "dpo", header: map[string]string{"If-Match": `"1"`}}).refused(api.Invalid)

	key := http.Header{"Idempotency-Key": {"k1"}}
	first := change("PUT", key, "Bergen").want(200)
	again := change("PUT", key, "Bergen").want(200)
	if string(first.body) != string(again.body) {
		t.Errorf("%s, then %s", first.body, again.body)
	}
	change("PUT", key, "Tromso").refused(api.Mismatch)
	change("PATCH", key, "Bergen").refused(api.Mismatch)
	w.do(ask{method: "PUT", path: "/v1/subjects/c-18/records/customer/self", token: "app", body: `{"fields":{"city":"Bergen"}}`, more: key}).refused(api.Mismatch)
	change("PUT", http.Header{"Idempotency-Key": {"k1"}, "If-Match": {`"1"`}}, "Bergen").refused(api.Mismatch)
	for _, bad := range [][]string{{""}, {"a", "b"}, {strings.Repeat("a", 256)}, {"a b"}, {"é"}} {
		change("PUT", http.Header{"Idempotency-Key": bad}, "Bergen").refused(api.Invalid)
	}
}

func TestRequestID(t *testing.T) {
	w := serve(t)
	id := uuid.NewString()
	if g := w.do(ask{method: "GET", path: "/v1/catalog", header: map[string]string{"Request-Id": id}}).want(200); g.header.Get("Request-Id") != id {
		t.Errorf("answered %q", g.header.Get("Request-Id"))
	}
	for _, bad := range [][]string{{"7"}, {uuid.Nil.String()}, {"{" + id + "}"}, {"urn:uuid:" + id}, {strings.ReplaceAll(id, "-", "")}, {id, id}} {
		w.do(ask{method: "GET", path: "/v1/catalog", more: http.Header{"Request-Id": bad}}).refused(api.Invalid)
	}
}

func TestQueryIsStrict(t *testing.T) {
	w := serve(t)
	w.put(self, `{"city":"Oslo"}`).want(201)
	for _, q := range []string{
		"", "?fields=", "?fields=city&fields=email", "?field=city", "?fields=city&luisg@embraer.com.br", "?fields=%zz", "?fields=city;email",
		"?fields=city,city", "?fields=nothing", "?fields=city,*", "?fields=,city",
	} {
		p := w.do(ask{method: "GET", path: self + q, token: "app", purpose: "support"}).refused(api.Invalid)
		if strings.Contains(fmt.Sprint(p), "embraer") {
			t.Errorf("the answer echoes the query: %+v", p)
		}
	}
	for _, q := range []string{"limit=0", "limit=-1", "limit=1e9", "limit=1001", "limit=+1", "limit=01", "limit=", "cursor=", "cursor=AAAA", "cursor=%00", "collection=", "collection=Nothing"} {
		w.do(ask{method: "GET", path: "/v1/subjects/c-17/records?" + q, token: "app", purpose: "support"}).refused(api.Invalid)
	}
	for _, q := range []string{"dry_run", "dry_run=1", "dry_run=TRUE", "dry_run=true&dry_run=true", "tenant=default"} {
		w.do(ask{method: "PUT", path: "/v1/policy?" + q, token: "operator", body: "x", header: map[string]string{"Content-Type": "text/plain"}}).refused(api.Invalid)
	}
	w.do(ask{method: "GET", path: self + "?fields=*", token: "app", purpose: "support"}).refused(api.Denied)
}

func TestBodiesAreStrict(t *testing.T) {
	w := serve(t)
	for name, body := range map[string]string{
		"empty object":      `{}`,
		"no JSON":           `fields`,
		"an array":          `[]`,
		"null":              `null`,
		"null fields":       `{"fields":null}`,
		"duplicate":         `{"fields":{},"fields":{}}`,
		"case variant":      `{"fields":{},"Fields":{}}`,
		"other case":        `{"FIELDS":{}}`,
		"duplicate inside":  `{"fields":{"email":"a@example.org","email":"b@example.org"}}`,
		"variant inside":    `{"fields":{"email":"a@example.org","eMail":"b@example.org"}}`,
		"escaped duplicate": `{"fields":{"email":"a@example.org","\u0065mail":"b@example.org"}}`,
		"unknown":           `{"fields":{},"also":1}`,
		"trailing":          `{"fields":{}} {}`,
		"not UTF-8":         "{\"fields\":{\"city\":\"\xff\"}}",
		"lone surrogate":    `{"fields":{"city":"\ud800"}}`,
		"deep":              `{"fields":{"city":` + strings.Repeat("[", 100_000) + `}}`,
		"unknown field":     `{"fields":{"nothing":1}}`,
		"wrong type":        `{"fields":{"city":1}}`,
		"fields of strings": `{"fields":["city"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.do(ask{method: "PUT", path: self, token: "app", body: body}).refused(api.Invalid)
		})
	}
	w.do(ask{method: "POST", path: "/v1/subjects/c-17/erasure", token: "dpo", body: `{"reason":"asked","groups":["marketing"]}`}).refused(api.Invalid)
	w.do(ask{method: "POST", path: "/v1/reveal", token: "app", purpose: "support", body: `{"items":[]}`}).refused(api.Invalid)
	w.do(ask{method: "POST", path: "/v1/search", token: "app", purpose: "support", body: `{"collection":"customer","field":"email"}`}).refused(api.Invalid)
	w.do(ask{method: "PUT", path: self, token: "app"}).refused(api.Invalid)
	w.do(ask{method: "DELETE", path: self, token: "app", body: "{}"}).refused(api.Invalid)
}

func TestKindsOfBodies(t *testing.T) {
	w := serve(t)
	with := func(h http.Header) got {
		req := ask{method: "PUT", path: self, token: "app", body: `{"fields":{"city":"Oslo"}}`, header: map[string]string{}}
		for k, v := range h {
			req.header[k] = v[0]
		}
		return w.do(req)
	}
	with(http.Header{"Content-Type": {"application/json; charset=UTF-8"}}).want(201)
	with(http.Header{"Content-Encoding": {"identity"}}).want(200)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/json/", "application/yaml", "*/*"} {
		with(http.Header{"Content-Type": {kind}}).refused(api.Unsupported)
	}
	for _, coding := range []string{"gzip", "br", "identity, gzip", "deflate"} {
		with(http.Header{"Content-Encoding": {coding}}).refused(api.Unsupported)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	w := serve(t)
	large := `{"fields":{"city":"` + strings.Repeat("a", api.MaxBody) + `"}}`
	w.do(ask{method: "PUT", path: self, token: "app", body: large}).refused(api.TooLarge)
	w.do(ask{method: "PUT", path: self, body: large}).refused(api.TooLarge) // before the token is looked at
	value := `{"fields":{"city":"` + strings.Repeat("a", api.MaxValue+1) + `"}}`
	if p := w.do(ask{method: "PUT", path: self, token: "app", body: value}); p.status != 400 && p.status != 413 {
		t.Errorf("status %d", p.status)
	}
	many := `{"items":[` + strings.TrimSuffix(strings.Repeat(`{"subject":"a","field":"customer.city","plaintext":"a"},`, 1001), ",") + `]}`
	w.do(ask{method: "POST", path: "/v1/encrypt", token: "app", body: many}).refused(api.TooLarge)
}

// endless gives bytes for as long as it is read.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestEndlessBodyIsCutOff(t *testing.T) {
	w := serve(t)
	body := &endless{}
	req, err := http.NewRequestWithContext(t.Context(), "PUT", w.url+self, body) // chunked: no length
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer app")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		defer res.Body.Close() //nolint:errcheck // a test
		if res.StatusCode != 413 {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	if body.read.Load() > 32<<20 {
		t.Errorf("%d bytes were taken", body.read.Load())
	}
}

func TestBombsAreRefusedInBoundedMemory(t *testing.T) {
	w := serve(t)
	bomb := func(n int, one func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(one(i))
		}
		return b.String()
	}
	for name, body := range map[string]string{
		"depth":    strings.Repeat("[", 1<<20-1),
		"objects":  strings.Repeat(`{"a":`, 200_000),
		"keys":     `{"items":[{"fields":{` + bomb(1_000_000, func(i int) string { return fmt.Sprintf(`"a%d":1,`, i) }) + `"z":1}}]}`,
		"elements": `{"items":[` + strings.Repeat("{},", 5_000_000) + `{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rec := httpDo(w, "POST", "/v1/records", "app", body)
			runtime.ReadMemStats(&after)
			if rec != 400 {
				t.Errorf("status %d", rec)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 100<<20 {
				t.Errorf("%d bytes were allocated for a body of %d", grown, len(body))
			}
		})
	}
}

// httpDo sends a large body without looking at the answer's.
func httpDo(w *world, method, path, token, body string) int {
	w.tb.Helper()
	req, err := http.NewRequestWithContext(w.tb.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // a test
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func TestALyingLengthReservesNothing(t *testing.T) {
	w := serve(t)
	addr := strings.TrimPrefix(w.url, "http://")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 50 {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // a test
		fmt.Fprintf(c, "POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer app\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", api.MaxBatchBody)
	}
	w.waitInFlight(50)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 50<<20 {
		t.Errorf("%d bytes were allocated for 50 bytes of bodies", grown)
	}
}

// waitInFlight waits until so many requests are under way.
func (w *world) waitInFlight(n int) {
	w.tb.Helper()
	for range 500 {
		if w.metric("fieldvault_http_requests_in_flight") >= float64(n) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.tb.Fatalf("%d requests never were under way", n)
}

// metric is the sum of a metric over its labels.
func (w *world) metric(name string) (sum float64) {
	w.tb.Helper()
	families, err := w.metrics.Gather()
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestRoutesThatAreNot(t *testing.T) {
	w := serve(t)
	for path, allow := range map[string]string{
		self: "GET, PUT, PATCH, DELETE", "/v1/reveal": "POST", "/v1/catalog": "GET, PUT", "/v1/subjects/a%40b/hold": "PUT, DELETE", "/healthz": "GET",
	} {
		for _, method := range []string{"OPTIONS", "BREW", "TRACE"} {
			g := w.do(ask{method: method, path: path})
			if g.status != 405 || g.header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q", method, path, g.status, g.header.Get("Allow"))
			}
			g.refused(api.Unsupported)
		}
	}
	w.do(ask{method: "BREW", path: "/v1/nothing"}).refused(api.NotFound)
	w.do(ask{method: "GET", path: "/metrics"}).refused(api.NotFound)
}

func TestErrorsBecomeProblems(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		code   api.Code
	}{
		"denied":      {vault.ErrDenied, 403, api.Denied},
		"not found":   {vault.ErrNotFound, 404, api.NotFound},
		"gone":        {vault.ErrGone, 410, api.Gone},
		"conflict":    {vault.ErrConflict, 409, api.Conflict},
		"held":        {vault.ErrHeld, 409, api.Held},
		"too large":   {vault.ErrTooLarge, 413, api.TooLarge},
		"mismatch":    {vault.ErrMismatch, 422, api.Mismatch},
		"integrity":   {vault.ErrIntegrity, 500, api.Integrity},
		"unavailable": {vault.ErrUnavailable, 503, api.Unavailable},
		"cancelled":   {context.Canceled, 503, api.Unavailable},
		"late":        {context.DeadlineExceeded, 503, api.Unavailable},
		"invalid":     {&vault.InvalidError{Problems: []vault.Problem{{Field: "a", Rule: "b"}}}, 400, api.Invalid},
		"decoding":    {&api.DecodeError{Path: "a", Rule: "b"}, 400, api.Invalid},
		"body":        {api.ErrTooLarge, 413, api.TooLarge},
		"unlisted":    {errors.New("a text of a dependency"), 500, api.Internal},
		"of a store":  {vault.ErrStale, 500, api.Internal},
		"none at all": {nil, 500, api.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{c.err, fmt.Errorf("loading: %w", c.err)} {
				status, code, fields := httpapi.ProblemOf(err)
				if status != c.status || code != c.code || (code == api.Invalid) != (len(fields) == 1) {
					t.Errorf("%d %s %v", status, code, fields)
				}
			}
		})
	}
}

func TestOutagesSayNothing(t *testing.T) {
	w := serve(t)
	w.vault.KEK.Fail(errors.New("a text of a dependency"))
	g := w.put(self, `{"email":"luisg@embraer.com.br"}`)
	p := g.refused(api.Unavailable)
	if strings.Contains(p.Detail, "dependency") || g.status != 503 {
		t.Errorf("%s", g.body)
	}
}

func TestPanicsSayNothing(t *testing.T) {
	w := serve(t)
	g := w.do(ask{method: "GET", path: self + "?fields=city", token: "panic"})
	g.refused(api.Internal)
	if strings.Contains(string(g.body)+w.log.String(), "value of a person") {
		t.Error("the panic's text got out")
	}
	w.do(ask{method: "GET", path: "/healthz"}).want(200)
}

// One line a request, with the pattern and never the path; what people type wrong
// gets into no answer and no log.
func TestLogsAndAnswersHoldNoValue(t *testing.T) {
	w := serve(t)
	canaries := cryptotest.NewCanaries("luisg@embraer.com.br", "Av. Brigadeiro Faria Lima 2170", "kanarienvogel-31415926")
	const c1, c2, c3 = "luisg@embraer.com.br", "Av. Brigadeiro Faria Lima 2170", "kanarienvogel-31415926"
	w.put("/v1/subjects/"+c3+"/records/customer/self", `{"email":"`+c1+`","address":"`+c2+`"}`).want(201)
	w.do(ask{method: "GET", path: "/v1/subjects/" + c3 + "/records/customer/self?fields=email", token: "app", purpose: "support"}).want(200)
	w.do(ask{method: "GET", path: "/v1/subjects/" + c3 + "/export", token: "subject:" + c3}).want(200)
	for _, a := range []ask{
		{method: "PUT", path: self, token: "app", body: `{"fields":{"email":` + `"` + c2 + `"}}`},
		{method: "PUT", path: self, token: "app", body: `{"fields":{"phone":"` + c1 + `"}}`},
		{method: "PUT", path: self, token: "app", body: `{"fields":{"` + c1 + `":"x"}}`},
		{method: "PUT", path: self, token: "app", body: `{"fields":"` + c1 + `"}`},
		{method: "PUT", path: self, token: "app", body: `{"` + c3 + `":1}`},
		{method: "PUT", path: self, token: "app", body: `{"fields":{"email":"a","email":"` + c1 + `"}}`},
		{method: "PUT", path: self, token: "app", body: c1},
		{method: "PUT", path: "/v1/subjects/" + c3 + "%20/records/customer/self", token: "app", body: `{"fields":{}}`},
		{method: "GET", path: "/v1/subjects/" + c3 + "/nothing?" + c1, token: "app"},
		{method: "GET", path: self + "?" + c1 + "=" + c3, token: "app", purpose: "support"},
		{method: "GET", path: self + "?fields=" + c1, token: "app", purpose: c3},
		{method: "GET", path: self + "?fields=email", token: c3, purpose: "support"},
		{method: c3[:5], path: "/v1/" + c3},
		{method: "POST", path: "/v1/search", token: "app", purpose: "support", body: `{"collection":"` + c3 + `","field":"email","equals":"` + c1 + `"}`},
		{method: "POST", path: "/v1/search", token: "app", purpose: "support", body: `{"collection":"customer","field":"email","equals":"` + c2 + `","limit":"` + c3 + `"}`},
		{method: "POST", path: "/v1/decrypt", token: "app", purpose: "support", body: `{"items":[{"subject":"a","field":"` + c1 + `","ciphertext":"` + c2 + `"}]}`},
		{method: "PUT", path: "/v1/subjects/c-17/consents/marketing", token: "dpo", body: `{"decision":"` + c1 + `","notice":"` + c2 + `","expires":"` + c3 + `"}`},
		{method: "PUT", path: self, token: "app", body: `{"fields":{}}`, header: map[string]string{"If-Match": c1}},
		{method: "PUT", path: self, token: "app", body: `{"fields":{}}`, header: map[string]string{"Content-Type": c1}},
		{method: "GET", path: "/v1/catalog?tenant=" + c3, header: map[string]string{"Request-Id": c1}},
		{method: "POST", path: "/v1/policy/explain", token: "operator", body: `{"roles":["` + c1 + `"],"purpose":"` + c2 + `","collection":"customer","field":"email","state":{"consent":"` + c3 + `"}}`},
	} {
		g := w.do(a)
		if g.status < 400 && a.path != "/v1/decrypt" { // a batch answers each item
			t.Errorf("%s %s %s: status %d", a.method, a.path, a.body, g.status)
		}
		if found := canaries.Find(g.body); len(found) > 0 {
			t.Errorf("%s %s: the answer holds %v", a.method, a.path, found)
		}
		for name, values := range g.header {
			if found := canaries.Find([]byte(strings.Join(values, " "))); len(found) > 0 {
				t.Errorf("%s %s: the header %s holds %v", a.method, a.path, name, found)
			}
		}
	}
	if found := canaries.Find([]byte(w.log.String())); len(found) > 0 {
		t.Errorf("the log holds %v", found)
	}
	var b bytes.Buffer
	families, err := w.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		b.WriteString(f.String())
	}
	if found := canaries.Find(b.Bytes()); len(found) > 0 {
		t.Errorf("the metrics hold %v", found)
	}
	for _, want := range []string{
		`"method":"PUT","route":"/v1/subjects/{subject}/records/{collection}/{record}","status":201`,
		`"actor":"https://issuer.example.org#app"`, `"actor":"self"`, `"method":"other","route":"none"`,
	} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if d := cmp.Diff(float64(strings.Count(w.log.String(), `"msg":"request"`)), w.metric("fieldvault_http_requests_total")); d != "" {
		t.Error(d)
	}
}
