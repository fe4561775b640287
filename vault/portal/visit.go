package portal

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/guard"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/throttle"
)

// A visit is one request on its way to its page.
type visit struct {
	*portal
	w       http.ResponseWriter
	r       *http.Request
	id      uuid.UUID
	frame   page.Frame
	session string
	caller  accessctl.Caller
	cat     *catalog.Catalog // of the person's tenant
	state   *vault.Standing
	csp     string
}

// param is a part of the path.
func (v *visit) param(name string) string { return chi.URLParam(v.r, name) }

func (p *portal) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{portal: p, w: w, r: r, id: p.cfg.NewID(), csp: page.CSP}
	v.frame.Lang = v.language()
	v.frame.GPC = r.Header.Get("Sec-GPC") == "1"
	if r.Method == http.MethodGet {
		v.frame.Here = here(r.URL)
	}
	return v
}

// here is the address of this page without what only the first visit means.
func here(u *url.URL) string {
	q := u.Query()
	q.Del(langParameter)
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String()
}

// language is the one chosen on a page before, or the one that the browser prefers.
func (v *visit) language() page.Lang {
	if l, ok := page.ParseLang(v.r.URL.Query().Get(langParameter)); ok {
		v.keep(cookieLang, string(l), langLife)
		return l
	}
	if l, ok := page.ParseLang(v.cookie(cookieLang)); ok {
		return l
	}
	return page.MatchLang(v.r.Header.Get("Accept-Language"))
}

const langParameter = "lang"

// readForm checks where a form comes from, and reads it.
func (v *visit) readForm() error {
	if v.r.Method != http.MethodPost {
		return nil
	}
	if !guard.SameOrigin(v.r) {
		return vault.ErrDenied
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return vault.ErrTooLarge
	}
	return nil
}

// serve says who it is, meters them, and does it: who asks too often causes nothing.
func (v *visit) serve(do func(*visit) (page.Page, error), open bool) (page.Page, error) {
	v.named(v.cfg.Tenant)
	who := "address " + throttle.AddressOf(v.r.RemoteAddr)
	var err error
	if !open {
		switch err = v.identify(); {
		case err == nil:
			who = "person " + v.caller.Tenant + " " + v.caller.Subject
		case !errors.Is(err, errNoSession):
			return nil, err
		}
	}
	if _, wait := v.asking.Take(who, v.cfg.Now()); wait > 0 {
		return nil, &tooManyError{wait}
	}
	if err != nil {
		return nil, err
	}
	if !open {
		if err := v.enter(); err != nil {
			return nil, err
		}
	}
	return do(v)
}

// identify says who the session is of.
func (v *visit) identify() (err error) {
	v.session = v.cookie(cookieSession)
	if v.session == "" {
		return errNoSession
	}
	if v.caller, err = v.vault.Session(v.r.Context(), v.session, v.id); err != nil {
		if errors.Is(err, vault.ErrGone) || errors.Is(err, vault.ErrDenied) {
			v.drop(cookieSession)
			err = errNoSession
		}
		return err
	}
	v.caller.Purpose = accessctl.PurposeSelf
	return nil
}

// enter reads how things stand with the person.
func (v *visit) enter() error {
	v.named(v.caller.Tenant)
	if v.cat == nil {
		return vault.ErrUnavailable
	}
	v.frame.SignedIn = true
	v.flash()
	if err := v.standing(); err != nil {
		return err
	}
	return v.signal()
}

// named puts the organisation's name on the page.
func (v *visit) named(tenant string) {
	v.cat = nil
	cat, err := v.vault.Catalog(v.r.Context(), tenant)
	if err != nil {
		return
	}
	v.cat, v.frame.Controller = cat, cat.Title
	if c := cat.Controller; c != nil {
		v.frame.Controller, v.frame.Contact = c.Name, c.Contact
	}
}

// as is the person as a caller without a purpose.
func (v *visit) as() accessctl.Caller {
	c := v.caller
	c.Purpose = ""
	return c
}

// A tooManyError says that somebody asks too often.
type tooManyError struct{ wait time.Duration }

func (e *tooManyError) Error() string { return "too many pages are asked for" }

// errNoSession: nobody is signed in.
var errNoSession = errors.New("nobody is signed in")

// fail shows what went wrong. The reasons of a fault are logged and not shown.
func (v *visit) fail(err error) {
	status, kind := problemOf(err)
	if kind == page.ProblemFault {
		v.cfg.Logger.ErrorContext(v.r.Context(), "a page could not be made", "request_id", v.id, "error", err)
	}
	p := page.Problem{Kind: kind, Provider: v.again()}
	var many *tooManyError
	if errors.As(err, &many) {
		p.Retry = v.cfg.Now().Add(many.wait)
		v.w.Header().Set("Retry-After", strconv.Itoa(int(many.wait/time.Second)+1))
	}
	if kind == page.ProblemFault || kind == page.ProblemUnavailable {
		p.Reference = v.id.String()
	}
	v.show(status, p)
}

func problemOf(err error) (int, page.ProblemKind) {
	var ticket *vault.TicketError
	var bad *vault.InvalidError
	var many *tooManyError
	switch {
	case errors.As(err, &many):
		return http.StatusTooManyRequests, page.ProblemTooMany
	case errors.Is(err, errNoSession):
		return http.StatusUnauthorized, page.ProblemNoSession
	case errors.As(err, &ticket):
		switch ticket.Why {
		case vault.TicketExpired:
			return http.StatusForbidden, page.ProblemLinkExpired
		case vault.TicketBrowser:
			return http.StatusForbidden, page.ProblemOtherBrowser
		default:
			return http.StatusForbidden, page.ProblemLinkUsed
		}
	case errors.Is(err, oidcauth.ErrRefused), errors.Is(err, oidcauth.ErrNotSignedIn):
		return http.StatusForbidden, page.ProblemSignIn
	case errors.Is(err, vault.ErrDenied), errors.As(err, &bad), errors.Is(err, vault.ErrTooLarge), errors.Is(err, vault.ErrHeld):
		return http.StatusForbidden, page.ProblemForbidden
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrGone):
		return http.StatusNotFound, page.ProblemNotFound
	case errors.Is(err, vault.ErrUnavailable), errors.Is(err, oidcauth.ErrUnavailable):
		return http.StatusServiceUnavailable, page.ProblemUnavailable
	}
	return http.StatusInternalServerError, page.ProblemFault
}

// show draws a page and sends it in one piece.
func (v *visit) show(status int, pg page.Page) {
	b, err := v.pages.Render(v.frame, pg)
	if err != nil {
		v.cfg.Logger.ErrorContext(v.r.Context(), "a page could not be drawn", "request_id", v.id, "error", err)
		http.Error(v.w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", v.csp)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(v.frame.Lang))
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b) //nolint:gosec // html/template has escaped it
	clear(b)
}

// to sends the browser to a page of this portal, which says what has happened.
func (v *visit) to(path string, f page.Flash) {
	if f.Kind != "" {
		v.keep(cookieFlash, string(f.Kind)+":"+f.Subject, flashLife)
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
}

// flash says what the request before this one has done: the title of the purpose is that
// of the catalog, whatever the cookie holds.
func (v *visit) flash() {
	if v.r.Method != http.MethodGet {
		return
	}
	kind, purpose, ok := strings.Cut(v.cookie(cookieFlash), ":")
	if !ok {
		return
	}
	v.drop(cookieFlash)
	v.frame.Flash.Kind = page.FlashKind(kind)
	if p, ok := v.cat.Purpose(purpose); ok {
		w, _ := p.In(string(v.frame.Lang), v.cat.Language)
		v.frame.Flash.Subject = w.Title
	}
}
