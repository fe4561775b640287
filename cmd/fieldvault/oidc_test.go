package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each fault of a provider's settings names the setting, says what to do, and shows no
// secret; nothing is asked of the provider for it.
func TestAProviderIsWholeOrRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(path, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	const issuer, at = "https://login.example.org/realms/shop", "https://privacy.example.org"
	whole := OIDCConfig{Issuer: issuer, ClientID: "fieldvault", ClientSecret: "canary", SubjectClaim: "sub"}
	with := func(change func(*OIDCConfig)) OIDCConfig {
		o := whole
		change(&o)
		return o
	}
	for want, c := range map[string]struct {
		o   OIDCConfig
		url string
	}{
		"console.oidc.issuer is not set":            {with(func(o *OIDCConfig) { o.Issuer = "" }), at},
		"without console.oidc.client_id":            {with(func(o *OIDCConfig) { o.ClientID = "" }), at},
		"without portal.url":                        {whole, ""},
		"reading console.oidc: oidcauth: unsafe":    {whole, "http://privacy.example.org"},
		"set Issuer":                                {with(func(o *OIDCConfig) { o.Issuer = "http://login.example.org" }), at},
		"Scopes":                                    {with(func(o *OIDCConfig) { o.Scopes = "email profile" }), at},
		"console.oidc.ca_file holds no certificate": {with(func(o *OIDCConfig) { o.CAFile = path }), at},
		"reading console.oidc.ca_file":              {with(func(o *OIDCConfig) { o.CAFile = path + "x" }), at},
	} {
		p := &parts{cfg: Config{Tenant: "default", Portal: PortalConfig{URL: c.url}}, log: slog.New(slog.DiscardHandler)}
		_, err := p.provider("console.oidc", c.o, "/console/sign-in/done")
		var h *hint
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &h) {
			t.Errorf("%s: %v", want, err)
		} else if strings.Contains(err.Error()+h.next, "canary") {
			t.Errorf("%s: %s %s", want, err, h.next)
		}
	}
	p := &parts{cfg: Config{Tenant: "default"}, log: slog.New(slog.DiscardHandler)}
	if made, err := p.provider("portal.oidc", OIDCConfig{}, "/me/sign-in/done"); made != nil || err != nil {
		t.Errorf("without settings: %v, %v", made, err)
	}
	for _, url := range []string{at, at + "/", "http://127.0.0.1:8420"} {
		p.cfg.Portal.URL = url
		made, err := p.provider("portal.oidc", whole, "/me/sign-in/done")
		if made == nil || err != nil {
			t.Errorf("a whole one at %s: %v", url, err)
		}
	}
}
