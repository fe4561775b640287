package console_test

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault/portal/console"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// TestNoPlaintextBeyondPolicy goes everywhere and sends every form, as each role: what is
// stored of a person stands on no page but of the role and purpose that see it.
func TestNoPlaintextBeyondPolicy(t *testing.T) {
	s := newSite(t)
	if _, err := s.FileRequest(t.Context(), s.As("dpo", ""), filed); err != nil {
		t.Fatal(err)
	}
	may := map[string]string{"billing/billing": "all", "support/support": "none", "analyst/analytics": "none"}
	for _, role := range []string{"support", "billing", "dpo", "analyst", "operator"} {
		b := s.as(t, role)
		pages := map[string]reply{}
		for _, path := range everywhere(t, b) {
			pages[path] = b.get(t, path)
		}
		for _, purpose := range []string{"support", "billing", "marketing", "analytics", "self", ""} {
			for _, person := range []string{"c-1", "c-2"} {
				r := b.post(t, "/console/people/"+person, url.Values{"purpose": {purpose}})
				if may[role+"/"+purpose] == "all" {
					if person == "c-1" && !strings.Contains(r.body, values["email"]) {
						t.Errorf("%s does not see for %s what policy shows", role, purpose)
					}
					continue
				}
				pages["reading "+person+" for "+purpose] = r
			}
			for field, value := range map[string]string{"customer.email": "leonekohler@surfeu.de", "customer.phone": values["phone"], "customer.last_name": values["last_name"]} {
				r := b.post(t, "/console/people", url.Values{"field": {field}, "value": {value}, "purpose": {purpose}})
				r.body = strings.ReplaceAll(r.body, value, "") // that was sent, not shown
				pages["search of "+field+" for "+purpose] = r
			}
		}
		s.sequence(t)
		for _, path := range []string{"/console/audit", "/console/reports", "/console/audit?person=c-1"} {
			pages[path+" afterwards"] = b.get(t, path)
		}
		for at, r := range pages {
			for field, value := range values {
				if strings.Contains(r.body, value) {
					t.Errorf("%s sees %s at %s", role, field, at)
				}
			}
			if r.status >= 500 {
				t.Errorf("%s at %s: %d", role, at, r.status)
			}
		}
	}
}

var link = regexp.MustCompile(`(?:href|action)="(/console[^"#]*)`)

// oneOfMany is a page of which one stands for all.
var oneOfMany = regexp.MustCompile(`^/console/audit/[1-9]|^/console/explain\?field=.*[a-z]_[a-z]`)

// everywhere follows all links that the role is shown, and those that others are shown.
func everywhere(t *testing.T, b *browser) []string {
	t.Helper()
	seen := map[string]bool{"/console/sign-out": true, "/console/sign-in/go": true}
	todo := []string{
		"/console", "/console/requests", "/console/requests?show=late", "/console/requests?show=closed", "/console/requests/new", "/console/people",
		"/console/people/c-1", "/console/people/c-1/erase", "/console/approvals", "/console/reports", "/console/catalog", "/console/explain",
		"/console/keys", "/console/audit", "/console/audit/0", "/console/statistics", "/console/statistics/ask?of=customer.analytics",
		"/console/statistics/ask?of=invoice.analytics&what=histogram:total&group=country", "/console/certificates/" + vaulttest.NewID().String(),
	}
	for len(todo) > 0 && len(seen) < 300 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		for _, m := range link.FindAllStringSubmatch(b.get(t, path).body, -1) {
			if next := strings.ReplaceAll(m[1], "&amp;", "&"); !strings.Contains(next, "lang=") && !oneOfMany.MatchString(next) {
				todo = append(todo, next)
			}
		}
	}
	delete(seen, "/console/sign-out")
	return slices.Sorted(maps.Keys(seen))
}

// TestAttackCrossSite: no other site posts a form of the console, nor does who cannot say
// where it comes from.
func TestAttackCrossSite(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "dpo")
	for name, change := range map[string]func(*http.Request){
		"no header":   func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
		"null origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"another origin": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example.org")
		},
		"cross-site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site"); r.Header.Set("Origin", s.url) },
		"same-site":  func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"typed in":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
	} {
		for _, path := range []string{
			"/console/sign-in", "/console/sign-out", "/console/requests", "/console/people", "/console/people/c-1", "/console/people/c-1/hold",
			"/console/people/c-1/pause", "/console/people/c-1/erase", "/console/approvals", "/console/keys", "/console/statistics/ask",
		} {
			form := url.Values{"on": {"yes"}, "reason": {"none"}, "sure": {"yes"}, "token": {"dpo"}, "kind": {"access"}, "person": {"c-1"}}
			if r := b.do(t, http.MethodPost, path, form, change); r.status != 403 || r.path != path {
				t.Errorf("%s to %s: %d at %s", name, path, r.status, r.path)
			}
		}
	}
	if m, err := s.Export(t.Context(), s.As("dpo", ""), "c-1"); err != nil || m.Held || m.Restricted {
		t.Errorf("something was done: %+v, %v", m, err)
	}
}

// TestAttackSession: only who signed in with a right to the console has a session; signing
// in makes another, and the person's cookie is none.
func TestAttackSession(t *testing.T) {
	s := newSite(t)
	for _, token := range []string{"", "no such token", "app", "nobody", "person:c-1"} {
		b := s.browser(t)
		if r := b.post(t, "/console/sign-in", url.Values{"token": {token}}); r.status != 403 || strings.Contains(r.body, "/console/people") {
			t.Errorf("%q gets in: %d", token, r.status)
		}
		if r := b.get(t, "/console"); r.path != "/console/sign-in" {
			t.Errorf("%q is at %s", token, r.path)
		}
	}
	b := s.as(t, "dpo")
	before := sessionOf(b)
	b.post(t, "/console/sign-in", url.Values{"token": {"dpo"}})
	if after := sessionOf(b); after == before || after == "" {
		t.Error("the session is the one of before")
	}
	thief := s.browser(t)
	for _, planted := range []string{before, "x", "default.AAAA", strings.Repeat("a", 3900)} {
		r := thief.do(t, http.MethodGet, "/console/people/c-1", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "__Host-fieldvault-console", Value: planted}) })
		if r.path != "/console/sign-in" {
			t.Errorf("a planted session: %d at %s", r.status, r.path)
		}
	}
	last := sessionOf(b)
	b.post(t, "/console/sign-out", nil)
	r := thief.do(t, http.MethodGet, "/console", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "__Host-fieldvault-console", Value: last}) })
	if r.path != "/console/sign-in" {
		t.Error("a session goes on after the sign-out")
	}
}

func sessionOf(b *browser) string {
	u, _ := url.Parse(b.site.url)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "__Host-fieldvault-console" {
			return c.Value
		}
	}
	return ""
}

// TestTokensThatCannotBeChecked are not called bad: their holder may try again.
func TestTokensThatCannotBeChecked(t *testing.T) {
	b := newSite(t).browser(t)
	unread := b.post(t, "/console/sign-in", url.Values{"token": {"unreadable keys"}})
	bad := b.post(t, "/console/sign-in", url.Values{"token": {"no such token"}})
	if unread.status != 503 || bad.status != 403 || strings.Contains(unread.body, "This token is not taken") || !strings.Contains(bad.body, "This token is not taken") {
		t.Errorf("%d and %d\n%s", unread.status, bad.status, unread.body)
	}
	if r := b.get(t, "/console"); r.path != "/console/sign-in" {
		t.Errorf("it is at %s", r.path)
	}
}

// TestAttackPolicyTakesAway: what policy takes from a role is gone with the next page.
func TestAttackPolicyTakesAway(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "billing")
	wants(t, b.post(t, "/console/people/c-1", url.Values{"purpose": {"billing"}}), values["email"])
	policy := `permit(principal in Role::"operator", action, resource is Service); permit(principal in Role::"billing", action == Action::"console", resource);`
	if _, _, err := s.ApplyPolicy(t.Context(), s.Operator(), []byte(policy), false); err != nil {
		t.Fatal(err)
	}
	if r := b.post(t, "/console/people/c-1", url.Values{"purpose": {"billing"}}); r.status != 403 || strings.Contains(r.body, values["email"]) {
		t.Errorf("billing still reads: %d", r.status)
	}
	wants(t, b.get(t, "/console"))
	if _, _, err := s.ApplyPolicy(t.Context(), s.Operator(), []byte(`permit(principal in Role::"operator", action, resource is Service);`), false); err != nil {
		t.Fatal(err)
	}
	if r := b.get(t, "/console"); r.status != 403 {
		t.Errorf("billing is still at the console: %d", r.status)
	}
}

// TestHeaders: every answer has the strict policy, and none may be kept.
func TestHeaders(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "dpo")
	for _, path := range []string{"/console", "/console/sign-in", "/console/nothing", "/console/people/c-1", "/console/keys", "/console/statistics"} {
		h := b.get(t, path).header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// TestOwns: the console's paths and no other.
func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{"/console": true, "/console/x": true, "/consoles": false, "/me": false, "/": false, "/v1/console": false} {
		if console.Owns(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
