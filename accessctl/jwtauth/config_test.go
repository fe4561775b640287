package jwtauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// TestNewRefusesAGap: a setting whose absence would skip a check is refused.
func TestNewRefusesAGap(t *testing.T) {
	a := func(f func(*jwtauth.Issuer)) func(*jwtauth.Config) {
		return func(c *jwtauth.Config) { f(&c.Issuers[0]) }
	}
	url := func(s string) func(*jwtauth.Config) {
		return a(func(is *jwtauth.Issuer) { is.JWKS, is.JWKSURL = nil, s })
	}
	for name, change := range map[string]func(*jwtauth.Config){
		"no audience":           func(c *jwtauth.Config) { c.Audience = "" },
		"no clock":              func(c *jwtauth.Config) { c.Now = nil },
		"no issuer":             func(c *jwtauth.Config) { c.Issuers = nil },
		"lifetime over an hour": func(c *jwtauth.Config) { c.MaxLifetime = time.Hour + 1 },
		"lifetime below 0":      func(c *jwtauth.Config) { c.MaxLifetime = -1 },
		"leeway over 30 s":      func(c *jwtauth.Config) { c.Leeway = 30*time.Second + 1 },
		"leeway below 0":        func(c *jwtauth.Config) { c.Leeway = -1 },
		"refreshed too seldom":  func(c *jwtauth.Config) { c.RefreshInterval = 51 * time.Second },
		"refreshed below 0":     func(c *jwtauth.Config) { c.RefreshInterval = -1 },
		"stale over a day":      func(c *jwtauth.Config) { c.MaxStale = 25 * time.Hour },
		"stale below 0":         func(c *jwtauth.Config) { c.MaxStale = -1 },
		"no name":               a(func(is *jwtauth.Issuer) { is.Name = "" }),
		"name with blank":       a(func(is *jwtauth.Issuer) { is.Name = "a b" }),
		"name with line break":  a(func(is *jwtauth.Issuer) { is.Name = "a\nb" }),
		"name with #":           a(func(is *jwtauth.Issuer) { is.Name = "a#b" }),
		"name with %":           a(func(is *jwtauth.Issuer) { is.Name = "a%23b" }),
		"name like a person's":  a(func(is *jwtauth.Issuer) { is.Name = "self:x" }),
		"name like a user's":    a(func(is *jwtauth.Issuer) { is.Name = "local:x" }),
		"name too long":         a(func(is *jwtauth.Issuer) { is.Name = strings.Repeat("a", 256) }),
		"name twice":            a(func(is *jwtauth.Issuer) { is.Name = issuerB }),
		"no tenants":            a(func(is *jwtauth.Issuer) { is.Tenants = nil }),
		"empty tenant":          a(func(is *jwtauth.Issuer) { is.Tenants = []string{""} }),
		"any tenant":            a(func(is *jwtauth.Issuer) { is.Tenants = []string{"*"} }),
		"no algorithms":         a(func(is *jwtauth.Issuer) { is.Algorithms = nil }),
		"algorithm none":        a(func(is *jwtauth.Issuer) { is.Algorithms = []string{"none"} }),
		"algorithm HS256":       a(func(is *jwtauth.Issuer) { is.Algorithms = []string{"EdDSA", "HS256"} }),
		"algorithm PS256":       a(func(is *jwtauth.Issuer) { is.Algorithms = []string{"PS256"} }),
		"empty algorithm":       a(func(is *jwtauth.Issuer) { is.Algorithms = []string{""} }),
		"no keys":               a(func(is *jwtauth.Issuer) { is.JWKS = nil }),
		"keys in two places":    a(func(is *jwtauth.Issuer) { is.JWKSFile = "x" }),
		"keys of another":       func(c *jwtauth.Config) { c.Issuers[1].JWKS = c.Issuers[0].JWKS },
		"http to elsewhere":     url("http://id.example.org/jwks"),
		"http to 10.0.0.1":      url("http://10.0.0.1/jwks"),
		"http to 127.0.0.1.x":   url("http://127.0.0.1.example.org/jwks"),
		"http to localhost.x":   url("http://localhost.example.org/jwks"),
		"a file URL":            url("file:///etc/passwd"),
		"no scheme":             url("id.example.org/jwks"),
		"no host":               url("https:///jwks"),
		"not a URL":             url("https://[::1"),
		"credentials":           url("https://user:secret@id.example.org/jwks"),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(newClock())
			change(&cfg)
			v, err := jwtauth.New(t.Context(), cfg)
			if !errors.Is(err, jwtauth.ErrConfig) || v != nil {
				t.Errorf("error %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// TestPlainHTTP is for this machine, or on request.
func TestPlainHTTP(t *testing.T) {
	for _, c := range []struct {
		url   string
		allow bool
	}{
		{"http://127.0.0.1:1/jwks", false},
		{"http://[::1]:1/jwks", false},
		{"http://localhost:1/jwks", false},
		{"http://127.0.0.1:1/jwks", true},
		{"http://id.example.org/jwks", true},
	} {
		cfg := config(newClock())
		cfg.Issuers[0].JWKS, cfg.Issuers[0].JWKSURL, cfg.Issuers[0].AllowHTTP = nil, c.url, c.allow
		asked := ""
		cfg.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.String()
			return answer(keySet(keys()["a-ed"])), nil
		})}
		v := verifier(t, cfg)
		if _, err := v.Verify(t.Context(), good()); err != nil || asked != c.url {
			t.Errorf("%s: %v, asked %s", c.url, err, asked)
		}
	}
}
