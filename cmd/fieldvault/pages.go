package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/httpapi"
	"github.com/fieldvault/fieldvault/vault/portal"
	"github.com/fieldvault/fieldvault/vault/portal/console"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// withPages puts the web pages of people and of operators in front of the API, unless they
// are off.
func (p *parts) withPages(api http.Handler, auth *jwtauth.Verifier) (http.Handler, error) {
	h, err := p.portal(api)
	if err != nil {
		return nil, err
	}
	return p.console(h, auth)
}

// pageRate and pageBurst are how many pages somebody may ask for: a part of what a program
// may, but enough to look around.
func (p *parts) pageRate() float64 { return max(1, p.cfg.Limits.Rate/50) }

func (p *parts) pageBurst() int { return max(50, p.cfg.Limits.Burst/10) }

// verifying says whose a token is. While keys of an issuer cannot be read, a token that is
// not taken may still be good: that is an ErrUnavailable.
func verifying(auth *jwtauth.Verifier) func(context.Context, string) (accessctl.Principal, error) {
	return func(ctx context.Context, token string) (accessctl.Principal, error) {
		p, err := auth.Verify(ctx, token)
		if err != nil && auth.Ready() != nil {
			err = fmt.Errorf("%w: keys of an issuer", vault.ErrUnavailable)
		}
		return p, err
	}
}

// console puts the operators' console in front of what is there, unless it is off. It
// needs the static files of the panel's pages.
func (p *parts) console(next http.Handler, auth *jwtauth.Verifier) (http.Handler, error) {
	if p.cfg.Console.Off || p.cfg.Portal.Off {
		return next, nil
	}
	cfg := console.Config{
		Vault: p.vault, Logger: p.log, Now: now, NewID: newID, Tenant: p.cfg.Tenant, Verify: verifying(auth),
		Keys: keeper(p.kek), Keeper: true, MaxInFlight: max(1, p.cfg.Limits.InFlight/4),
		Rate: p.pageRate(), Burst: p.pageBurst(),
	}
	provider, err := p.provider("console.oidc", p.cfg.Console.OIDC, page.PathConsoleReturn)
	if err != nil {
		return nil, err
	}
	if provider != nil {
		cfg.Provider = provider
		if p.cfg.Console.OIDCOnly {
			cfg.Verify = nil
		}
	}
	pages, err := console.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("making the console: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if console.Owns(r.URL.Path) {
			pages.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

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
		Rate: p.pageRate(), Burst: p.pageBurst(),
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
