package oidcauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
)

// faults are ways in which a provider does not answer in order.
func faults() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", http.StatusInternalServerError) },
		"429":     func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "canary", http.StatusTooManyRequests) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>canary")) },
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"10 MB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"canary":"` + strings.Repeat("x", 10<<20) + `"}`))
		},
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // the server sees the client go only then
			<-r.Context().Done()
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/elsewhere", http.StatusTemporaryRedirect)
		},
	}
}

// TestProviderDown: whatever does not answer, sign-in says that it is unavailable, and
// works once the provider does.
func TestProviderDown(t *testing.T) {
	for _, path := range []string{oidctest.PathDiscovery, oidctest.PathToken, oidctest.PathKeys} {
		for name, fault := range faults() {
			r := newRig(t)
			address, flow := r.begin(t, oidcauth.Asking{})
			query := r.issuer.SignIn(t, address, person("c-1"))
			r.advance(2 * time.Minute) // nothing is remembered
			p := r.Provider
			if name == "slow" {
				p = r.impatient(t)
			}
			r.issuer.Instead(path, fault)
			want := oidcauth.ErrUnavailable
			if name == "elsewhere" && path == oidctest.PathToken {
				want = oidcauth.ErrRefused
			}
			if who, err := p.Finish(t.Context(), flow, query); !errors.Is(err, want) || who.Tenant != "" {
				t.Errorf("%s of %s: %v, %v", name, path, who, err)
			}
			if _, _, err := p.Begin(t.Context(), oidcauth.Asking{}); path == oidctest.PathDiscovery && !errors.Is(err, oidcauth.ErrUnavailable) {
				t.Errorf("%s of %s: %v", name, path, err)
			}
			r.issuer.Instead(path, nil)
			r.advance(2 * time.Second)
			if err := r.signInSoon(t); err != nil {
				t.Errorf("after %s of %s: %v", name, path, err)
			}
		}
	}
}

// signInSoon signs in, in several attempts: a failed reading of the keys may be told to
// whoever asks in the instant in which it ends.
func (r *rig) signInSoon(t *testing.T) (err error) {
	t.Helper()
	for range 20 {
		if _, err = r.signIn(t, person("c-1")); !errors.Is(err, oidcauth.ErrUnavailable) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// impatient is the same provider with a client that waits for a moment only: flows of one
// count at the other.
func (r *rig) impatient(t *testing.T) *oidcauth.Provider {
	t.Helper()
	cfg := r.cfg
	cfg.HTTPClient = &http.Client{Timeout: 50 * time.Millisecond}
	p, err := oidcauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStartsWithoutProvider: nothing is asked of the provider before somebody signs in,
// and of one that is down a crowd asks once.
func TestStartsWithoutProvider(t *testing.T) {
	r := newRig(t)
	if n := r.issuer.Asked(oidctest.PathDiscovery); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	r.issuer.Instead(oidctest.PathDiscovery, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	crowd := func() {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, _, err := r.Begin(context.Background(), oidcauth.Asking{}); !errors.Is(err, oidcauth.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for want := range 200 { // who comes as the answer does is seldom
		crowd()
		_, _, _ = r.Begin(t.Context(), oidcauth.Asking{})
		if n := r.issuer.Asked(oidctest.PathDiscovery); n != want+1 {
			t.Fatalf("it was asked %d times, want %d", n, want+1)
		}
		r.advance(time.Second)
	}
}

// hangs is a provider that takes requests and never answers.
type hangs struct{}

func (hangs) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestProviderHangs: nobody waits for ever, whoever made the client.
func TestProviderHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := oidcauth.New(oidcauth.Config{
			Issuer: "https://login.example.org", ClientID: "fieldvault", RedirectURL: back, Tenants: []string{"default"},
			HTTPClient: &http.Client{Transport: hangs{}}, Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Begin(t.Context(), oidcauth.Asking{}); !errors.Is(err, oidcauth.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		// Nor does somebody who leaves: the request goes on without them, and ends.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(2 * time.Second)
		if _, _, err := p.Begin(ctx, oidcauth.Asking{}); !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		time.Sleep(10 * time.Second)
	})
}

// TestKeysChange: new keys of the provider count at once, and old ones for a minute at
// most.
func TestKeysChange(t *testing.T) {
	r := newRig(t)
	old, next := oidctest.NewKey(t, "EdDSA"), oidctest.NewKey(t, "ES256")
	r.issuer.Use(old)
	if _, err := r.signIn(t, person("c-1")); err != nil {
		t.Fatal(err)
	}
	r.issuer.Use(next)
	if _, err := r.signIn(t, person("c-1")); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	r.issuer.Use(old)
	if _, err := r.signIn(t, person("c-1")); err != nil {
		t.Errorf("with the old key back: %v", err)
	}
	r.issuer.Use(next)
	r.advance(time.Minute)
	r.issuer.Alter = func(t *oidctest.Token) { t.Header["kid"], t.Header["alg"], t.Sign = old.ID, old.Alg, old.Sign }
	p, err := r.signIn(t, person("c-1"))
	r.refused(t, "a key that is gone", p, err, "signature, issuer, audience or time")
}

// TestProviderMoves: what a provider publishes is read again after a minute.
func TestProviderMoves(t *testing.T) {
	r := newRig(t)
	for range 3 {
		if _, err := r.signIn(t, person("c-1")); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.issuer.Asked(oidctest.PathDiscovery); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	r.advance(time.Minute)
	r.issuer.Discovery["token_endpoint"] = r.issuer.URL + "/elsewhere"
	if _, err := r.signIn(t, person("c-1")); err == nil || r.issuer.Asked("/elsewhere") != 1 {
		t.Errorf("the new endpoint was not asked: %v", err)
	}
}

// TestDiscoveryIsChecked: a document of another issuer, or one that leads where others
// can listen, is none.
func TestDiscoveryIsChecked(t *testing.T) {
	for name, value := range map[string]string{
		"issuer": "https://evil.example.org", "token_endpoint": "http://login.example.org/token",
		"authorization_endpoint": "http://login.example.org/authorize", "jwks_uri": "ftp://login.example.org/keys",
	} {
		r := newRig(t)
		r.issuer.Discovery[name] = value
		if _, _, err := r.Begin(t.Context(), oidcauth.Asking{}); !errors.Is(err, oidcauth.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "issuer" && !contains(r.log.last(), "of another issuer") {
			t.Errorf("the log says %s", r.log.last())
		}
	}
}

// TestClientsPassword goes by the header, or by the form where the provider takes only
// that; a wrong one is a fault of the configuration, and nobody's refusal.
func TestClientsPassword(t *testing.T) {
	form := newRig(t)
	form.issuer.Discovery["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
	if _, err := form.signIn(t, person("c-1")); err != nil {
		t.Errorf("by the form: %v", err)
	}
	wrong := newRig(t, func(c *oidcauth.Config) { c.ClientSecret = "canary-wrong" })
	if _, err := wrong.signIn(t, person("c-1")); !errors.Is(err, oidcauth.ErrUnavailable) || !contains(wrong.log.last(), "secret") {
		t.Errorf("a wrong secret: %v: %s", err, wrong.log.last())
	}
	public := newRig(t, func(c *oidcauth.Config) { c.ClientSecret = "" })
	public.issuer.Instead(oidctest.PathToken, func(w http.ResponseWriter, r *http.Request) {
		if _, _, basic := r.BasicAuth(); basic || r.PostFormValue("client_id") != oidctest.ClientID || r.PostFormValue("client_secret") != "" {
			t.Errorf("a public client sends %v", r.PostForm)
		}
		http.Error(w, "", http.StatusInternalServerError)
	})
	_, _ = public.signIn(t, person("c-1"))
}

// TestRedirectsAreNotFollowed: the code and the secret go nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	t.Cleanup(elsewhere.Close)
	r := newRig(t)
	for _, path := range []string{oidctest.PathToken, oidctest.PathKeys, oidctest.PathDiscovery} {
		r.advance(2 * time.Minute)
		r.issuer.Instead(path, func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, elsewhere.URL, http.StatusTemporaryRedirect)
		})
		if address, flow, err := r.Begin(t.Context(), oidcauth.Asking{}); err == nil {
			_, err = r.Finish(t.Context(), flow, r.issuer.SignIn(t, address, person("c-1")))
			if err == nil {
				t.Errorf("%s was answered from elsewhere", path)
			}
		}
		r.issuer.Instead(path, nil)
	}
}
