package oidcauth_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const back = "https://privacy.example.org/me/sign-in/done"

// A rig is a provider of ours at an issuer for tests, with a clock and a log.
type rig struct {
	*oidcauth.Provider
	issuer *oidctest.Issuer
	at     atomic.Int64
	log    lockedBuffer
	cfg    oidcauth.Config
}

func newRig(t *testing.T, change ...func(*oidcauth.Config)) *rig {
	t.Helper()
	r := &rig{}
	r.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Unix())
	r.issuer = oidctest.New(t, r.now)
	r.cfg = oidcauth.Config{
		Issuer: r.issuer.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: back,
		Tenants: []string{"default"}, SubjectClaim: "sub", Now: r.now, Logger: slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&r.cfg)
	}
	p, err := oidcauth.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Provider = p
	t.Cleanup(func() {
		if text := r.log.String(); strings.Contains(text, "canary") || strings.Contains(text, "eyJ") {
			t.Errorf("the log holds a secret:\n%s", text)
		}
	})
	return r
}

func (r *rig) now() time.Time          { return time.Unix(r.at.Load(), 0).UTC() }
func (r *rig) advance(d time.Duration) { r.at.Add(int64(d / time.Second)) }

// begin begins a sign-in.
func (r *rig) begin(t *testing.T, a oidcauth.Asking) (address, flow string) {
	t.Helper()
	address, flow, err := r.Begin(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return address, flow
}

// signIn is a whole sign-in of a person.
func (r *rig) signIn(t *testing.T, claims map[string]any) (accessctl.Principal, error) {
	t.Helper()
	address, flow := r.begin(t, oidcauth.Asking{})
	return r.Finish(t.Context(), flow, r.issuer.SignIn(t, address, claims))
}

// refused checks that nobody is signed in, and that the log says by which rule.
func (r *rig) refused(t *testing.T, what string, p accessctl.Principal, err error, rule string) {
	t.Helper()
	if !errors.Is(err, oidcauth.ErrRefused) || err.Error() != oidcauth.ErrRefused.Error() || p.Tenant != "" {
		t.Errorf("%s: %v, %v", what, p, err)
	}
	if last := r.log.last(); !strings.Contains(last, rule+`"}`) {
		t.Errorf("%s: the log says %s, want the rule %s", what, last, rule)
	}
}

func person(id string) map[string]any { return map[string]any{"sub": id} }

func with(q url.Values, name string, values ...string) url.Values {
	changed := url.Values{}
	for k, v := range q {
		changed[k] = v
	}
	changed[name] = values
	if values == nil {
		delete(changed, name)
	}
	return changed
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) last() string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return lines[len(lines)-1]
}
