// Package guard is what keeps others out of the pages of people and of operators: the
// headers of every answer, the check where a form comes from, and the cookies.
package guard

import (
	"net/http"
	"net/url"
	"time"
)

// Secure sets the headers of every answer: the policy of the page, and that nobody may
// keep it, frame it or be told where it was.
func Secure(h http.Header, csp string) {
	h.Set("Content-Security-Policy", csp)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with none, forms would come with a null Origin
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
}

// SameOrigin says whether the browser itself vouches that the request comes from a page
// of this origin. net/http.CrossOriginProtection takes requests without any such header,
// which no browser that is in use sends; here they are refused.
func SameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && u.Host == r.Host
}

// CookieLang keeps the language that was chosen.
const CookieLang = "__Host-fieldvault-lang"

// Cookie is the value of a cookie, or "".
func Cookie(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// Keep sets a cookie for the whole host, over TLS, that no script sees; without a life it
// goes with the browser. The name must begin with __Host-.
func Keep(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	})
}

// Drop ends a cookie.
func Drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}
