package httpapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/semaphore"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/throttle"
)

// requestTime is how long the vault may work for one request.
const requestTime = 30 * time.Second

// A service is the API with its limits.
type service struct {
	cfg        Config
	vault      *vault.Vault
	mux        *chi.Mux
	metrics    *metrics
	principals *throttle.Meter // requests, by principal, or for public routes by address
	failures   *throttle.Meter // failed authentications, by address
	underWay   *semaphore.Weighted
	bodies     bodyReader
	reports    *semaphore.Weighted
	document   []byte // OpenAPI
}

// A route is one line of the table that router and OpenAPI document are made from.
type route struct {
	method, path string
	id           string // operationId
	tag          string
	summary      string
	detail       string

	public bool // needs no token
	rest   bool // the last path parameter is all that follows, with its slashes
	probe  bool // answers even when the service is full

	in       any      // body, as Go type; nil: none
	media    []string // of the body, if it is not JSON
	limit    int64    // bytes of the body; 0 with a body: api.MaxBody
	optional bool     // the body may be left out
	query    []parameter
	repeats  []string // parameters of the query that may stand more than once
	purpose  need     // Fieldvault-Purpose
	ifMatch  bool     // honours If-Match
	once     bool     // honours Idempotency-Key

	out []result
	// serve does the work.
	serve func(*exchange) (answer, error)
}

// need says how a header is needed.
type need uint8

const (
	never need = iota
	optional
	always
)

// A parameter is one of the query.
type parameter struct {
	name, words string
	required    bool
}

// A result is one good answer: its status, and the Go type of the body, or its
// media type if that is not JSON.
type result struct {
	status int
	words  string
	body   any
	media  string
}

// New makes the API. It refuses a configuration with a gap, and one whose metrics
// are registered already. The handler that it returns is a chi.Routes.
func New(cfg Config) (http.Handler, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	s := &service{
		cfg: cfg, vault: cfg.Vault, metrics: m, mux: chi.NewRouter(),
		principals: throttle.New(cfg.Rate, cfg.Burst, max(1, cfg.MaxInFlight/2)),
		failures:   throttle.New(cfg.Rate/10, max(1, cfg.Burst/10), 0),
		underWay:   semaphore.NewWeighted(int64(cfg.MaxInFlight)),
		bodies:     bodyReader{semaphore.NewWeighted(bodyBudget)},
		reports:    semaphore.NewWeighted(1),
	}
	routes := slices.Concat(recordRoutes(), batchRoutes(), portableRoutes(), pseudonymRoutes(), tokenRoutes(), peopleRoutes(), erasureRoutes(), requestRoutes(), keyRoutes(), logRoutes(), breachRoutes(), usageRoutes(), aggregateRoutes(), releaseRoutes(), consentRoutes(), noticeRoutes(), settingsRoutes(), serviceRoutes())
	for i := range routes {
		s.mux.Method(routes[i].method, routes[i].pattern(), s.handler(&routes[i]))
	}
	s.docs()
	s.mux.NotFound(s.handler(&route{path: "none", probe: true, public: true, serve: func(*exchange) (answer, error) {
		return answer{}, refuse(api.NotFound, "There is no such route.")
	}}))
	s.mux.MethodNotAllowed(s.handler(&route{path: "none", probe: true, public: true, serve: s.wrongMethod}))
	if s.document, err = documentOf(routes, cfg.Version); err != nil {
		return nil, err
	}
	return s.mux, nil
}

// pattern is the path as the router takes it.
func (rt *route) pattern() string {
	if !rt.rest {
		return rt.path
	}
	return rt.path[:strings.LastIndexByte(rt.path, '{')] + "*"
}

// wrongMethod answers 405 with the methods that the path has.
func (s *service) wrongMethod(x *exchange) (answer, error) {
	path := x.r.URL.RawPath
	if path == "" {
		path = x.r.URL.Path
	}
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete} {
		if s.mux.Match(chi.NewRouteContext(), m, path) {
			allow = append(allow, m)
		}
	}
	if len(allow) == 0 {
		return answer{}, refuse(api.NotFound, "There is no such route.")
	}
	return answer{}, &refusal{
		code: api.Unsupported, status: http.StatusMethodNotAllowed,
		detail: "The route does not have this method.", allow: strings.Join(allow, ", "),
	}
}

// bodyLimit is how many bytes the route's body may have.
func (rt *route) bodyLimit() int64 {
	switch {
	case rt.in == nil && len(rt.media) == 0:
		return 0
	case rt.limit == 0:
		return api.MaxBody
	}
	return rt.limit
}

func (rt *route) accepts() []string {
	if len(rt.media) > 0 {
		return rt.media
	}
	return []string{mediaJSON}
}
