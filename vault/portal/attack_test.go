package portal_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// posts are all forms that change something.
func posts() []string {
	return []string{"/me/purposes", "/me/notice", "/me/correct", "/me/pause", "/me/erase", "/me/sign-in", "/me/sign-out", "/consent"}
}

// TestAttackCrossSite: no other site, and nobody without a browser's word, posts a form.
func TestAttackCrossSite(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	for name, change := range map[string]func(*http.Request){
		"no header":   func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
		"null origin": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"another origin": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example.org")
		},
		"cross-site":          func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same-site":           func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"typed in":            func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		"cross-site, our own": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site"); r.Header.Set("Origin", s.url) },
	} {
		for _, path := range posts() {
			form := url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"1"}, "on": {"yes"}, "token": {s.link(t, "")}}
			if r := b.do(t, http.MethodPost, path, form, change); r.status != 403 || r.path != path {
				t.Errorf("%s to %s: %d at %s", name, path, r.status, r.path)
			}
		}
	}
	if got := s.sees(t, "marketing", "marketing"); got != "hiddenconsent" {
		t.Errorf("marketing sees %s", got)
	}
	// An older browser says only where the page is from.
	r := b.do(t, http.MethodPost, "/me/pause", url.Values{"on": {"yes"}}, func(r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", s.url)
	})
	if r.status != 200 {
		t.Errorf("with an Origin of ours: %d", r.status)
	}
}

// TestAttackSessionFixation: signing in ends what session there was, and the new one is
// another; a session that somebody planted opens nothing.
func TestAttackSessionFixation(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	before := sessionOf(b)
	b.post(t, "/me/sign-in", url.Values{"token": {s.link(t, "")}})
	after := sessionOf(b)
	if before == after || after == "" {
		t.Error("the session is the one of before")
	}
	if _, err := s.Session(t.Context(), before, vaulttest.NewID()); err == nil {
		t.Error("the session of before goes on")
	}
	thief := s.browser(t)
	for _, planted := range []string{"", "x", before, "default.AAAA", strings.Repeat("a", 4000)} {
		r := thief.do(t, http.MethodGet, "/me", nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "__Host-fieldvault", Value: planted}) })
		if r.status != 401 {
			t.Errorf("a planted session: %d", r.status)
		}
	}
}

// TestAttackReplay: a link lets one browser in, once, and looking at it spends nothing.
func TestAttackReplay(t *testing.T) {
	s := newSite(t)
	token := s.link(t, "")
	scanner, b, thief := s.browser(t), s.browser(t), s.browser(t)
	for range 3 {
		if r := scanner.get(t, "/me/sign-in?token="+url.QueryEscape(token)); r.status != 200 || sessionOf(scanner) != "" {
			t.Errorf("looking at a link: %d", r.status)
		}
	}
	if r := b.post(t, "/me/sign-in", url.Values{"token": {token}}); r.path != "/me" {
		t.Errorf("%d at %s", r.status, r.path)
	}
	for _, who := range []*browser{thief, b} {
		if r := who.post(t, "/me/sign-in", url.Values{"token": {token}}); r.status != 403 {
			t.Errorf("again: %d", r.status)
		}
	}
	b.post(t, "/me/sign-out", nil)
	if r := b.get(t, "/me"); r.status != 401 {
		t.Errorf("after signing out: %d", r.status)
	}
}

// TestAttackHeaders: no page may be stored, framed or run anything; cookies stay here.
func TestAttackHeaders(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	replies := []reply{b.post(t, "/me/sign-in", url.Values{"token": {s.link(t, "")}})}
	cookie := replies[0].header.Values("Set-Cookie")[0]
	for _, attr := range []string{"__Host-fieldvault=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} {
		if !strings.Contains(cookie, attr) {
			t.Errorf("the cookie has no %s: %s", attr, cookie)
		}
	}
	if strings.Contains(cookie, "Domain") {
		t.Error("the cookie goes to other hosts")
	}
	for _, path := range []string{"/me", "/me/purposes", "/me/history", "/me/download", "/me/pause", "/me/erase", "/me/erase/confirm", "/me/notice", "/me/nothing", "/me/sign-in", "/consent", "/me/certificate/x"} {
		replies = append(replies, b.get(t, path))
	}
	for _, r := range replies {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", r.path, name, got)
			}
		}
		csp := r.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors") {
			t.Errorf("%s: %s", r.path, csp)
		}
		if r.path != "/consent" && !strings.HasSuffix(csp, "frame-ancestors 'none'") {
			t.Errorf("%s may be framed: %s", r.path, csp)
		}
	}
}

// TestAttackOpenRedirect: whatever is asked for, the browser is sent to a page of the
// portal.
func TestAttackOpenRedirect(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	for _, evil := range []string{"https://evil.example.org", "//evil.example.org", "/\\evil.example.org", "javascript:alert(1)"} {
		q := url.Values{"return": {evil}, "next": {evil}, "url": {evil}, "here": {evil}, "lang": {evil}}.Encode()
		for _, path := range []string{"/me?", "/me/purposes?", "/me/sign-in?"} {
			if r := b.get(t, path+q); strings.Contains(r.body, `href="`+evil) || !strings.HasPrefix(r.path, "/me") {
				t.Errorf("%s leads to %s", path+q, evil)
			}
		}
		r := b.post(t, "/me/purposes?"+q, url.Values{"purpose": {"marketing"}, "decision": {"grant"}, "notice": {"1"}, "next": {evil}})
		if r.path != "/me/purposes" {
			t.Errorf("a form leads to %s", r.path)
		}
	}
}

// TestAttackMarkup: what a person or a cookie says is shown as text.
func TestAttackMarkup(t *testing.T) {
	s := newSite(t)
	b := s.in(t)
	const payload = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	b.post(t, "/me/correct", url.Values{"collection": {"customer"}, "record": {"self"}, "value.first_name": {payload}})
	replies := []reply{
		b.get(t, "/me"), b.get(t, "/me/correct?collection=customer&record=self"),
		b.post(t, "/me/correct", url.Values{"collection": {"customer"}, "record": {"self"}, "value.email": {payload}}),
		b.do(t, http.MethodGet, "/me/purposes", nil, func(r *http.Request) {
			r.AddCookie(&http.Cookie{Name: "__Host-fieldvault-done", Value: url.QueryEscape(payload) + ":" + url.QueryEscape(payload)})
		}),
		s.browser(t).get(t, "/me/sign-in?token="+url.QueryEscape(payload)),
	}
	for _, r := range replies {
		if strings.Contains(r.body, "<script>alert") || strings.Contains(r.body, "<img src=x") {
			t.Errorf("%s runs it", r.path)
		}
	}
	if !strings.Contains(replies[0].body, "&lt;script&gt;") {
		t.Error("the payload is not on the page at all")
	}
}

// TestAttackAnotherPerson: a session shows one person's data, whatever is asked for.
func TestAttackAnotherPerson(t *testing.T) {
	s := newSite(t)
	s.Put(t, "c-2", "customer", "self", map[string]string{"email": "leonekohler@surfeu.de"})
	s.Put(t, "c-2", "customer", "theirs", map[string]string{"email": "leonekohler@surfeu.de"})
	b := s.in(t)
	for _, path := range []string{
		"/me?subject=c-2", "/me/download/my-data.json?subject=c-2", "/me/correct?collection=customer&record=self&subject=c-2",
		"/me/correct?collection=customer&record=theirs", "/me/history?subject=c-2", "/me/erase?subject=c-2",
	} {
		if r := b.get(t, path); strings.Contains(r.body, "leonekohler") || strings.Contains(r.body, "c-2") && !strings.Contains(path, "c-2") {
			t.Errorf("%s shows another person", path)
		}
	}
	b.post(t, "/me/correct", url.Values{"collection": {"customer"}, "record": {"theirs"}, "subject": {"c-2"}, "value.email": {"mine@example.org"}})
	b.post(t, "/me/pause", url.Values{"on": {"yes"}, "subject": {"c-2"}})
	list, err := s.Consents(t.Context(), s.As("dpo", ""), "c-2")
	if err != nil || slices.ContainsFunc(list, func(c vault.ConsentStatus) bool { return c.Decision != "" }) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{
		"/me": true, "/me/": true, "/me/purposes": true, "/consent": true, "/portal/page.css": true,
		"/": false, "/men": false, "/v1/me": false, "/portal": false, "/consents": false, "/v1/subjects/me": false,
	} {
		if portal.Owns(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
