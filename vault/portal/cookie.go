package portal

import (
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/guard"
)

// The cookies. The prefix binds them to this host, over TLS, for all of it.
const (
	cookieSession = "__Host-fieldvault"
	cookieBrowser = "__Host-fieldvault-browser" // the secret that links are bound to
	cookieFlow    = "__Host-fieldvault-flow"    // the sign-in that is under way with the provider
	cookieLang    = guard.CookieLang
	cookieFlash   = "__Host-fieldvault-done"
)

const (
	langLife  = 365 * 24 * time.Hour
	flashLife = time.Minute
)

func (v *visit) cookie(name string) string { return guard.Cookie(v.r, name) }

// keep sets a cookie; without a life it goes with the browser.
func (v *visit) keep(name, value string, life time.Duration) { guard.Keep(v.w, name, value, life) }

func (v *visit) drop(name string) { guard.Drop(v.w, name) }

func (v *visit) begin(session string) { v.keep(cookieSession, session, vault.SessionLife) }
