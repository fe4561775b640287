package transit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	type config = transit.Config
	good := config{Address: "https://vault.example.org:8200", Auth: transit.Auth{Token: "t"}, Now: time.Now}
	transittest.New(t, good)
	for _, tt := range []struct {
		name string
		edit func(*config)
		want string // in the error; "": it is good
	}{
		{"http here", func(c *config) { c.Address = "http://127.0.0.1:8200" }, ""},
		{"http here, IPv6", func(c *config) { c.Address = "http://[::1]:8200" }, ""},
		{"http here, by name", func(c *config) { c.Address = "http://localhost:8200/" }, ""},
		{"a mount of two segments", func(c *config) { c.Mount = "apps/fieldvault-transit" }, ""},
		{"a namespace", func(c *config) { c.Namespace = "team/a/" }, ""},
		{"no address", func(c *config) { c.Address = "" }, "address"},
		{"no scheme", func(c *config) { c.Address = "vault.example.org:8200" }, "address"},
		{"http elsewhere", func(c *config) { c.Address = "http://vault.example.org:8200" }, "clear"},
		{"http to what looks local", func(c *config) { c.Address = "http://localhost.example.org" }, "clear"},
		{"http to an address that looks local", func(c *config) { c.Address = "http://127.0.0.1.example.org" }, "clear"},
		{"a socket", func(c *config) { c.Address = "unix:///run/vault.sock" }, "address"},
		{"another scheme", func(c *config) { c.Address = "ftp://vault.example.org" }, "address"},
		{"a password", func(c *config) { c.Address = "https://u:canary@vault.example.org" }, "address"},
		{"a path", func(c *config) { c.Address = "https://vault.example.org/v1" }, "address"},
		{"a query", func(c *config) { c.Address = "https://vault.example.org?x=canary" }, "address"},
		{"a mount that climbs", func(c *config) { c.Mount = "transit/../sys" }, "mount"},
		{"a mount with a slash", func(c *config) { c.Mount = "transit/" }, "mount"},
		{"a mount with a query", func(c *config) { c.Mount = "transit?x" }, "mount"},
		{"a prefix with a slash", func(c *config) { c.KeyPrefix = "a/b" }, "prefix"},
		{"a prefix with a dot", func(c *config) { c.KeyPrefix = "a." }, "prefix"},
		{"a namespace with a line break", func(c *config) { c.Namespace = "a\r\nX-Vault-Token: b" }, "namespace"},
		{"no login", func(c *config) { c.Auth = transit.Auth{} }, "exactly one"},
		{"two logins", func(c *config) { c.Auth.TokenFile = "x" }, "exactly one"},
		{"no role id", func(c *config) { c.Auth = transit.Auth{AppRole: &transit.AppRole{SecretID: "s"}} }, "RoleID"},
		{"no secret id", func(c *config) { c.Auth = transit.Auth{AppRole: &transit.AppRole{RoleID: "r"}} }, "SecretID"},
		{"two secret ids", func(c *config) {
			c.Auth = transit.Auth{AppRole: &transit.AppRole{RoleID: "r", SecretID: "s", SecretIDFile: "f"}}
		}, "SecretID"},
		{"a login's mount that climbs", func(c *config) {
			c.Auth = transit.Auth{AppRole: &transit.AppRole{RoleID: "r", SecretID: "s", Mount: ".."}}
		}, "Mount"},
		{"no role", func(c *config) { c.Auth = transit.Auth{Kubernetes: &transit.Kubernetes{}} }, "Role"},
		{"a cluster's mount that climbs", func(c *config) {
			c.Auth = transit.Auth{Kubernetes: &transit.Kubernetes{Role: "r", Mount: "a//b"}}
		}, "Mount"},
		{"a CA file that is not there", func(c *config) { c.CACertFile = empty + "-none" }, "CACertFile"},
		{"a CA file without a certificate", func(c *config) { c.CACertFile = empty }, "CACertFile"},
		{"a CA without a certificate", func(c *config) { c.CACertPEM = "x" }, "CACertPEM"},
		{"two CAs", func(c *config) { c.CACertPEM, c.CACertFile = "x", "y" }, "both"},
		{"a certificate without key", func(c *config) { c.ClientCertFile = empty }, "ClientKeyFile"},
		{"a key without certificate", func(c *config) { c.ClientKeyFile = empty }, "ClientCertFile"},
		{"a certificate that is none", func(c *config) { c.ClientCertFile, c.ClientKeyFile = empty, empty }, "ClientCertFile"},
		{"a negative time-out", func(c *config) { c.Timeout = -1 }, "time-out"},
		{"a wait below the time-out", func(c *config) { c.MaxWait = time.Second }, "wait"},
		{"a negative batch", func(c *config) { c.MaxBatch = -1 }, "batch"},
		{"a huge batch", func(c *config) { c.MaxBatch = 10_001 }, "batch"},
		{"a negative number of requests", func(c *config) { c.Unwraps = -1 }, "at once"},
		{"too many requests", func(c *config) { c.Unwraps = 65 }, "at once"},
		{"no clock", func(c *config) { c.Now = nil }, "clock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good
			tt.edit(&cfg)
			k, err := transit.New(t.Context(), cfg)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := k.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, transit.ErrInput) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v", err)
			}
		})
	}
	// All gaps at once.
	_, err := transit.New(t.Context(), config{})
	for _, want := range []string{"address", "exactly one", "clock"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
