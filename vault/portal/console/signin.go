package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/guard"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// How an operator came in: the code of the event.
const (
	viaToken    = "token"
	viaProvider = "oidc"
)

func (v *visit) signIn() (page.Page, error) { return v.signInPage(), nil }

func (v *visit) signInPage() page.ConsoleSignIn {
	p := page.ConsoleSignIn{Token: v.cfg.Verify != nil}
	if v.cfg.Provider != nil {
		p.Provider = page.PathConsoleProvider
	}
	return p
}

// signedIn takes an access token of the API.
func (v *visit) signedIn() (page.Page, error) {
	if v.cfg.Verify == nil {
		return nil, vault.ErrNotFound
	}
	token := strings.TrimPrefix(strings.TrimSpace(v.r.PostForm.Get(page.FieldToken)), "Bearer ")
	who, err := v.cfg.Verify(v.r.Context(), token)
	p := v.signInPage()
	switch {
	case errors.Is(err, vault.ErrUnavailable):
		p.NoKeys = true
		v.show(http.StatusServiceUnavailable, p)
		return nil, nil
	case err != nil: // whatever is wrong with it
		p.BadToken = true
		v.show(http.StatusForbidden, p)
		return nil, nil
	}
	return v.begin(who, viaToken)
}

// toProvider sends the browser to the organisation's own sign-in.
func (v *visit) toProvider() (page.Page, error) {
	if v.cfg.Provider == nil {
		return nil, vault.ErrNotFound
	}
	address, flow, err := v.cfg.Provider.Begin(v.r.Context(), oidcauth.Asking{})
	if err != nil {
		return nil, err
	}
	guard.Keep(v.w, cookieFlow, flow, oidcauth.FlowLife)
	http.Redirect(v.w, v.r, address, http.StatusSeeOther) //nolint:gosec // it leads to the provider of the configuration
	return nil, nil
}

// fromProvider takes who comes back from there, in the browser that was sent. It leaves at
// once for a page whose address has no code in it.
func (v *visit) fromProvider() (page.Page, error) {
	if v.cfg.Provider == nil {
		return nil, vault.ErrNotFound
	}
	v.frame.Here = ""
	flow := guard.Cookie(v.r, cookieFlow)
	guard.Drop(v.w, cookieFlow)
	who, err := v.cfg.Provider.Finish(v.r.Context(), flow, v.r.URL.Query())
	if err != nil {
		return nil, err
	}
	return v.begin(who, viaProvider)
}

// begin opens the session. Whatever session there was is over.
func (v *visit) begin(who accessctl.Principal, via string) (page.Page, error) {
	if via == viaProvider {
		who.Expires = time.Time{} // an ID token tells of a moment: the session has an end of its own
	}
	session, expires, err := v.vault.EnterConsole(v.r.Context(), accessctl.Caller{Principal: who, RequestID: v.id}, via)
	if err != nil {
		return nil, err
	}
	if err := v.end(); err != nil {
		return nil, err
	}
	guard.Keep(v.w, cookieSession, session, expires.Sub(v.cfg.Now()))
	return v.to(page.PathConsole, "")
}

// end ends the session that the browser has, if any.
func (v *visit) end() error {
	if session := guard.Cookie(v.r, cookieSession); session != "" {
		return v.vault.SignOut(v.r.Context(), session)
	}
	return nil
}

func (v *visit) signOut() (page.Page, error) {
	if err := v.end(); err != nil {
		return nil, err
	}
	guard.Drop(v.w, cookieSession)
	return page.Problem{Kind: page.ProblemSignedOut, Console: true}, nil
}
