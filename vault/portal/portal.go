package portal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/guard"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/throttle"
)

// A Config says what the portal is made of. Every field is required unless its comment
// says otherwise.
type Config struct {
	// Vault does the work and holds the rules.
	Vault *vault.Vault
	// Logger gets faults. Never a path, an id of a person, or a value.
	Logger *slog.Logger
	// Now is the clock; the times on pages are in its location.
	Now func() time.Time
	// NewID makes the ids of requests.
	NewID func() uuid.UUID
	// Tenant is the tenant whose name stands on pages of nobody.
	Tenant string
	// Export writes what is held on a person, as the API does; as a table if csv.
	Export func(m *vault.Manifest, csv bool) ([]byte, error)
	// SignInURL is the application's page that signs people in and asks for a link for
	// the browser named by its parameter "browser". Optional: without it links are good in
	// any browser.
	SignInURL string
	// Provider signs people in instead, where there is one; it sends browsers back to
	// page.PathSignInDone. Optional. Links then still let people in, but for those that
	// SignInURL asks to be bound to a browser, for no browser asks for one any more.
	Provider Provider
	// Frames are the origins whose pages may hold the consent form. Optional.
	Frames []string
	// Rate is how many pages one person may ask for in a second; those who are not signed in
	// count by their address.
	Rate float64
	// Burst is how many of them may come at once.
	Burst int
	// MaxInFlight is how many requests may be under way at the same time.
	MaxInFlight int
}

func (c *Config) check() error {
	gaps := []struct {
		name string
		gap  bool
	}{
		{"Vault", c.Vault == nil},
		{"Logger", c.Logger == nil},
		{"Now", c.Now == nil},
		{"NewID", c.NewID == nil},
		{"Tenant", c.Tenant == ""},
		{"Export", c.Export == nil},
		{"Rate", c.Rate <= 0},
		{"Burst", c.Burst < 1},
		{"MaxInFlight", c.MaxInFlight < 1},
	}
	var errs []error
	for _, g := range gaps {
		if g.gap {
			errs = append(errs, fmt.Errorf("portal: Config.%s is required", g.name))
		}
	}
	if u, err := url.Parse(c.SignInURL); c.SignInURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		errs = append(errs, errors.New("portal: Config.SignInURL must be the URL of a page, as https://shop.example.org/privacy"))
	}
	return errors.Join(errs...)
}

// requestTime is how long a page may take.
const requestTime = 30 * time.Second

// maxForm bounds the body of a form.
const maxForm = 256 << 10

type portal struct {
	cfg      Config
	vault    *vault.Vault
	pages    *page.Pages
	formCSP  string
	underWay *semaphore.Weighted
	asking   *throttle.Meter
}

// New makes the portal. The handler serves the paths of [Owns].
func New(cfg Config) (http.Handler, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	pages, err := page.New()
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	csp, err := page.EmbedCSP(cfg.Frames)
	if err != nil {
		return nil, fmt.Errorf("portal: Config.Frames: %w", err)
	}
	p := &portal{cfg: cfg, vault: cfg.Vault, pages: pages, formCSP: csp, underWay: semaphore.NewWeighted(int64(cfg.MaxInFlight)), asking: throttle.New(cfg.Rate, cfg.Burst, 0)}
	return p.routes(), nil
}

// Owns says whether a path is the portal's.
func Owns(path string) bool {
	for _, root := range []string{page.PathOverview, page.PathConsentForm} {
		if path == root || len(path) > len(root) && path[:len(root)+1] == root+"/" {
			return true
		}
	}
	return len(path) > len(page.AssetPath) && path[:len(page.AssetPath)] == page.AssetPath
}

func (p *portal) routes() http.Handler {
	mux := chi.NewRouter()
	for _, a := range p.pages.Assets() {
		mux.Get(a.Path, func(w http.ResponseWriter, _ *http.Request) {
			guard.Secure(w.Header(), page.CSP)
			w.Header().Set("Content-Type", a.Type)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(a.Body)
		})
	}
	for _, r := range []struct {
		path      string
		get, post func(*visit) (page.Page, error)
		open      bool // needs no session
	}{
		{page.PathOverview, (*visit).overview, nil, false},
		{page.PathPurposes, (*visit).purposes, (*visit).decide, false},
		{pathReceipt, (*visit).receipt, nil, false},
		{page.PathNotice, (*visit).notice, (*visit).decide, false},
		{page.PathHistory, (*visit).history, nil, false},
		{page.PathRequests, (*visit).requests, (*visit).fileRequest, false},
		{page.PathRequestNew, (*visit).newRequest, nil, false},
		{page.PathRequest + "{id}", (*visit).request, nil, false},
		{page.PathRequest + "{id}/evidence", (*visit).evidence, nil, false},
		{page.PathCancel, nil, (*visit).cancel, false},
		{page.PathRights, (*visit).rights, nil, false},
		{page.PathCorrect, (*visit).correct, (*visit).corrected, false},
		{page.PathDownload, (*visit).download, nil, false},
		{page.PathData + ".json", (*visit).takeJSON, nil, false},
		{page.PathData + ".csv", (*visit).takeCSV, nil, false},
		{page.PathRestrict, (*visit).restriction, (*visit).restrict, false},
		{page.PathErase, (*visit).eraseWhat, (*visit).erase, false},
		{page.PathEraseSure, (*visit).eraseSure, nil, false},
		{page.PathSignIn, (*visit).signIn, (*visit).signedIn, true},
		{page.PathSignInDone, (*visit).signInDone, nil, true},
		{page.PathSignOut, nil, (*visit).signOut, true},
		{pathCertificate + "/{id}", (*visit).certificate, nil, true},
		{page.PathConsentForm, (*visit).form, (*visit).formSent, true},
	} {
		if r.get != nil {
			mux.Get(r.path, p.handler(r.get, r.open))
		}
		if r.post != nil {
			mux.Post(r.path, p.handler(r.post, r.open))
		}
	}
	lost := p.handler(func(v *visit) (page.Page, error) { return nil, vault.ErrNotFound }, true)
	mux.NotFound(lost)
	mux.MethodNotAllowed(lost)
	return mux
}

// handler serves one page.
func (p *portal) handler(serve func(*visit) (page.Page, error), open bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		guard.Secure(w.Header(), page.CSP)
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		v := p.visit(w, r.WithContext(ctx))
		if err := v.readForm(); err != nil { // however slowly it comes, it holds no place yet
			v.fail(err)
			return
		}
		if !p.underWay.TryAcquire(1) {
			v.fail(vault.ErrUnavailable)
			return
		}
		defer p.underWay.Release(1)
		pg, err := v.serve(serve, open)
		switch {
		case err != nil:
			v.fail(err)
		case pg != nil:
			v.show(http.StatusOK, pg)
		}
	}
}
