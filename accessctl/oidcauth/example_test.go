package oidcauth_test

import (
	"net/http"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
)

func Example() {
	provider, err := oidcauth.New(oidcauth.Config{
		Issuer: "https://login.example.org/realms/shop", ClientID: "fieldvault", RedirectURL: "https://privacy.example.org/me/sign-in/done",
		Tenants: []string{"default"}, SubjectClaim: "customer_id", Now: time.Now,
	})
	if err != nil {
		panic(err) // the configuration leaves out a check
	}
	const cookie = "__Host-flow"
	http.HandleFunc("GET /me/sign-in", func(w http.ResponseWriter, r *http.Request) {
		address, flow, err := provider.Begin(r.Context(), oidcauth.Asking{})
		if err != nil {
			http.Error(w, "please try again later", http.StatusServiceUnavailable)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: cookie, Value: flow, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(oidcauth.FlowLife.Seconds()),
		})
		http.Redirect(w, r, address, http.StatusSeeOther)
	})
	http.HandleFunc("GET /me/sign-in/done", func(w http.ResponseWriter, r *http.Request) {
		flow, err := r.Cookie(cookie)
		if err != nil {
			http.Error(w, "please begin again", http.StatusForbidden)
			return
		}
		who, err := provider.Finish(r.Context(), flow.Value, r.URL.Query())
		if err != nil {
			http.Error(w, "nobody was signed in", http.StatusForbidden)
			return
		}
		_ = who.Person // begin a session of theirs, and drop the cookie
	})
}
