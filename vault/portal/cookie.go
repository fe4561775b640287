package portal

import (
	"net/http"
	"time"

	"github.com/fieldvault/fieldvault/vault"
)

// The cookies. The prefix binds them to this host, over TLS, for all of it.
const (
	cookieSession = "__Host-fieldvault"
	cookieBrowser = "__Host-fieldvault-browser" // the secret that links are bound to
	cookieFlow    = "__Host-fieldvault-flow"    // the sign-in that is under way with the provider
	cookieLang    = "__Host-fieldvault-lang"
	cookieFlash   = "__Host-fieldvault-done"
)

const (
	langLife  = 365 * 24 * time.Hour
	flashLife = time.Minute
)

func (v *visit) cookie(name string) string {
	c, err := v.r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// keep sets a cookie; without a life it goes with the browser.
func (v *visit) keep(name, value string, life time.Duration) {
	http.SetCookie(v.w, &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	})
}

func (v *visit) drop(name string) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}

func (v *visit) begin(session string) { v.keep(cookieSession, session, vault.SessionLife) }
