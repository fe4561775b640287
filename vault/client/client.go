package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Config says which service a client talks to, and how.
type Config struct {
	// URL of the service, such as https://vault.example.org. Required. Plain http
	// is refused for other machines, unless AllowHTTP is set.
	URL string
	// Token gives the bearer token for a request. It is called for every attempt,
	// so it may renew. Required, except for the public routes.
	Token func(context.Context) (string, error)
	// Purpose is why data is asked for, unless [Client.For] says otherwise.
	Purpose string
	// HTTPClient is used with its transport and time-out, but never follows
	// redirects. Default: a client with a time-out of 30 s an attempt.
	HTTPClient *http.Client
	// AllowHTTP allows plain HTTP to other machines: a proxy beside the program
	// must end TLS then.
	AllowHTTP bool
	// Attempts is how often a request is sent at most. Default 4; 1 is no retry.
	Attempts int
	// Wait is how long the first retry waits; it doubles each time, up to 5 s,
	// unless the service says how long. Default 100 ms.
	Wait time.Duration
	// MaxAnswer is the most bytes of an answer. Default 256 MiB: the service opens
	// at most 64 MiB of values at a time, which JSON may write longer.
	MaxAnswer int64
	// NewKey makes an Idempotency-Key. Default: 26 random characters.
	NewKey func() string
}

// A Client calls the API. It is safe for concurrent use. Make one with [New].
type Client struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

// New makes a client. It sends nothing yet. It refuses an address that would send
// the token in the clear.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("client: Config.URL must be like https://vault.example.org")
	}
	switch {
	case base.Scheme == "https":
	case base.Scheme == "http" && (cfg.AllowHTTP || local(base.Hostname())):
	default:
		return nil, errors.New("client: Config.URL must be https: the token would be sent in the clear")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	if cfg.Attempts <= 0 {
		cfg.Attempts = 4
	}
	if cfg.Wait <= 0 {
		cfg.Wait = 100 * time.Millisecond
	}
	if cfg.MaxAnswer <= 0 {
		cfg.MaxAnswer = 256 << 20
	}
	if cfg.NewKey == nil {
		cfg.NewKey = rand.Text
	}
	hc := http.Client{Timeout: 30 * time.Second}
	if cfg.HTTPClient != nil {
		hc = *cfg.HTTPClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	hc.Jar = nil
	return &Client{cfg: cfg, base: base, http: &hc}, nil
}

// local reports whether the host is this machine.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// StaticToken is a token that never changes.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// For is the same client with another purpose.
func (c *Client) For(purpose string) *Client {
	other := *c
	other.cfg.Purpose = purpose
	return &other
}

// An Option changes one call.
type Option func(*call)

// IfMatch makes a write conditional: unless this revision is current, the error
// has the code conflict and nothing was written.
func IfMatch(revision uint64) Option {
	return func(c *call) { c.header("If-Match", fmt.Sprintf("%q", fmt.Sprint(revision))) }
}

// IdempotencyKey names a write, so that sending it again from another process, or
// after a crash, has no second effect within 24 hours. Without it each call makes a
// key of its own, which covers its own retries.
func IdempotencyKey(key string) Option {
	return func(c *call) { c.key = key }
}

// RequestID names the request in the service's log and audit; a UUID.
func RequestID(id string) Option {
	return func(c *call) { c.header("Request-Id", id) }
}
