package oidcauth

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Secret is a client's password at the provider. It does not print.
type Secret string

const redacted = "[redacted]"

// Format writes that there is a secret, whatever is asked for.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue says that there is a secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText says that there is a secret.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Config says which provider signs people in, and what its word is worth.
type Config struct {
	// Issuer is the provider: the address below which its discovery document stands, and
	// the iss of its tokens, byte by byte. Required: https, or http on this machine.
	Issuer string
	// ClientID names this service at the provider. Required.
	ClientID string
	// ClientSecret is its password there. Optional: a public client has none.
	ClientSecret Secret
	// RedirectURL is where the browser comes back to. Required: https, or http on this
	// machine.
	RedirectURL string
	// Scopes are asked for beside openid. Optional.
	Scopes []string
	// Tenants are those that the provider may speak for. Required: at least one.
	Tenants []string
	// TenantClaim, RolesClaim and SubjectClaim name the claims that stand for ours; see
	// jwtauth.Reading. Optional.
	TenantClaim, RolesClaim, SubjectClaim string
	// Algorithms may sign ID tokens. Default: RS256, ES256 and EdDSA.
	Algorithms []string
	// HTTPClient asks the provider. A copy is used, which follows no redirect, keeps no
	// cookie and waits 5 s at most. Default: one with the system's roots.
	HTTPClient *http.Client
	// Now is the clock. Required.
	Now func() time.Time
	// Logger gets the reasons of what is refused. Default: none.
	Logger *slog.Logger
}

// withDefaults returns the configuration completed, or ErrConfig.
func (c Config) withDefaults() (Config, error) {
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("issuer", c.Issuer)
	c.HTTPClient = safeClient(c.HTTPClient)
	for _, rule := range []struct {
		broken bool
		next   string
	}{
		{!address(c.Issuer) || len(c.Issuer) > 255 || strings.ContainsAny(c.Issuer, "?#% "), "set Issuer to the provider's address, of at most 255 bytes: https, or http on this machine"},
		{c.ClientID == "", "set ClientID"},
		{!address(c.RedirectURL), "set RedirectURL: https, or http on this machine"},
		{len(c.Tenants) == 0, "set the Tenants that the provider may speak for"},
		{slices.ContainsFunc(c.Algorithms, func(a string) bool { return !asymmetric(a) }), "Algorithms may be RS, PS and ES of 256, 384 or 512 bits, and EdDSA"},
		{slices.ContainsFunc(c.Scopes, func(s string) bool { return s == "" || strings.ContainsAny(s, " \t\"\\") }), "Scopes are words"},
		{c.Now == nil, "set Now"},
	} {
		if rule.broken {
			return c, fmt.Errorf("%w: %s", ErrConfig, rule.next)
		}
	}
	return c, nil
}

// asymmetric says whether an algorithm leaves who verifies unable to sign.
func asymmetric(alg string) bool {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA":
		return true
	}
	return false
}

// address says whether nobody between can read or change what is sent to a URL.
func address(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
