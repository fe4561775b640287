package portal_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// done is where the provider sends browsers back to.
const done = "/me/sign-in/done"

// A signInSite is a site whose people sign in with a provider of identities.
type signInSite struct {
	*site
	issuer *oidctest.Issuer
	log    bytes.Buffer
}

func newSignInSite(t *testing.T, change ...func(*portal.Config)) *signInSite {
	t.Helper()
	s := &signInSite{}
	s.site = newSite(t, append(change, func(c *portal.Config) {
		s.issuer = oidctest.New(t, c.Now)
		p, err := oidcauth.New(oidcauth.Config{
			Issuer: s.issuer.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
			RedirectURL: "https://privacy.example.org" + done, Tenants: []string{vaulttest.Tenant}, SubjectClaim: "sub",
			Now: c.Now, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Provider, c.Logger = p, slog.New(slog.NewTextHandler(&s.log, nil))
	})...)
	t.Cleanup(func() {
		if text := s.log.String(); strings.Contains(text, "canary") {
			t.Errorf("the log holds a secret:\n%s", text)
		}
	})
	return s
}

// leaves is a browser that goes nowhere by itself.
func (s *signInSite) leaves(t *testing.T) *browser {
	t.Helper()
	b := s.browser(t)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return b
}

// sent is where the browser is sent to when it asks to sign in.
func sent(t *testing.T, b *browser) string {
	t.Helper()
	r := b.get(t, "/me/sign-in")
	if r.status != http.StatusSeeOther {
		t.Fatalf("asking to sign in: %d\n%s", r.status, r.body)
	}
	return r.header.Get("Location")
}

// back comes back from the provider as a browser does: from another site.
func back(t *testing.T, b *browser, query url.Values) reply {
	t.Helper()
	return b.do(t, http.MethodGet, done+"?"+query.Encode(), nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
}

// signsIn is a whole sign-in.
func (s *signInSite) signsIn(t *testing.T, b *browser, claims map[string]any) reply {
	t.Helper()
	return back(t, b, s.issuer.SignIn(t, sent(t, b), claims))
}

func person(id string) map[string]any { return map[string]any{"sub": id} }

// flowOf is the sign-in that is under way in a browser.
func flowOf(b *browser) string { return cookieOf(b, "__Host-fieldvault-flow") }

func cookieOf(b *browser, name string) string {
	u, err := url.Parse(b.site.url)
	if err != nil {
		return ""
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// stays checks that a browser is let in nowhere, and that the page says what to do.
func (s *signInSite) stays(t *testing.T, what string, b *browser, r reply) {
	t.Helper()
	if r.status != http.StatusForbidden || !strings.Contains(r.body, "The sign-in did not succeed") || !strings.Contains(r.body, `href="/me/sign-in"`) {
		t.Errorf("%s: %d\n%s", what, r.status, r.body)
	}
	if sessionOf(b) != "" || flowOf(b) != "" {
		t.Errorf("%s: cookies are left", what)
	}
	if strings.Contains(r.body, "canary") || strings.Contains(r.body, "code=") {
		t.Errorf("%s: the page holds what the address holds", what)
	}
	if got := b.get(t, "/me"); got.status != http.StatusUnauthorized {
		t.Errorf("%s: /me answers %d", what, got.status)
	}
}

// TestSignInWithProvider: a person goes to the provider and comes back to their own data;
// the address with the code is left at once, and the flow's cookie is gone.
func TestSignInWithProvider(t *testing.T) {
	s := newSignInSite(t)
	b := s.leaves(t)
	wantText(t, b.get(t, "/me"), `href="/me/sign-in"`)
	address := sent(t, b)
	flow := flowOf(b)
	if flow == "" || strings.Contains(address, flow) {
		t.Errorf("the flow is %q, the address %s", flow, address)
	}
	r := back(t, b, s.issuer.SignIn(t, address, person("c-1")))
	if r.status != http.StatusSeeOther || r.header.Get("Location") != "/me" || flowOf(b) != "" || sessionOf(b) == "" {
		t.Fatalf("coming back: %d to %q", r.status, r.header.Get("Location"))
	}
	for _, c := range r.header.Values("Set-Cookie") {
		for _, attr := range []string{"__Host-", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"} {
			if !strings.Contains(c, attr) || strings.Contains(c, "Domain") {
				t.Errorf("a cookie without %s: %s", attr, c)
			}
		}
	}
	wantText(t, b.get(t, "/me"), "luisg@embraer.com.br")
	wantText(t, b.post(t, "/me/sign-out", nil), `href="/me/sign-in"`)
	if r := b.get(t, "/me"); r.status != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", r.status)
	}
}

// TestProviderGoesBeforeTheApplication, and links let in as before.
func TestProviderGoesBeforeTheApplication(t *testing.T) {
	s := newSignInSite(t, func(c *portal.Config) { c.SignInURL = "https://shop.example.org/privacy" })
	if to := sent(t, s.leaves(t)); !strings.HasPrefix(to, s.issuer.URL) {
		t.Errorf("the browser is sent to %s", to)
	}
	free := newSignInSite(t)
	if r := free.browser(t).post(t, "/me/sign-in", url.Values{"token": {free.link(t, "")}}); r.path != "/me" {
		t.Errorf("a link: %d at %s", r.status, r.path)
	}
	without := newSite(t)
	if r := without.browser(t).get(t, done+"?code=x&state=x"); r.status != http.StatusNotFound {
		t.Errorf("without a provider: %d", r.status)
	}
}

// TestProviderIsDown: the page says so, and links still let in.
func TestProviderIsDown(t *testing.T) {
	s := newSignInSite(t)
	s.issuer.Instead(oidctest.PathDiscovery, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", http.StatusInternalServerError) })
	b := s.browser(t)
	r := b.get(t, "/me/sign-in")
	if r.status != http.StatusServiceUnavailable {
		t.Errorf("%d", r.status)
	}
	wantText(t, r, "We cannot answer right now", "this number")
	if r := b.post(t, "/me/sign-in", url.Values{"token": {s.link(t, "")}}); r.path != "/me" {
		t.Errorf("a link: %d at %s", r.status, r.path)
	}
}

// TestAttackSignIn: what does not come from this browser's own sign-in, or is not about a
// person who is here, lets nobody in.
func TestAttackSignIn(t *testing.T) {
	s := newSignInSite(t)
	s.Put(t, "c-2", "customer", "self", map[string]string{"email": "leonekohler@surfeu.de"})
	if _, err := s.Erase(t.Context(), s.As("dpo", ""), vault.Erasing{Subject: "c-2"}); err != nil {
		t.Fatal(err)
	}
	key := oidctest.NewKey(t, "RS256")
	for what, alter := range map[string]func(*oidctest.Token){
		"a wrong nonce":        func(t *oidctest.Token) { t.Claims["nonce"] = "x" },
		"a wrong audience":     func(t *oidctest.Token) { t.Claims["aud"] = "shop" },
		"a second audience":    func(t *oidctest.Token) { t.Claims["aud"] = []string{oidctest.ClientID, "shop"} },
		"another tenant":       func(t *oidctest.Token) { t.Claims["tenant"] = "other" },
		"alg none":             func(t *oidctest.Token) { t.Header["alg"], t.Sign = "none", func(string) []byte { return nil } },
		"HS256 with the key":   func(t *oidctest.Token) { t.Header["alg"], t.Sign = "HS256", key.Shared()["PEM"] },
		"a person erased":      func(t *oidctest.Token) { t.Claims["sub"] = "c-2" },
		"a person unknown":     func(t *oidctest.Token) { t.Claims["sub"] = "c-3" },
		"an operator":          func(t *oidctest.Token) { t.Claims["roles"] = []string{"dpo", "operator"} },
		"an operator and more": func(t *oidctest.Token) { t.Claims["roles"] = []string{"subject", "dpo"} },
	} {
		s.issuer.Use(key)
		s.issuer.Alter = alter
		b := s.leaves(t)
		s.stays(t, what, b, s.signsIn(t, b, person("c-1")))
	}
	s.issuer.Alter = nil
	for what, change := range map[string]func(url.Values){
		"mix-up":            func(q url.Values) { q.Set("iss", "https://evil.example.org") },
		"the error":         func(q url.Values) { q.Set("error", "access_denied"); q.Set("error_description", "canary<script>") },
		"a wrong state":     func(q url.Values) { q.Set("state", "x") },
		"no state":          func(q url.Values) { q.Del("state") },
		"two states":        func(q url.Values) { q.Add("state", "x") },
		"no code":           func(q url.Values) { q.Del("code") },
		"a made-up code":    func(q url.Values) { q.Set("code", "canary") },
		"nothing at all":    func(q url.Values) { clear(q) },
		"markup for a code": func(q url.Values) { q.Set("code", `canary"><script>alert(1)</script>`) },
	} {
		b := s.leaves(t)
		q := s.issuer.SignIn(t, sent(t, b), person("c-1"))
		change(q)
		s.stays(t, what, b, back(t, b, q))
	}
}

// TestAttackSignInOfAnother: the answer to one browser's sign-in lets no other browser in:
// not a thief's, and not a victim's, who would then be in the thief's session (login CSRF).
func TestAttackSignInOfAnother(t *testing.T) {
	s := newSignInSite(t)
	b, other := s.leaves(t), s.leaves(t)
	q := s.issuer.SignIn(t, sent(t, b), person("c-1"))
	s.stays(t, "without a cookie", other, back(t, other, q))
	sent(t, other)
	s.stays(t, "with another browser's cookie", other, back(t, other, q))

	if r := back(t, b, q); r.status != http.StatusSeeOther {
		t.Fatalf("in its own browser: %d", r.status)
	}
	session := sessionOf(b)
	if r := back(t, b, q); r.status != http.StatusForbidden || sessionOf(b) != session {
		t.Errorf("again: %d", r.status) // it ends nothing, either: anybody can send a browser here
	}
	// Even with the flow's cookie kept, the code is spent.
	late := s.leaves(t)
	q = s.issuer.SignIn(t, sent(t, late), person("c-1"))
	flow := flowOf(late)
	back(t, late, q)
	thief := s.leaves(t)
	r := thief.do(t, http.MethodGet, done+"?"+q.Encode(), nil, func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "__Host-fieldvault-flow", Value: flow}) })
	s.stays(t, "code, state and cookie again", thief, r)
}

// TestAttackSignInFixation: signing in ends what session there was.
func TestAttackSignInFixation(t *testing.T) {
	s := newSignInSite(t)
	b := s.in(t)
	before := sessionOf(b)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if r := s.signsIn(t, b, person("c-1")); r.status != http.StatusSeeOther {
		t.Fatalf("%d", r.status)
	}
	if after := sessionOf(b); after == before || after == "" {
		t.Error("the session is the one of before")
	}
	if _, err := s.Session(t.Context(), before, vaulttest.NewID()); err == nil {
		t.Error("the session of before goes on")
	}
}

// TestAttackSignInRedirect: whatever is asked for, the browser goes to the provider, and
// from it to /me.
func TestAttackSignInRedirect(t *testing.T) {
	s := newSignInSite(t)
	for _, evil := range []string{"https://evil.example.org", "//evil.example.org", "/\\evil.example.org"} {
		b := s.leaves(t)
		q := url.Values{"return": {evil}, "next": {evil}, "url": {evil}, "redirect_uri": {evil}, "target_link_uri": {evil}, "iss": {evil}}
		r := b.get(t, "/me/sign-in?"+q.Encode())
		to := r.header.Get("Location")
		if !strings.HasPrefix(to, s.issuer.URL+"/") || strings.Contains(to, "evil") {
			t.Errorf("the browser is sent to %s", to)
		}
		back := s.issuer.SignIn(t, to, person("c-1"))
		for name, values := range q {
			if name != "iss" {
				back[name] = values
			}
		}
		if r := b.get(t, done+"?"+back.Encode()); r.header.Get("Location") != "/me" {
			t.Errorf("from the provider it is sent to %s", r.header.Get("Location"))
		}
	}
}
