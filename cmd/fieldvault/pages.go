package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// portal puts the web pages of people in front of the API, unless they are off.
func (p *parts) portal(api http.Handler) (http.Handler, error) {
	c := p.cfg.Portal
	if c.Off {
		return api, nil
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Host == "" || u.Path != "" && u.Path != "/") {
		return nil, withHint(errors.New("portal.url is not the address of a service"), "write it as https://privacy.example.org, without a path")
	}
	pages := portal.Config{
		Vault: p.vault, Logger: p.log, Now: now, NewID: newID, Tenant: p.cfg.Tenant, Export: httpapi.Export,
		SignInURL: c.SignInURL, Frames: listed(c.Frames), MaxInFlight: max(1, p.cfg.Limits.InFlight/2),
	}
	provider, err := p.provider("portal.oidc", c.OIDC, page.PathSignInDone)
	if err != nil {
		return nil, err
	}
	if provider != nil {
		pages.Provider = provider
	}
	me, err := portal.New(pages)
	if err != nil {
		return nil, withHint(fmt.Errorf("making the web pages: %w", err), "check portal.sign_in_url and portal.frames, or set portal.off")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if portal.Owns(r.URL.Path) {
			me.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}), nil
}
