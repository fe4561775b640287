package oidcauth_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
)

func TestSignIn(t *testing.T) {
	r := newRig(t)
	p, err := r.signIn(t, person("c-1"))
	want := accessctl.Principal{
		Tenant: "default", Issuer: r.issuer.URL, Subject: "c-1", Roles: []accessctl.Role{"subject"},
		Purposes: []accessctl.Purpose{}, Person: "c-1", Expires: r.now().Add(5 * time.Minute),
	}
	if diff := cmp.Diff(want, p); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestSignInByEveryAlgorithm that is allowed if nothing else is said.
func TestSignInByEveryAlgorithm(t *testing.T) {
	for _, alg := range []string{"EdDSA", "RS256", "ES256"} {
		r := newRig(t)
		r.issuer.Use(oidctest.NewKey(t, alg))
		if _, err := r.signIn(t, person("c-1")); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
	r := newRig(t, func(c *oidcauth.Config) { c.Algorithms = []string{"ES256"} })
	p, err := r.signIn(t, person("c-1"))
	r.refused(t, "an algorithm that is not configured", p, err, "signature, issuer, audience or time")
}

// TestOperator: roles by the claim that the provider has for them.
func TestOperator(t *testing.T) {
	r := newRig(t, func(c *oidcauth.Config) { c.SubjectClaim, c.RolesClaim = "", "realm_access.roles" })
	p, err := r.signIn(t, map[string]any{"sub": "u-7", "realm_access": map[string]any{"roles": []string{"dpo", "offline_access"}}})
	if err != nil || p.Subject != "u-7" || len(p.Roles) != 2 || p.Roles[0] != "dpo" || p.Person != "" {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = r.signIn(t, map[string]any{"sub": "u-7"})
	r.refused(t, "no roles", p, err, "roles")
	p, err = r.signIn(t, map[string]any{"sub": "u-7", "realm_access": map[string]any{"roles": []string{"subject"}}})
	r.refused(t, "a person without an id", p, err, "subject")
}

func TestAsking(t *testing.T) {
	r := newRig(t, func(c *oidcauth.Config) { c.Scopes = []string{"profile", "groups"} })
	address, flow := r.begin(t, oidcauth.Asking{Prompt: "login", MaxAge: 90 * time.Second})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if q := u.Query(); q.Get("prompt") != "login" || q.Get("max_age") != "90" || q.Get("scope") != "openid profile groups" || q.Get("redirect_uri") != back {
		t.Errorf("the browser is sent to %s", address)
	}
	at := r.now().Unix()
	if _, err := r.Finish(t.Context(), flow, r.issuer.SignIn(t, address, map[string]any{"sub": "c-1", "auth_time": at - 60})); err != nil {
		t.Error(err)
	}
	for what, claims := range map[string]map[string]any{
		"long ago": {"sub": "c-1", "auth_time": at - 600}, "not said": {"sub": "c-1"},
	} {
		p, err := r.Finish(t.Context(), flow, r.issuer.SignIn(t, address, claims))
		r.refused(t, what, p, err, "auth_time")
	}
	// The age that was asked for is the flow's, which its holder cannot lower unseen.
	_, free := r.begin(t, oidcauth.Asking{})
	p, err := r.Finish(t.Context(), flow[:43]+free[43:], r.issuer.SignIn(t, address, person("c-1")))
	r.refused(t, "another age", p, err, "state")
}

// TestSecretsArePrivate: neither a configuration nor an address tells a secret, and each
// flow has its own.
func TestSecretsArePrivate(t *testing.T) {
	r := newRig(t)
	for _, text := range []string{fmt.Sprint(r.cfg), fmt.Sprintf("%+v %#v", r.cfg, r.cfg), fmt.Sprintf("%q %s %x", r.cfg.ClientSecret, r.cfg.ClientSecret, r.cfg.ClientSecret)} {
		if len(text) == 0 || contains(text, oidctest.ClientSecret) {
			t.Errorf("it prints %s", text)
		}
	}
	address, flow := r.begin(t, oidcauth.Asking{})
	other, second := r.begin(t, oidcauth.Asking{})
	if contains(address, flow) || contains(address, oidctest.ClientSecret) || flow == second || address == other {
		t.Error("an address tells of its flow, or is that of another")
	}
}

func TestConfigLeavesNoCheckOut(t *testing.T) {
	r := newRig(t)
	for name, change := range map[string]func(*oidcauth.Config){
		"no issuer":          func(c *oidcauth.Config) { c.Issuer = "" },
		"plain http":         func(c *oidcauth.Config) { c.Issuer = "http://login.example.org" },
		"a query":            func(c *oidcauth.Config) { c.Issuer = "https://login.example.org/?x=1" },
		"credentials":        func(c *oidcauth.Config) { c.Issuer = "https://a:b@login.example.org" },
		"no client":          func(c *oidcauth.Config) { c.ClientID = "" },
		"no redirect":        func(c *oidcauth.Config) { c.RedirectURL = "" },
		"a redirect by http": func(c *oidcauth.Config) { c.RedirectURL = "http://privacy.example.org/me" },
		"no tenant":          func(c *oidcauth.Config) { c.Tenants = nil },
		"none":               func(c *oidcauth.Config) { c.Algorithms = []string{"RS256", "none"} },
		"HS256":              func(c *oidcauth.Config) { c.Algorithms = []string{"HS256"} },
		"two scopes in one":  func(c *oidcauth.Config) { c.Scopes = []string{"a b"} },
		"no clock":           func(c *oidcauth.Config) { c.Now = nil },
	} {
		cfg := r.cfg
		change(&cfg)
		if _, err := oidcauth.New(cfg); !errors.Is(err, oidcauth.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
