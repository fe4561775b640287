package oidcauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
)

// A Provider signs in through one OpenID Connect provider. It is safe for concurrent
// use, and needs no end.
type Provider struct {
	cfg    Config
	flight singleflight.Group

	mu   sync.Mutex
	last reading
}

// A reading is what was last read of the provider, and when; zero: nothing.
type reading struct {
	at   time.Time
	does *published
	err  error
}

// published is what the provider says of itself, and its keys. It does not change.
type published struct {
	oauth    oauth2.Config
	keys     oidc.KeySet
	namesISS bool // it promises the parameter iss in its answers
}

// New makes a Provider. It asks the provider for nothing yet. The error is ErrConfig.
func New(cfg Config) (*Provider, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Provider{cfg: cfg}, nil
}

// published returns what the provider says of itself, read within the last minute. The
// error is ErrUnavailable, or that of the context.
func (p *Provider) published(ctx context.Context) (*published, error) {
	if r := p.known(); r.does != nil || r.err != nil {
		return r.does, r.err
	}
	select {
	case got := <-p.flight.DoChan("", func() (any, error) { return p.read(context.WithoutCancel(ctx)) }):
		does, _ := got.Val.(*published)
		return does, got.Err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the provider: %w", ctx.Err())
	}
}

// known is what was read of late: a failure counts for a moment, so that a crowd does
// not ask a provider that is down once each.
func (p *Provider) known() reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	age := p.cfg.Now().Sub(p.last.at)
	if age < 0 || p.last.err == nil && age >= readEvery || p.last.err != nil && age >= retryAfter {
		return reading{}
	}
	return p.last
}

// read asks the provider what it publishes, and remembers the answer. Who found nothing
// known just before another's request ended finds its answer here, and asks nothing.
func (p *Provider) read(ctx context.Context) (*published, error) {
	if r := p.known(); r.does != nil || r.err != nil {
		return r.does, r.err
	}
	does, err := p.discover(ctx)
	if err != nil {
		p.cfg.Logger.WarnContext(ctx, "the sign-in provider's configuration could not be read", "error", err)
		err = ErrUnavailable
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = reading{at: p.cfg.Now(), does: does, err: err}
	return does, err
}

// discover reads the discovery document. Its errors hold nothing that the provider sent.
func (p *Provider) discover(ctx context.Context) (*published, error) {
	ctx = oidc.ClientContext(ctx, p.cfg.HTTPClient)
	found, err := oidc.NewProvider(ctx, p.cfg.Issuer)
	if err != nil {
		return nil, discoveryError(err)
	}
	var doc struct {
		KeysURL  string   `json:"jwks_uri"`
		NamesISS bool     `json:"authorization_response_iss_parameter_supported"`
		Methods  []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&doc); err != nil {
		return nil, errors.New("the discovery document is not in order")
	}
	at := found.Endpoint()
	if !address(at.AuthURL) || !address(at.TokenURL) || !address(doc.KeysURL) {
		return nil, errors.New("an endpoint of the discovery document is neither https nor on this machine")
	}
	at.AuthStyle = p.style(doc.Methods)
	return &published{
		oauth: oauth2.Config{
			ClientID: p.cfg.ClientID, ClientSecret: string(p.cfg.ClientSecret), Endpoint: at, RedirectURL: p.cfg.RedirectURL,
			Scopes: append([]string{oidc.ScopeOpenID}, p.cfg.Scopes...),
		},
		keys: oidc.NewRemoteKeySet(ctx, doc.KeysURL), namesISS: doc.NamesISS,
	}, nil
}

// discoveryError says why, without what the provider sent.
func discoveryError(err error) error {
	var other *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return errors.New("the discovery document is of another issuer")
	case errors.Unwrap(err) != nil: // of the request: it names the address, and what the network said
		return err
	}
	return errors.New("the discovery document could not be had, or is not in order")
}

// style is how the client says who it is: by the header, which every provider must take
// (RFC 6749, 2.3.1), unless this one lists its ways and only the form is one of them. It is
// not found out by trying, which would spend the code.
func (p *Provider) style(methods []string) oauth2.AuthStyle {
	inForm := slices.Contains(methods, "client_secret_post") && !slices.Contains(methods, "client_secret_basic")
	if p.cfg.ClientSecret == "" || inForm {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}
