//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// open routes are all that may answer without a token. A new one is added here on
// purpose or not at all.
func openRoutes() []string {
	return []string{
		"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /docs", "GET /v1/catalog", "GET /v1/erasure-horizon", "GET /v1/audit/key",
		"GET /v1/notices", "GET /v1/notices/{version}", "GET /v1/notices/diff", "GET /.well-known/gpc.json",
	}
}

// An operation is one method of one path of the OpenAPI document.
type operation struct{ method, path string }

// operations walks the document.
func (w *world) operations(t *testing.T) (list []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	w.get(t, w.url+"/openapi.json").want(t, "the document", "200").decode(t, &doc)
	for path, item := range doc.Paths {
		for method := range item {
			switch method {
			case "get", "put", "post", "patch", "delete", "head":
				list = append(list, operation{strings.ToUpper(method), path})
			}
		}
	}
	slices.SortFunc(list, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	if len(list) < 20 {
		t.Fatalf("the document has %d operations", len(list))
	}
	return list
}

// fill puts names into a path's parameters.
func (o operation) fill(subject string) string {
	return strings.NewReplacer(
		"{subject}", subject, "{collection}", "customer", "{record}", "self", "{purpose}", "support",
		"{id}", "0193a000-0000-7000-8000-000000000000", "{version}", "1", "/notices/diff", "/notices/diff?from=1&to=1",
	).Replace(o.path)
}

func accessCases() []testCase {
	return []testCase{
		{name: "A01_every_route_without_a_token", run: everyRouteWithoutToken},
		{name: "A02_another_tenant", run: anotherTenant},
		{name: "A03_names_are_never_merged", run: namesAreNeverMerged},
		{name: "A04_names_that_are_none", run: namesThatAreNone},
		{name: "A07_purpose", run: purposeVariants},
		{name: "A08_narrowed_tokens", run: narrowedTokens},
		{name: "A10_alike_without_rights", run: alikeWithoutRights},
		{name: "A11_a_forbid_that_fails", run: forbidThatFails},
		{name: "A12_withdrawn_and_read_at_once", run: withdrawnAndRead},
	}
}

func everyRouteWithoutToken(t *testing.T, w *world) {
	open := openRoutes()
	var seen []string
	for _, o := range w.operations(t) {
		name := o.method + " " + o.path
		body := any("{}")
		if o.method == http.MethodGet || o.method == http.MethodDelete {
			body = nil
		}
		if slices.Contains(open, name) {
			seen = append(seen, name)
			if a := w.do(t, call{method: o.method, path: o.fill("c-2")}); a.status != http.StatusOK {
				t.Errorf("%s is public and answers %s", name, a)
			}
			continue
		}
		for what, header := range map[string]map[string]string{
			"no token": nil, "an empty one": {"Authorization": "Bearer "}, "another scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
			"no JWT": {"Authorization": "Bearer root"},
		} {
			a := w.do(t, call{method: o.method, path: o.fill("c-2"), body: body, purpose: "support", header: header})
			if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
				t.Errorf("%s with %s: %s", name, what, got)
			}
		}
	}
	if len(seen) < 4 {
		t.Errorf("only %q of the public routes are in the document", seen)
	}
}

func anotherTenant(t *testing.T, w *world) {
	email := w.canary("a02-") + "@example.org"
	w.put(t, "a02", fields{"email": email})
	app, away := w.token(t, "app"), w.tokenBy(t, w.away, "app", of("other"))
	for what, wrong := range map[string]string{
		"their issuer, our tenant": w.tokenBy(t, w.away, "app"),
		"our issuer, their tenant": w.token(t, "app", of("other")),
		"a tenant that is none":    w.token(t, "app", of("nosuch")),
		"the system":               w.token(t, "app", of("_system")),
	} {
		w.reveal(t, wrong, "billing", "a02", "email").want(t, what, "401 unauthenticated")
	}
	calls := map[string]call{
		"read":     {path: "/v1/subjects/%s/records/customer/self?fields=email"},
		"list":     {path: "/v1/subjects/%s/records"},
		"delete":   {method: "DELETE", path: "/v1/subjects/%s/records/customer/self"},
		"patch":    {method: "PATCH", path: "/v1/subjects/%s/records/customer/self", body: fields{"fields": fields{"city": "Oslo"}}},
		"consents": {path: "/v1/subjects/%s/consents"},
		"export":   {path: "/v1/subjects/%s/export"},
		"erase":    {method: "POST", path: "/v1/subjects/%s/erasure", body: fields{"reason": "x"}},
		"hold":     {method: "PUT", path: "/v1/subjects/%s/hold", body: fields{"reason": "x"}},
		"restrict": {method: "PUT", path: "/v1/subjects/%s/restriction", body: fields{"reason": "x"}},
		"reenrol":  {method: "POST", path: "/v1/subjects/%s/reenrolment"},
		"withdraw": {method: "PUT", path: "/v1/subjects/%s/consents/marketing", body: fields{"decision": "withdrawn"}},
	}
	officer := w.tokenBy(t, w.away, "dpo", of("other"))
	for what, c := range calls {
		c.token, c.purpose = away, "billing"
		switch what {
		case "read", "list", "delete", "patch":
		default:
			c.token, c.purpose = officer, ""
		}
		theirs, nobody := c, c
		theirs.path, nobody.path = fmt.Sprintf(c.path, "a02"), fmt.Sprintf(c.path, "a02-nobody")
		got, want := w.do(t, theirs), w.do(t, nobody)
		if diff := cmp.Diff(want.plainly(t), got.plainly(t)); diff != "" {
			t.Errorf("%s: another tenant's person does not look like nobody (-nobody +theirs):\n%s", what, diff)
		}
		if got.status != http.StatusNotFound {
			t.Errorf("%s: %s, want 404", what, got)
		}
	}
	if got := w.see(t, app, "billing", "a02", "email"); got != "plain: "+email {
		t.Errorf("afterwards: %q", got)
	}
	foreignCursor(t, w, app, away)
	foreignIdempotencyKey(t, w, app, away)
	foreignCiphertext(t, w, app, away, email)
}

// plainly is an answer without what differs from one request to the next.
func (a answer) plainly(t *testing.T) string {
	t.Helper()
	var p map[string]any
	if json.Unmarshal(a.body, &p) == nil {
		delete(p, "request_id")
	}
	h := a.header.Clone()
	for _, name := range []string{"Date", "Request-Id"} {
		h.Del(name)
	}
	b, err := json.MarshalIndent(map[string]any{"status": a.status, "header": h, "body": p}, "", " ")
	must(t, err)
	return string(b)
}

func foreignCursor(t *testing.T, w *world, app, away string) {
	t.Helper()
	for _, record := range []string{"one", "two", "three"} {
		for _, token := range []string{app, away} {
			a := w.do(t, call{token: token, method: "PUT", path: recordPath("a02c", "customer", record), body: fields{"fields": fields{"city": "Oslo"}}})
			a.want(t, "storing", "201")
		}
	}
	path := "/v1/subjects/a02c/records?limit=1"
	var page struct{ Cursor string }
	w.do(t, call{token: app, purpose: "support", path: path}).want(t, "a page", "200").decode(t, &page)
	if page.Cursor == "" {
		t.Fatal("no cursor")
	}
	next := path + "&cursor=" + url.QueryEscape(page.Cursor)
	w.do(t, call{token: app, purpose: "support", path: next}).want(t, "the own cursor", "200")
	forged := w.do(t, call{token: app, purpose: "support", path: path + "&cursor=" + strings.Repeat("A", len(page.Cursor))})
	for what, c := range map[string]call{
		"another tenant":    {token: away, purpose: "support", path: next},
		"another principal": {token: w.token(t, "app", named("somebody-else")), purpose: "support", path: next},
		"another purpose":   {token: app, purpose: "billing", path: next},
		"another person":    {token: app, purpose: "support", path: strings.Replace(next, "a02c", "a02", 1)},
		"another filter":    {token: app, purpose: "support", path: next + "&collection=customer"},
		"changed":           {token: app, purpose: "support", path: path + "&cursor=" + url.QueryEscape("A"+page.Cursor[1:]+"A")},
		"not one":           {token: app, purpose: "support", path: path + "&cursor=%00%ff"},
		"too long":          {token: app, purpose: "support", path: path + "&cursor=" + strings.Repeat("A", 5000)},
	} {
		w.do(t, c).want(t, "the cursor of "+what, "400 invalid")
	}
	forged.want(t, "a forged cursor", "400 invalid")
}

func foreignIdempotencyKey(t *testing.T, w *world, app, away string) {
	t.Helper()
	c := call{
		token: app, method: "PUT", path: recordPath("a02i", "customer", "self"),
		body: fields{"fields": fields{"city": "Oslo"}}, header: map[string]string{"Idempotency-Key": "a02-key"},
	}
	w.do(t, c).want(t, "the first", "201")
	w.do(t, c).want(t, "the same again", "201")
	c.token = away
	w.do(t, c).want(t, "another tenant's", "201")
	other := c
	other.token, other.path = w.token(t, "app", named("somebody-else")), recordPath("a02k", "customer", "self")
	w.do(t, other).want(t, "another principal's, for another request", "201")
	c.token, c.path = app, recordPath("a02j", "customer", "self")
	w.do(t, c).want(t, "for another request", "422 mismatch")
	var page struct{ Records []struct{ Revision int } }
	w.do(t, call{token: app, purpose: "support", path: "/v1/subjects/a02i/records"}).want(t, "the list", "200").decode(t, &page)
	if len(page.Records) != 1 || page.Records[0].Revision != 1 {
		t.Errorf("the request had another effect than one: %+v", page.Records)
	}
}

func foreignCiphertext(t *testing.T, w *world, app, away, email string) {
	t.Helper()
	w.putIn(t, "other", "a02", fields{"email": "else@example.org"})
	var sealed struct{ Results []struct{ Ciphertext string } }
	w.do(t, call{
		token: app, purpose: "support", method: "POST", path: "/v1/encrypt",
		body: fields{"items": []any{fields{"subject": "a02", "field": "customer.email", "plaintext": email}}},
	}).want(t, "encrypting", "200").decode(t, &sealed)
	decrypt := call{
		token: app, purpose: "support", method: "POST", path: "/v1/decrypt",
		body: fields{"items": []any{fields{"subject": "a02", "field": "customer.email", "ciphertext": sealed.Results[0].Ciphertext}}},
	}
	if a := w.do(t, decrypt); a.status != http.StatusOK || !strings.Contains(string(a.body), email) {
		t.Errorf("decrypting at home: %s %s", a, a.body)
	}
	decrypt.token = away
	if a := w.do(t, decrypt); strings.Contains(string(a.body), email) || !strings.Contains(string(a.body), `"code"`) {
		t.Errorf("decrypting away: %s %s", a, a.body)
	}
}

func namesAreNeverMerged(t *testing.T, w *world) {
	app := w.token(t, "app")
	names := []string{"alice", "Alice", "ALICE", "alice.", ".alice", "alice@", "alice+x", "alice~", "alice-", "alice_"}
	for i, name := range names {
		w.put(t, name, fields{"city": fmt.Sprintf("city %d", i)})
	}
	for i, name := range names {
		if got, want := w.see(t, app, "support", name, "city"), fmt.Sprintf("plain: city %d", i); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for what, path := range map[string]string{
		"é composed": "am%C3%A9lie", "é decomposed": "ame%CC%81lie", "a Cyrillic a": "%D0%B0lice",
		"full width": "%EF%BD%81lice", "zero width": "al%E2%80%8Bice", "a dotless i": "al%C4%B1ce", "the Kelvin sign": "%E2%84%AAim",
	} {
		w.do(t, call{token: app, purpose: "support", path: recordPath(path, "customer", "self") + "?fields=city"}).want(t, what, "400 invalid")
		w.do(t, call{token: app, method: "PUT", path: recordPath(path, "customer", "self"), body: fields{"fields": fields{"city": "x"}}}).want(t, what, "400 invalid")
	}
	w.put(t, "bob@example", fields{"city": "Bobtown"})
	for _, written := range []string{"bob@example", "bob%40example", "%62ob%40example"} {
		if got := w.see(t, app, "support", written, "city"); got != "plain: Bobtown" {
			t.Errorf("%s: %q", written, got)
		}
	}
	if got := w.see(t, app, "support", "bob%2540example", "city"); got != "400 invalid" {
		t.Errorf("decoded twice: %q", got)
	}
}

func namesThatAreNone(t *testing.T, w *world) {
	app, officer := w.token(t, "app"), w.token(t, "dpo")
	none := []string{
		"*", ".", "..", "%2e", "%2e%2e", "%2E%2e", "%2F", "a%2Fb", "%2e%2e%2fb", "%5c", "%00", "a%00", "%20", "a%20b", "a%0d%0ab", "%25", "%252e%252e",
		"%27", "%22", "%3B", "a%26b", "%ff%fe", "%7f", strings.Repeat("a", 129), "%24%7Bx%7D", "a,b", "a%7Cb", "$1", "(a)",
	}
	for _, name := range none {
		for what, c := range map[string]call{
			"as a subject, read":    {token: app, purpose: "support", path: recordPath(name, "customer", "self") + "?fields=city"},
			"as a subject, written": {token: app, method: "PUT", path: recordPath(name, "customer", "self"), body: fields{"fields": fields{"city": "x"}}},
			"as a record, read":     {token: app, purpose: "support", path: recordPath("c-2", "customer", name) + "?fields=city"},
			"as a record, deleted":  {token: app, method: "DELETE", path: recordPath("c-2", "customer", name)},
			"as a collection":       {token: app, purpose: "support", path: recordPath("c-2", name, "self") + "?fields=city"},
			"as a purpose":          {token: officer, method: "PUT", path: "/v1/subjects/c-2/consents/" + name, body: fields{"decision": "withdrawn"}},
			"erased":                {token: officer, method: "POST", path: "/v1/subjects/" + name + "/erasure", body: fields{}},
			"in the query":          {token: app, purpose: "support", path: recordPath("c-2", "customer", "self") + "?fields=" + strings.ReplaceAll(name, "*", "city*")},
		} {
			// 404: what no route matches. Nothing else may come of it.
			if a := w.do(t, c); a.String() != "400 invalid" && a.String() != "404 not_found" {
				t.Errorf("%.40q %s: %s", name, what, a)
			}
		}
	}
	for _, name := range []string{"root", "_system", "default", "null", "-", "--", "~", "+", ":", "0"} {
		if got := w.see(t, app, "support", name, "city"); got != "404 not_found" {
			t.Errorf("%q is nobody and answers %q", name, got)
		}
	}
	for _, c := range []string{"Customer", "customers", "custome", "_", "document"} {
		a := w.do(t, call{token: app, purpose: "support", path: recordPath("c-2", c, "self") + "?fields=city"})
		a.want(t, "collection "+c, "400 invalid")
	}
	if got := w.see(t, app, "support", "c-2", "city"); got != "plain: Stuttgart" {
		t.Errorf("afterwards: %q", got)
	}
}

func purposeVariants(t *testing.T, w *world) {
	path := recordPath("c-3", "customer", "self") + "?fields=email"
	app := w.token(t, "app")
	header := func(values ...string) http.Header { return http.Header{"Fieldvault-Purpose": values} }
	for what, c := range map[string]call{
		"none":              {path: path},
		"empty":             {path: path, add: header("")},
		"unknown":           {path: path, purpose: "nosuch"},
		"another case":      {path: path, purpose: "Support"},
		"upper case":        {path: path, purpose: "SUPPORT"},
		"two in one":        {path: path, purpose: "support,billing"},
		"two headers":       {path: path, add: header("support", "billing")},
		"the same twice":    {path: path, add: header("support", "support")},
		"quoted":            {path: path, purpose: `"support"`},
		"a homoglyph":       {path: path, purpose: "suppоrt"},
		"in the query":      {path: path + "&purpose=support"},
		"everything":        {path: path, purpose: "*"},
		"not of the policy": {path: path, purpose: "contract"},
		"none, in a batch":  {method: "POST", path: "/v1/reveal", body: fields{"items": []any{fields{"subject": "c-3", "collection": "customer", "record": "self", "fields": []string{"email"}}}}},
		"none, in a search": {method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": "x@example.org"}},
		"none, in a list":   {path: "/v1/subjects/c-3/records"},
	} {
		c.token = app
		w.do(t, c).want(t, "purpose: "+what, "400 invalid")
	}
	for _, role := range []string{"app", "support", "billing", "dpo"} {
		if got := w.see(t, w.token(t, role), "self", "c-3", "email"); strings.HasPrefix(got, "plain") || strings.HasPrefix(got, "masked") {
			t.Errorf("%s reads as if they were the person: %q", role, got)
		}
	}
	if got := w.see(t, app, "marketing", "c-3", "email"); got != "403 denied" {
		t.Errorf("app for marketing: %q", got)
	}
}

func narrowedTokens(t *testing.T, w *world) {
	only := w.token(t, "app", narrowed("support"))
	if got := w.see(t, only, "support", "c-4", "city"); got != "plain: Oslo" {
		t.Errorf("for its purpose: %q", got)
	}
	for what, token := range map[string]string{
		"another purpose": only, "narrowed to nothing": w.token(t, "app", narrowed()), "narrowed to an unknown one": w.token(t, "app", narrowed("nosuch")),
		"narrowed to another case": w.token(t, "app", narrowed("Billing")),
	} {
		if got := w.see(t, token, "billing", "c-4", "city"); strings.HasPrefix(got, "plain") || strings.HasPrefix(got, "masked") || strings.HasPrefix(got, "5") {
			t.Errorf("%s: %q", what, got)
		}
	}
	// A role that is not given is not gained by other means.
	for what, role := range map[string]string{"no role": "", "an unknown one": "admin", "another case": "App", "a list in one": "app,billing"} {
		if got := w.see(t, w.token(t, role), "support", "c-4", "city"); got != "403 denied" && got != "401 unauthenticated" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// To a caller who may not know, a person who is there, one who was erased and one
// who never was are one and the same.
func alikeWithoutRights(t *testing.T, w *world) {
	w.put(t, "a10-live", fields{"phone": "+49 30 23125000", "email": "a10@example.org"})
	w.put(t, "a10-erased", fields{"phone": "+49 30 23125000", "email": "a10@example.org"})
	w.erase(t, "a10-erased").want(t, "erasing", "200")
	// Marketing may never see a telephone number: no purpose of theirs lists it.
	for what, token := range map[string]string{"marketing": w.token(t, "marketing"), "another person": w.token(t, "subject", personal("a10-other"))} {
		purpose := "marketing"
		if what != "marketing" {
			purpose = "self"
		}
		want := w.reveal(t, token, purpose, "a10-nobody", "phone")
		if want.status != http.StatusNotFound && want.status != http.StatusForbidden {
			t.Errorf("%s of nobody: %s", what, want)
		}
		for _, subject := range []string{"a10-live", "a10-erased"} {
			got := w.reveal(t, token, purpose, subject, "phone")
			if diff := cmp.Diff(want.plainly(t), got.plainly(t)); diff != "" {
				t.Errorf("%s of %s (-nobody +got):\n%s", what, subject, diff)
			}
		}
		batch := func(subject string) string {
			return w.do(t, call{token: token, purpose: purpose, method: "POST", path: "/v1/reveal", body: fields{"items": []any{
				fields{"subject": subject, "collection": "customer", "record": "self", "fields": []string{"phone"}},
			}}}).plainly(t)
		}
		for _, subject := range []string{"a10-live", "a10-erased"} {
			if diff := cmp.Diff(batch("a10-nobody"), batch(subject)); diff != "" {
				t.Errorf("%s of %s in a batch (-nobody +got):\n%s", what, subject, diff)
			}
		}
	}
}

// A forbid whose evaluation fails denies: Cedar would skip it.
func forbidThatFails(t *testing.T, w *world) {
	w.putIn(t, "lab", "a11", fields{"email": "a11@example.org"})
	app, operator := w.in(t, "lab", "app"), w.in(t, "lab", "operator")
	apply := func(text string) answer {
		return w.do(t, call{
			token: operator, method: "PUT", path: "/v1/policy", body: text,
			header: map[string]string{"Content-Type": "text/plain"},
		})
	}
	if got := w.see(t, app, "support", "a11", "email"); got != "plain: a11@example.org" {
		t.Fatalf("before: %q", got)
	}
	for _, condition := range []string{
		`context.nosuch == "x"`, `decimal(context.purpose).lessThan(decimal("1.0"))`, `ip(context.basis).isLoopback()`, `resource.owner == "x"`, `context.purpose < 5`,
		`9223372036854775807 + 1 > 0`, `context.own && -9223372036854775808 - 1 < 0 || !context.own && 9223372036854775807 * 2 > 0`,
	} {
		a := apply(labPolicy + "\nforbid(principal, action, resource) when { " + condition + " };")
		if a.status >= 500 {
			t.Errorf("applying a forbid when { %s }: %s", condition, a)
		}
		if a.status >= 400 {
			continue // it was seen in time
		}
		if got := w.see(t, app, "support", "a11", "email"); strings.HasPrefix(got, "plain") || strings.HasPrefix(got, "masked") {
			t.Errorf("forbid when { %s } fails and permits: %q", condition, got)
		}
	}
	apply(labPolicy).want(t, "applying the old policy", "200")
	if got := w.see(t, app, "support", "a11", "email"); got != "plain: a11@example.org" {
		t.Errorf("afterwards: %q", got)
	}
}

func withdrawnAndRead(t *testing.T, w *world) {
	w.put(t, "a12", fields{"email": "a12@example.org"})
	token := w.token(t, "marketing")
	for range 10 {
		w.decide(t, "a12", "marketing", "granted").want(t, "granting", "200")
		if got := w.see(t, token, "marketing", "a12", "email"); got != "plain: a12@example.org" {
			t.Errorf("after granting: %q", got)
		}
		w.decide(t, "a12", "marketing", "withdrawn").want(t, "withdrawing", "200")
		if got := w.see(t, token, "marketing", "a12", "email"); got != "hidden: consent" {
			t.Errorf("after withdrawing: %q", got)
		}
	}
}
