package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/portal/guard"
	"github.com/fieldvault/fieldvault/vault/portal/page"
	"github.com/fieldvault/fieldvault/vault/throttle"
)

// A Provider signs operators in, as *oidcauth.Provider does, which has the contracts.
type Provider interface {
	// Begin gives the address to send the browser to, and what its cookie has to keep.
	Begin(ctx context.Context, a oidcauth.Asking) (address, kept string, err error)
	// Finish says who came back from there.
	Finish(ctx context.Context, kept string, query url.Values) (accessctl.Principal, error)
}

// A Config says what the console is made of. Every field is required unless its comment
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
	// Tenant is the tenant whose name stands on the pages of nobody.
	Tenant string
	// Verify says whose token of the API it is. The error is a vault.ErrUnavailable if that
	// cannot be said now. Optional: without it nobody signs in by a token.
	Verify func(ctx context.Context, token string) (accessctl.Principal, error)
	// Provider is where operators sign in. Optional, but without Verify.
	Provider Provider
	// Keys reads the versions of key-encryption keys. Optional.
	Keys vault.KeyReader
	// Keeper offers the work on keys, which a process with the keeper's rights carries out.
	Keeper bool
	// Rate is how many pages one operator may ask for in a second; those who are not signed in
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
		{"Verify or Provider", c.Verify == nil && c.Provider == nil},
		{"Rate", c.Rate <= 0},
		{"Burst", c.Burst < 1},
		{"MaxInFlight", c.MaxInFlight < 1},
	}
	var errs []error
	for _, g := range gaps {
		if g.gap {
			errs = append(errs, fmt.Errorf("console: Config.%s is required", g.name))
		}
	}
	return errors.Join(errs...)
}

const (
	// requestTime is how long a page may take, less than a connection: a report reads the log.
	requestTime = 50 * time.Second
	// maxForm bounds the body of a form.
	maxForm = 256 << 10
)

type console struct {
	cfg       Config
	vault     *vault.Vault
	pages     *page.Pages
	underWay  *semaphore.Weighted
	asking    *throttle.Meter
	reports   *semaphore.Weighted // one reading of the log at a time
	questions *semaphore.Weighted // one statistic at a time
}

// New makes the console. The handler serves the paths of [Owns]; the static files of its
// pages are those of package portal.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	pages, err := page.New()
	if err != nil {
		return nil, fmt.Errorf("reading the pages: %w", err)
	}
	c := &console{
		cfg: cfg, vault: cfg.Vault, pages: pages,
		underWay: semaphore.NewWeighted(int64(cfg.MaxInFlight)), reports: semaphore.NewWeighted(1), questions: semaphore.NewWeighted(1),
		asking: throttle.New(cfg.Rate, cfg.Burst, 0),
	}
	return c.routes(), nil
}

// Owns says whether a path is the console's.
func Owns(path string) bool {
	return path == page.PathConsole || strings.HasPrefix(path, page.PathConsole+"/")
}

// A serving does one request; a nil page says that it has answered.
type serving func(*visit) (page.Page, error)

func (c *console) routes() http.Handler {
	mux := chi.NewRouter()
	for _, r := range []struct {
		path      string
		get, post serving
		may       func(page.ConsoleMay) bool // nil: anybody, without a session
	}{
		{page.PathConsoleSignIn, (*visit).signIn, (*visit).signedIn, nil},
		{page.PathConsoleProvider, (*visit).toProvider, nil, nil},
		{page.PathConsoleReturn, (*visit).fromProvider, nil, nil},
		{page.PathConsoleSignOut, nil, (*visit).signOut, nil},
		{page.PathConsole, (*visit).today, nil, mayAny},
		{page.PathConsoleRequests, (*visit).requests, (*visit).fileRequest, mayRequests},
		{page.PathConsoleFile, (*visit).newRequest, nil, mayRequests},
		{page.PathConsoleRequest + "{id}", (*visit).request, (*visit).stepRequest, mayRequests},
		{page.PathConsoleRequest + "{id}/evidence", (*visit).evidence, nil, mayRequests},
		{page.PathConsolePeople, (*visit).people, (*visit).search, mayPeople},
		{page.PathConsolePerson + "{person}", (*visit).person, (*visit).personRead, mayPeople},
		{page.PathConsolePerson + "{person}/hold", nil, (*visit).hold, mayPeople},
		{page.PathConsolePerson + "{person}/pause", nil, (*visit).pause, mayPeople},
		{page.PathConsolePerson + "{person}/erase", (*visit).eraseWhat, (*visit).erase, mayPeople},
		{pathCertificate + "{id}", (*visit).certificate, nil, mayPeople},
		{page.PathConsoleApprovals, (*visit).approvals, (*visit).approve, mayApprovals},
		{page.PathConsoleReports, (*visit).reportPage, nil, mayReports},
		{page.PathConsoleStatistics, (*visit).statistics, nil, mayStatistics},
		{page.PathConsoleAsk, (*visit).ask, (*visit).asked, mayStatistics},
		{page.PathConsoleAnswer + "{id}", (*visit).statistic, nil, mayStatistics},
		{page.PathConsoleAnswer + "{id}/answer.csv", (*visit).answerFile, nil, mayStatistics},
		{page.PathConsoleCatalog, (*visit).catalog, nil, mayCatalog},
		{page.PathConsoleExplain, (*visit).explain, nil, mayExplain},
		{page.PathConsoleKeys, (*visit).keys, (*visit).askKeeper, mayKeys},
		{page.PathConsoleAudit, (*visit).audit, nil, mayAudit},
		{page.PathConsoleEvent + "{index}", (*visit).event, nil, mayAudit},
	} {
		if r.get != nil {
			mux.Get(r.path, c.handler(r.get, r.may))
		}
		if r.post != nil {
			mux.Post(r.path, c.handler(r.post, r.may))
		}
	}
	lost := c.handler(func(*visit) (page.Page, error) { return nil, vault.ErrNotFound }, nil)
	mux.NotFound(lost)
	mux.MethodNotAllowed(lost)
	return mux
}

// Which part of the console a page belongs to.
func mayAny(page.ConsoleMay) bool          { return true }
func mayRequests(m page.ConsoleMay) bool   { return m.Requests }
func mayPeople(m page.ConsoleMay) bool     { return m.People }
func mayApprovals(m page.ConsoleMay) bool  { return m.Approvals }
func mayReports(m page.ConsoleMay) bool    { return m.Reports }
func mayStatistics(m page.ConsoleMay) bool { return m.Statistics }
func mayCatalog(m page.ConsoleMay) bool    { return m.Catalog }
func mayExplain(m page.ConsoleMay) bool    { return m.Explain }
func mayKeys(m page.ConsoleMay) bool       { return m.Keys }
func mayAudit(m page.ConsoleMay) bool      { return m.Audit }

// handler serves one page.
func (c *console) handler(serve serving, may func(page.ConsoleMay) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		guard.Secure(w.Header(), page.CSP)
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		v := c.visit(w, r.WithContext(ctx))
		if err := v.readForm(); err != nil { // however slowly it comes, it holds no place yet
			v.fail(err)
			return
		}
		if !c.underWay.TryAcquire(1) {
			v.fail(vault.ErrUnavailable)
			return
		}
		defer c.underWay.Release(1)
		pg, err := v.serve(serve, may)
		switch {
		case err != nil:
			v.fail(err)
		case pg != nil:
			v.show(http.StatusOK, pg)
		}
	}
}
