package main

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/vault"
)

// TestVerifyingWithoutKeys: while an issuer's keys cannot be read no token is called bad,
// and none is taken; where all can be read a bad one is bad.
func TestVerifyingWithoutKeys(t *testing.T) {
	const set = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","alg":"EdDSA","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for _, readable := range []bool{false, true} {
		var asked atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			if !readable {
				http.Error(w, "", http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte(set))
		}))
		defer s.Close()
		auth, err := jwtauth.New(t.Context(), jwtauth.Config{
			Audience: jwtauth.Audience, Now: now, Logger: slog.New(slog.DiscardHandler),
			Issuers: []jwtauth.Issuer{{Name: "https://issuer.example.org", Tenants: []string{"default"}, Algorithms: []string{"EdDSA"}, JWKSURL: s.URL, AllowHTTP: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer auth.Close() //nolint:errcheck // it returns nil
		p, err := verifying(auth)(t.Context(), "no.such.token")
		if errors.Is(err, vault.ErrUnavailable) == readable || err == nil || p.Tenant != "" || asked.Load() == 0 {
			t.Errorf("readable %v: %+v, %v", readable, p, err)
		}
	}
}
