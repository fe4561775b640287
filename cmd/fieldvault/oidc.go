package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
)

// OIDCConfig is an OpenID Connect provider with which people, or operators, sign in.
type OIDCConfig struct {
	Issuer           string `koanf:"issuer" help:"sign in with this OpenID Connect provider: its issuer, as https://login.example.org/realms/shop; empty: none"`
	ClientID         string `koanf:"client_id" help:"name of this service at the provider"`
	ClientSecret     string `koanf:"client_secret" secret:"a credential" help:"its password there; none for a public client"`
	ClientSecretFile string `koanf:"client_secret_file" help:"file that holds it"`
	CAFile           string `koanf:"ca_file" help:"authorities that may vouch for the provider"`
	Scopes           string `koanf:"scopes" help:"what to ask for beside openid, separated by commas"`
	Tenants          string `koanf:"tenants" help:"tenants that the provider may speak for, separated by commas; empty: the setting tenant"`
	TenantClaim      string `koanf:"tenant_claim" help:"claim of the ID token that holds the tenant; empty: tenant, which may be missing where there is one tenant"`
	RolesClaim       string `koanf:"roles_claim" help:"claim that holds the roles, with dots into objects, as realm_access.roles; empty: roles"`
	SubjectClaim     string `koanf:"subject_claim" help:"claim that holds a person's id in the vault, as sub or customer_id; empty: subject"`
}

// provider makes what signs in as the settings below key say, or none without an issuer.
// The provider sends browsers back to path, below portal.url.
func (p *parts) provider(key string, o OIDCConfig, path string) (*oidcauth.Provider, error) {
	switch {
	case o == OIDCConfig{}:
		return nil, nil
	case o.Issuer == "":
		return nil, withHint(fmt.Errorf("%s.issuer is not set, and others of %[1]s are", key), "set the provider's issuer, or none of them")
	case o.ClientID == "":
		return nil, withHint(fmt.Errorf("%s.issuer is set without %[1]s.client_id", key), "register this service at the provider, and give the id that it has there")
	case p.cfg.Portal.URL == "":
		return nil, withHint(fmt.Errorf("%s.issuer is set without portal.url", key), "the provider sends browsers back to "+path+" below it: https, or http on this machine")
	}
	roots, err := rootsOf(key+".ca_file", o.CAFile)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConns: 4,
	}}
	tenants := listed(o.Tenants)
	if len(tenants) == 0 {
		tenants = []string{p.cfg.Tenant}
	}
	made, err := oidcauth.New(oidcauth.Config{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: oidcauth.Secret(o.ClientSecret),
		RedirectURL: strings.TrimSuffix(p.cfg.Portal.URL, "/") + path, Scopes: listed(o.Scopes), Tenants: tenants,
		TenantClaim: o.TenantClaim, RolesClaim: o.RolesClaim, SubjectClaim: o.SubjectClaim,
		HTTPClient: client, Now: now, Logger: p.log,
	})
	if errors.Is(err, oidcauth.ErrConfig) {
		return nil, withHint(fmt.Errorf("reading %s: %w", key, err), "issuer and portal.url must be https, or http on this machine; scopes are words, separated by commas")
	}
	return made, err
}
