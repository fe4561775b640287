package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// signIn asks whoever comes with a link to press a button. Without a link it sends the
// browser to the application, for one that is good in this browser alone.
func (v *visit) signIn() (page.Page, error) {
	if token := v.r.URL.Query().Get(page.FieldToken); token != "" {
		v.frame.Here = ""
		return page.SignIn{Token: token}, nil
	}
	if v.cfg.SignInURL == "" {
		return nil, errNoSession
	}
	u, err := url.Parse(v.cfg.SignInURL)
	if err != nil {
		return nil, err
	}
	secret := rand.Text()
	v.keep(cookieBrowser, secret, 0)
	sum := sha256.Sum256([]byte(secret))
	q := u.Query()
	q.Set("browser", hex.EncodeToString(sum[:]))
	u.RawQuery = q.Encode()
	http.Redirect(v.w, v.r, u.String(), http.StatusSeeOther) //nolint:gosec // it leads where the configuration says
	return nil, nil
}

// signedIn spends the link. Whatever session there was is over.
func (v *visit) signedIn() (page.Page, error) {
	before := v.cookie(cookieSession)
	session, err := v.vault.SignIn(v.r.Context(), v.r.PostForm.Get(page.FieldToken),
		vault.Browser{Secret: v.cookie(cookieBrowser), Bound: v.cfg.SignInURL != ""}, v.id)
	if errors.Is(err, vault.ErrGone) || errors.Is(err, vault.ErrNotFound) {
		err = &vault.TicketError{Why: vault.TicketExpired} // whom it was made for is no longer there
	}
	if err != nil {
		return nil, err
	}
	if before != "" {
		if err := v.vault.SignOut(v.r.Context(), before); err != nil {
			return nil, err
		}
	}
	v.begin(session)
	v.drop(cookieBrowser)
	v.to(page.PathOverview, page.Flash{})
	return nil, nil
}

func (v *visit) signOut() (page.Page, error) {
	if session := v.cookie(cookieSession); session != "" {
		if err := v.vault.SignOut(v.r.Context(), session); err != nil {
			return nil, err
		}
	}
	v.drop(cookieSession)
	return page.Problem{Kind: page.ProblemSignedOut}, nil
}
