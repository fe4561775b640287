package portal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// A Provider signs people in, as *oidcauth.Provider does, which has the contracts.
type Provider interface {
	// Begin gives the address to send the browser to, and what the browser is to keep.
	Begin(ctx context.Context, a oidcauth.Asking) (address, kept string, err error)
	// Finish says who came back, from what the browser kept and the query that it brought.
	Finish(ctx context.Context, kept string, query url.Values) (accessctl.Principal, error)
}

// signIn asks whoever comes with a link to press a button. Without a link it sends the
// browser to the provider of identities, or to the application for a link that is good in
// this browser alone.
func (v *visit) signIn() (page.Page, error) {
	if token := v.r.URL.Query().Get(page.FieldToken); token != "" {
		v.frame.Here = ""
		return page.SignIn{Token: token}, nil
	}
	switch {
	case v.cfg.Provider != nil:
		return nil, v.toProvider()
	case v.cfg.SignInURL != "":
		return nil, v.toApplication()
	}
	return nil, errNoSession
}

// toProvider begins a sign-in with the provider. The flow stays in this browser: whoever
// comes back without it, with a code of somebody else's, is let in nowhere.
func (v *visit) toProvider() error {
	address, flow, err := v.cfg.Provider.Begin(v.r.Context(), oidcauth.Asking{})
	if err != nil {
		return err
	}
	v.keep(cookieFlow, flow, oidcauth.FlowLife)
	http.Redirect(v.w, v.r, address, http.StatusSeeOther) //nolint:gosec // it leads to the provider of the configuration
	return nil
}

// signInDone is where the provider sends the browser back to. It leaves at once for a page
// whose address has no code in it.
func (v *visit) signInDone() (page.Page, error) {
	if v.cfg.Provider == nil {
		return nil, vault.ErrNotFound
	}
	v.frame.Here = ""
	flow := v.cookie(cookieFlow)
	v.drop(cookieFlow)
	who, err := v.cfg.Provider.Finish(v.r.Context(), flow, v.r.URL.Query())
	if err != nil {
		return nil, err
	}
	session, err := v.vault.SignInAs(v.r.Context(), who, v.id)
	if errors.Is(err, vault.ErrDenied) || errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrGone) {
		err = oidcauth.ErrRefused // whom the provider knows, and we do not
	}
	if err != nil {
		return nil, err
	}
	return nil, v.signedInAs(session)
}

// signedInAs begins a session and shows what it is of. Whatever session there was is over.
func (v *visit) signedInAs(session string) error {
	if before := v.cookie(cookieSession); before != "" {
		if err := v.vault.SignOut(v.r.Context(), before); err != nil {
			return err
		}
	}
	v.begin(session)
	v.drop(cookieBrowser)
	v.to(page.PathOverview, page.Flash{})
	return nil
}

// toApplication sends the browser to the application for a link that is good in it alone.
func (v *visit) toApplication() error {
	u, err := url.Parse(v.cfg.SignInURL)
	if err != nil {
		return err
	}
	secret := rand.Text()
	v.keep(cookieBrowser, secret, 0)
	sum := sha256.Sum256([]byte(secret))
	q := u.Query()
	q.Set("browser", hex.EncodeToString(sum[:]))
	u.RawQuery = q.Encode()
	http.Redirect(v.w, v.r, u.String(), http.StatusSeeOther) //nolint:gosec // it leads where the configuration says
	return nil
}

// signedIn spends the link.
func (v *visit) signedIn() (page.Page, error) {
	session, err := v.vault.SignIn(v.r.Context(), v.r.PostForm.Get(page.FieldToken),
		vault.Browser{Secret: v.cookie(cookieBrowser), Bound: v.cfg.SignInURL != ""}, v.id)
	if errors.Is(err, vault.ErrGone) || errors.Is(err, vault.ErrNotFound) {
		err = &vault.TicketError{Why: vault.TicketExpired} // whom it was made for is no longer there
	}
	if err != nil {
		return nil, err
	}
	return nil, v.signedInAs(session)
}

func (v *visit) signOut() (page.Page, error) {
	if session := v.cookie(cookieSession); session != "" {
		if err := v.vault.SignOut(v.r.Context(), session); err != nil {
			return nil, err
		}
	}
	v.drop(cookieSession)
	return page.Problem{Kind: page.ProblemSignedOut, Provider: v.again()}, nil
}

// again leads whoever is not signed in to a sign-in without a link, where there is one.
func (v *visit) again() string {
	if v.frame.SignedIn || v.cfg.Provider == nil && v.cfg.SignInURL == "" {
		return ""
	}
	return page.PathSignIn
}
