package console

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

// The cookies, beside that of the language.
const (
	cookieSession = "__Host-fieldvault-console"
	cookieFlow    = "__Host-fieldvault-console-flow" // of a sign-in that is under way
	cookieFlash   = "__Host-fieldvault-console-done"
)

const (
	langLife      = 365 * 24 * time.Hour
	flashLife     = time.Minute
	langParameter = "lang"
)

// A visit is one request on its way to its page.
type visit struct {
	*console
	w      http.ResponseWriter
	r      *http.Request
	id     uuid.UUID
	frame  page.Frame
	caller accessctl.Caller
	duties vault.Duties
	cat    *catalog.Catalog // of the operator's tenant
}

func (c *console) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{console: c, w: w, r: r, id: c.cfg.NewID()}
	v.frame.Lang = v.language()
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		q.Del(langParameter)
		v.frame.Here = (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
	}
	return v
}

// language is the one chosen on a page before, or the one that the browser prefers.
func (v *visit) language() page.Lang {
	if l, ok := page.ParseLang(v.r.URL.Query().Get(langParameter)); ok {
		guard.Keep(v.w, guard.CookieLang, string(l), langLife)
		return l
	}
	if l, ok := page.ParseLang(guard.Cookie(v.r, guard.CookieLang)); ok {
		return l
	}
	return page.MatchLang(v.r.Header.Get("Accept-Language"))
}

// lang is the language for titles of the catalog.
func (v *visit) lang() string { return string(v.frame.Lang) }

// param is a part of the path. What was escaped more than it need be is the same.
func (v *visit) param(name string) string {
	s := chi.URLParam(v.r, name)
	if text, err := url.PathUnescape(s); err == nil {
		return text
	}
	return s
}

// here is a time as pages show it.
func (v *visit) here(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(v.cfg.Now().Location())
}

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

// serve says who it is, meters them, and does it. What the operator may see of the part is
// asked here; what they may do, by each act.
func (v *visit) serve(do serving, may func(page.ConsoleMay) bool) (page.Page, error) {
	v.named(v.cfg.Tenant)
	who := "address " + throttle.AddressOf(v.r.RemoteAddr)
	var err error
	if may != nil {
		switch err = v.identify(); {
		case err == nil:
			who = "operator " + v.caller.Tenant + " " + v.caller.Actor()
		case !errors.Is(err, errNoSession):
			return nil, err
		}
	}
	if _, wait := v.asking.Take(who, v.cfg.Now()); wait > 0 {
		return nil, &tooManyError{wait}
	}
	switch {
	case err != nil:
		return nil, err
	case may == nil:
		return do(v)
	}
	if err := v.enter(); err != nil {
		return nil, err
	}
	if !may(v.frame.May) {
		return nil, vault.ErrDenied
	}
	return do(v)
}

// identify says who the session is of.
func (v *visit) identify() (err error) {
	session := guard.Cookie(v.r, cookieSession)
	if session == "" {
		return errNoSession
	}
	if v.caller, err = v.vault.AtConsole(v.r.Context(), session, v.id); err != nil {
		if errors.Is(err, vault.ErrDenied) {
			guard.Drop(v.w, cookieSession)
			err = errNoSession
		}
		return err
	}
	return nil
}

// enter says what the operator may see.
func (v *visit) enter() (err error) {
	ctx := v.r.Context()
	v.named(v.caller.Tenant)
	if v.cat == nil {
		return vault.ErrUnavailable
	}
	if v.duties, err = v.vault.Duties(ctx, v.caller); err != nil {
		return err
	}
	if !v.duties.May[accessctl.ActionConsole] { // the policy has changed since
		return vault.ErrDenied
	}
	v.frame.SignedIn, v.frame.Operator, v.frame.May = true, v.caller.Subject, mayOf(&v.duties)
	v.flash()
	return nil
}

// mayOf says which parts of the console are of use to who has these duties.
func mayOf(d *vault.Duties) page.ConsoleMay {
	m := page.ConsoleMay{
		Requests: d.May[accessctl.ActionRequests], Approvals: d.May[accessctl.ActionApprove],
		Reports: d.May[accessctl.ActionAudit], Audit: d.May[accessctl.ActionAudit],
		Statistics: d.Aggregates || d.May[accessctl.ActionInspect],
		Catalog:    d.May[accessctl.ActionInspect], Explain: d.May[accessctl.ActionInspect],
		Keys:   d.May[accessctl.ActionKeys] || d.May[accessctl.ActionJobs],
		People: len(d.Reads)+len(d.Finds) > 0,
	}
	for _, a := range []accessctl.Action{
		accessctl.ActionErase, accessctl.ActionHold, accessctl.ActionRestrict, accessctl.ActionConsentRead, accessctl.ActionAccessHistory,
	} {
		m.People = m.People || d.May[a]
	}
	return m
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

// under is the operator as a caller for a purpose.
func (v *visit) under(p accessctl.Purpose) accessctl.Caller {
	c := v.caller
	c.Purpose = p
	return c
}

// purpose is a purpose's title; its name if the catalog has it no more.
func (v *visit) purpose(p accessctl.Purpose) string {
	if def, ok := v.cat.Purpose(string(p)); ok {
		w, _ := def.In(v.lang(), v.cat.Language)
		return w.Title
	}
	return string(p)
}

// field is a field's title, by its ids in the catalog; "" if there is none.
func (v *visit) field(collection, field uint32) string {
	if coll, ok := v.cat.CollectionByID(collection); ok {
		if f, ok := coll.FieldByID(field); ok {
			return f.TitleIn(v.lang())
		}
	}
	return ""
}

// name is what an actor of the log is called on pages: without who issued their token. A
// person is nobody: their uid says nothing.
func name(actor string) string {
	if actor == "self" || strings.HasPrefix(actor, "self:") {
		return ""
	}
	if _, subject, ok := strings.Cut(actor, "#"); ok {
		return subject
	}
	return strings.TrimPrefix(actor, "local:")
}

// A tooManyError says that somebody asks too often.
type tooManyError struct{ wait time.Duration }

func (e *tooManyError) Error() string { return "too many pages are asked for" }

// errNoSession: nobody is signed in.
var errNoSession = errors.New("nobody is signed in")

// fail shows what went wrong. The reasons of a fault are logged and not shown.
func (v *visit) fail(err error) {
	if errors.Is(err, errNoSession) && v.r.Method == http.MethodGet {
		http.Redirect(v.w, v.r, page.PathConsoleSignIn, http.StatusSeeOther)
		return
	}
	status, kind := problemOf(err)
	p := page.Problem{Kind: kind, Console: true}
	var many *tooManyError
	if errors.As(err, &many) {
		p.Retry = v.here(v.cfg.Now().Add(many.wait))
		v.w.Header().Set("Retry-After", strconv.Itoa(int(many.wait/time.Second)+1))
	}
	if kind == page.ProblemFault || kind == page.ProblemUnavailable {
		p.Reference = v.id.String()
	}
	if kind == page.ProblemFault {
		v.cfg.Logger.ErrorContext(v.r.Context(), "a page could not be made", "request_id", v.id, "error", err)
	}
	v.show(status, p)
}

func problemOf(err error) (int, page.ProblemKind) {
	var bad *vault.InvalidError
	var limit *vault.LimitError
	var many *tooManyError
	switch {
	case errors.As(err, &many):
		return http.StatusTooManyRequests, page.ProblemTooMany
	case errors.Is(err, errNoSession):
		return http.StatusUnauthorized, page.ProblemNoSession
	case errors.Is(err, oidcauth.ErrRefused), errors.Is(err, oidcauth.ErrNotSignedIn):
		return http.StatusForbidden, page.ProblemSignIn
	case errors.As(err, &limit):
		return http.StatusTooManyRequests, page.ProblemTooMany
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrGone), errors.As(err, &bad):
		return http.StatusNotFound, page.ProblemNotFound // of what no page of ours asks for
	case errors.Is(err, vault.ErrDenied), errors.Is(err, vault.ErrTooLarge), errors.Is(err, vault.ErrHeld), errors.Is(err, vault.ErrConflict):
		return http.StatusForbidden, page.ProblemForbidden
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
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang())
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b) //nolint:gosec // html/template has escaped it
	clear(b)
}

// file sends a file to keep.
func (v *visit) file(kind, name string, b []byte) {
	h := v.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, _ = v.w.Write(b) //nolint:gosec // the type is not one that a browser would draw
}

// to sends the browser to a page of the console, which says what has happened.
func (v *visit) to(path string, f page.FlashKind) (page.Page, error) {
	if f != "" {
		guard.Keep(v.w, cookieFlash, string(f), flashLife)
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther) //nolint:gosec // a path of the console; ids in it are escaped
	return nil, nil
}

// flash says what the request before this one has done.
func (v *visit) flash() {
	if v.r.Method != http.MethodGet {
		return
	}
	if kind := guard.Cookie(v.r, cookieFlash); kind != "" {
		guard.Drop(v.w, cookieFlash)
		v.frame.Flash.Kind = page.FlashKind(kind)
	}
}
