//go:build e2e

package browser_test

import (
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
)

// TestSignIn: a button leads to the provider, on another site, and the provider's link
// leads back into the panel: the browser sends what it keeps of the sign-in, and takes the
// session, although another site has sent it. So does a provider that does not stop to ask.
func TestSignIn(t *testing.T) {
	root := chromium(t)
	issuer := oidctest.New(t, time.Now)
	issuer.URL = strings.Replace(issuer.URL, "127.0.0.1", "localhost", 1) // which is another site
	s := serve(t, map[string]any{"url": "https://privacy.example.org", "oidc": map[string]any{
		"issuer": issuer.URL, "client_id": oidctest.ClientID, "client_secret": oidctest.ClientSecret, "subject_claim": "sub",
	}})
	back := func(r *http.Request) string {
		return s.URL + "/me/sign-in/done?" + issuer.SignIn(t, issuer.URL+r.URL.RequestURI(), map[string]any{"sub": person}).Encode()
	}
	for what, authorize := range map[string]http.HandlerFunc{
		"asks": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Login</title><link rel="icon" href="data:,"><a href="` + html.EscapeString(back(r)) + `">Go on</a>`))
		},
		"does not ask": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, back(r), http.StatusSeeOther) },
	} {
		issuer.Instead(oidctest.PathAuthorize, authorize)
		v := newVisitor(root, t, manner{lang: "en", width: 1440, scripts: true, pictures: true}, nil)
		v.open(t, s.URL+"/me", http.StatusUnauthorized)
		v.heard(t, "without a session", http.StatusUnauthorized)
		if what == "asks" {
			v.follow(t, `a[href="/me/sign-in"]`, oidctest.PathAuthorize)
			v.follow(t, "a", "/me")
		} else {
			v.follow(t, `a[href="/me/sign-in"]`, "/me")
		}
		_, email := s.sees(t, billing, "email")
		v.reads(t, email)
		v.follow(t, `form[action="/me/sign-out"] button`, "/me/sign-out")
		v.open(t, s.URL+"/me/sign-in/done?code=x&state=x", http.StatusForbidden)
		v.heard(t, "an answer that nobody asked for", http.StatusForbidden)
		v.look(t, "sign-in-failed")
		v.reads(t, "The sign-in did not succeed")
	}
}
