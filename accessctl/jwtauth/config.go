package jwtauth

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Issuer is a party whose tokens are accepted.
type Issuer struct {
	// Name is the iss of its tokens, compared byte by byte. Required: at most 255
	// bytes of printable ASCII without blank, # and %; not beginning with "self:"
	// or "local:", which name actors of other kinds.
	Name string

	// Tenants are the tenants it may speak for. Required: at least one.
	Tenants []string

	// Exactly one of these says where its public keys are (RFC 7517): a URL, a file,
	// or the set itself. No two issuers may share one.
	JWKSURL  string
	JWKSFile string
	JWKS     []byte

	// AllowHTTP permits a JWKSURL of scheme http to another machine, where whoever
	// sits between can replace the keys. Default: https, or http to this machine.
	AllowHTTP bool

	// Algorithms it signs with, out of RS256, ES256 and EdDSA. Required: at least
	// one.
	Algorithms []string
}

// Config says which tokens a Verifier accepts.
type Config struct {
	Audience string   // required: the aud of our tokens; see the constant Audience
	Issuers  []Issuer // required: at least one

	MaxLifetime     time.Duration // of a token, exp - iat; default and most: 1 h
	Leeway          time.Duration // for clocks that differ, in exp, nbf and iat; default 0, at most 30 s
	RefreshInterval time.Duration // between reads of a key set; default 30 s, at most 50 s
	MaxStale        time.Duration // how long a key set is used that cannot be read again; default 1 h, at most 24 h
	MaxCached       int           // verified tokens kept; default 10,000; negative: none

	// HTTPClient fetches key sets. Default: one with the system's roots. A copy is
	// used, which follows no redirect and keeps no cookie.
	HTTPClient *http.Client

	Now    func() time.Time // required: the clock
	Logger *slog.Logger     // default: none
}

// withDefaults returns the configuration completed, or ErrConfig.
func (c Config) withDefaults() (Config, error) {
	fill(&c.MaxLifetime, longestLife)
	fill(&c.RefreshInterval, refreshEvery)
	fill(&c.MaxStale, longestStale)
	if c.MaxCached == 0 {
		c.MaxCached = defaultCached
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.HTTPClient = safeClient(c.HTTPClient)
	switch {
	case c.Audience == "":
		return c, fmt.Errorf("%w: set Audience", ErrConfig)
	case c.Now == nil:
		return c, fmt.Errorf("%w: set Now", ErrConfig)
	case c.MaxLifetime < 0 || c.MaxLifetime > longestLife:
		return c, fmt.Errorf("%w: MaxLifetime must be at most %v", ErrConfig, longestLife)
	case c.Leeway < 0 || c.Leeway > longestLeeway:
		return c, fmt.Errorf("%w: Leeway must be at most %v", ErrConfig, longestLeeway)
	case c.RefreshInterval < 0 || c.RefreshInterval > time.Minute-refreshSlack:
		return c, fmt.Errorf("%w: RefreshInterval must be at most %v", ErrConfig, time.Minute-refreshSlack)
	case c.MaxStale < 0 || c.MaxStale > 24*time.Hour:
		return c, fmt.Errorf("%w: MaxStale must be at most 24h", ErrConfig)
	case len(c.Issuers) == 0:
		return c, fmt.Errorf("%w: set at least one issuer", ErrConfig)
	}
	return c, checkIssuers(c.Issuers)
}

func fill(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// safeClient returns a copy of the client that follows no redirect: a 3xx answer is
// then not a 200, and refused.
func safeClient(client *http.Client) *http.Client {
	safe := http.Client{}
	if client != nil {
		safe = *client
	}
	safe.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	safe.Jar = nil
	if safe.Timeout == 0 || safe.Timeout > fetchTimeout {
		safe.Timeout = fetchTimeout
	}
	return &safe
}

func checkIssuers(list []Issuer) error {
	names, sources := map[string]bool{}, map[string]bool{}
	for i := range list {
		is := &list[i]
		if err := is.check(); err != nil {
			return fmt.Errorf("issuer %d: %w", i+1, err)
		}
		source := is.JWKSURL + "\n" + is.JWKSFile + "\n" + string(is.JWKS)
		if names[is.Name] || sources[source] {
			return fmt.Errorf("issuer %d: %w: two issuers share a name or a key set", i+1, ErrConfig)
		}
		names[is.Name], sources[source] = true, true
	}
	return nil
}

func (is *Issuer) check() error {
	sources := 0
	for _, given := range []bool{is.JWKSURL != "", is.JWKSFile != "", len(is.JWKS) > 0} {
		if given {
			sources++
		}
	}
	switch {
	case !issuerName(is.Name):
		return fmt.Errorf("%w: set Name to the iss of its tokens, printable and without # and %%", ErrConfig)
	case len(is.Tenants) == 0:
		return fmt.Errorf("%w: set the Tenants it may speak for", ErrConfig)
	case !all(is.Tenants, tenantName):
		return fmt.Errorf("%w: Tenants must match [a-z][a-z0-9-]{0,62}", ErrConfig)
	case len(is.Algorithms) == 0:
		return fmt.Errorf("%w: set its Algorithms", ErrConfig)
	case !all(is.Algorithms, algorithm):
		return fmt.Errorf("%w: Algorithms may be RS256, ES256 and EdDSA", ErrConfig)
	case sources != 1:
		return fmt.Errorf("%w: set exactly one of JWKSURL, JWKSFile and JWKS", ErrConfig)
	case is.JWKSURL != "":
		return is.checkURL()
	}
	return nil
}

func (is *Issuer) checkURL() error {
	u, err := url.Parse(is.JWKSURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: JWKSURL must be an https URL", ErrConfig)
	case u.User != nil:
		return fmt.Errorf("%w: JWKSURL must not hold credentials", ErrConfig)
	case u.Scheme == "http" && !is.AllowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("%w: JWKSURL must be https, or AllowHTTP set", ErrConfig)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func algorithm(s string) bool { return s == "RS256" || s == "ES256" || s == "EdDSA" }

func issuerName(s string) bool {
	return printable(s, maxName) && !strings.ContainsAny(s, " #%") &&
		!strings.HasPrefix(s, "self:") && !strings.HasPrefix(s, "local:")
}

func all(list []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}
