package transit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// journal counts log messages and keeps all that was logged.
type journal struct {
	mu    sync.Mutex
	count map[string]int
	text  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var line struct{ Msg string }
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	if j.count == nil {
		j.count = map[string]int{}
	}
	j.count[line.Msg]++
	return j.text.Write(p)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) of(msg string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.count[msg]
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

const (
	loggedIn = "logged in to vault"
	renewed  = "vault token renewed"
)

// run runs k.Run until the test ends.
func run(t *testing.T, k *transit.KEK) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// revoke ends the tokens of s that node.hcl gives.
func revoke(s *transittest.Server) {
	s.Must("PUT", "sys/leases/revoke-prefix/auth/approle/login", map[string]any{})
}

// Without Run, a token that has ended is replaced when a request meets that.
func TestAppRoleTokenEnds(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{})
	key := newKey(t, s.KEK(t), "acme")
	var j journal
	cfg := s.Config(transit.Auth{AppRole: s.AppRole("node", time.Hour, time.Hour)})
	cfg.Logger = j.logger()
	var clock atomic.Int64
	cfg.Now = func() time.Time { return time.Unix(clock.Add(3600), 0) }
	k := transittest.New(t, cfg)
	contexts, wrapped := wrap(t, k, key, 2)
	for range 3 {
		revoke(s)
		mustOpen(t, k, key, contexts, wrapped)
	}
	if n := j.of(loggedIn); n != 4 {
		t.Errorf("%d logins", n)
	}
	if err := k.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A token that ends by its own time is replaced too, and so is one whose request
// meets that among many.
func TestAppRoleTokenExpires(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	key := newKey(t, s.KEK(t), "acme")
	k := transittest.New(t, s.Config(transit.Auth{AppRole: s.AppRole("node", time.Second, time.Second)}))
	contexts, wrapped := wrap(t, k, key, 8)
	time.Sleep(1500 * time.Millisecond) // past the token's end
	done := make(chan error, len(wrapped))
	for i := range wrapped {
		go func() {
			_, errs, err := k.Unwrap(t.Context(), key, contexts[i:i+1], wrapped[i:i+1])
			done <- errors.Join(append(errs, err)...)
		}()
	}
	for range wrapped {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Run renews the token, and logs in again when it can be renewed no longer.
func TestRunRenews(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	key := newKey(t, s.KEK(t), "acme")
	var j journal
	cfg := s.Config(transit.Auth{AppRole: s.AppRole("node", 2*time.Second, 3*time.Second)})
	cfg.Logger = j.logger()
	k := transittest.New(t, cfg)
	run(t, k)
	contexts, wrapped := wrap(t, k, key, 1)
	for j.of(loggedIn) < 2 || j.of(renewed) < 2 { // and no request that could cause it
		time.Sleep(20 * time.Millisecond)
	}
	mustOpen(t, k, key, contexts, wrapped)
	if strings.Contains(j.String(), "hvs.") {
		t.Error("the log holds a token")
	}
}

// Run keeps a token that was given alive beyond its time.
func TestRunRenewsGivenToken(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	key := newKey(t, s.KEK(t), "acme")
	var b struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	_, answer := s.Do(s.RootToken, "PUT", "auth/token/create", map[string]any{"policies": []string{s.Policy("node")}, "ttl": "2s"})
	if err := json.Unmarshal([]byte(answer), &b); err != nil {
		t.Fatal(err)
	}
	var j journal
	cfg := s.Config(transit.Auth{Token: b.Auth.Token})
	cfg.Logger = j.logger()
	k := transittest.New(t, cfg)
	run(t, k)
	contexts, wrapped := wrap(t, k, key, 1)
	for j.of(renewed) < 3 { // at once, and after two thirds of two seconds each
		time.Sleep(20 * time.Millisecond)
	}
	mustOpen(t, k, key, contexts, wrapped)
}

// What a policy denies causes no login, however often it is tried.
func TestDenialCausesNoLogin(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	newKey(t, s.KEK(t), "acme")
	var j journal
	cfg := s.Config(transit.Auth{AppRole: s.AppRole("node", time.Hour, time.Hour)})
	cfg.Logger = j.logger()
	k := transittest.New(t, cfg)
	for range 20 {
		if _, err := k.Rotate(t.Context(), "acme"); !errors.Is(err, transit.ErrDenied) {
			t.Fatal(err)
		}
	}
	if n := j.of(loggedIn); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestTokenFile(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	key := newKey(t, s.KEK(t), "acme")
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := s.Token("node")
	write(first + "\n")
	k := transittest.New(t, s.Config(transit.Auth{TokenFile: file}))
	contexts, wrapped := wrap(t, k, key, 1)

	s.Must("PUT", "auth/token/revoke", map[string]any{"token": first})
	if _, _, err := k.Unwrap(t.Context(), key, contexts, wrapped); !errors.Is(err, transit.ErrDenied) {
		t.Errorf("with a revoked token: %v", err)
	}
	write(s.Token("node"))
	mustOpen(t, k, key, contexts, wrapped)
	for _, bad := range []string{"", "\n", "two\nlines"} {
		write(bad)
		if _, err := transit.New(t.Context(), s.Config(transit.Auth{TokenFile: file})); !errors.Is(err, transit.ErrUnavailable) {
			t.Errorf("%q in the file: %v", bad, err)
		}
	}
	if _, err := transit.New(t.Context(), s.Config(transit.Auth{TokenFile: file + "-none"})); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("no file: %v", err)
	}
}

func TestAppRoleRefused(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	good := s.AppRole("node", time.Hour, time.Hour)
	file := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(file, []byte(good.SecretID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	transittest.New(t, s.Config(transit.Auth{AppRole: &transit.AppRole{RoleID: good.RoleID, SecretIDFile: file}}))
	for name, a := range map[string]transit.AppRole{
		"secret id": {RoleID: good.RoleID, SecretID: "canary-secret"},
		"role id":   {RoleID: "canary-role", SecretID: good.SecretID},
		"mount":     {RoleID: good.RoleID, SecretID: good.SecretID, Mount: "elsewhere"},
	} {
		_, err := transit.New(t.Context(), s.Config(transit.Auth{AppRole: &a}))
		if !errors.Is(err, transit.ErrUnavailable) || !errors.Is(err, transit.ErrDenied) || strings.Contains(err.Error(), "canary") {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
}

// kubernetesVault is Vault with a Kubernetes login, which no test here can have:
// it takes jwt for role and gives tokens by node.hcl; all else goes to s.
func kubernetesVault(t *testing.T, s *transittest.Server, role string, jwt *atomic.Value, tokens chan<- string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	mux.HandleFunc("/v1/auth/k8s/login", func(w http.ResponseWriter, r *http.Request) {
		var login struct{ Role, JWT string }
		if err := json.NewDecoder(r.Body).Decode(&login); err != nil || r.Header.Get("X-Vault-Token") != "" {
			http.Error(w, `{"errors":["not a login"]}`, http.StatusBadRequest)
			return
		}
		if login.Role != role || login.JWT != jwt.Load() {
			http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
			return
		}
		token := s.Token("node")
		tokens <- token
		_, _ = w.Write([]byte(`{"auth":{"client_token":"` + token + `","lease_duration":3600,"renewable":true}}`))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	s := transittest.Start(t)
	key := newKey(t, s.KEK(t), "acme")
	var jwt atomic.Value
	jwt.Store("first.service.account")
	tokens := make(chan string, 10)
	srv := kubernetesVault(t, s, "fieldvault", &jwt, tokens)
	file := filepath.Join(t.TempDir(), "jwt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first.service.account\n")
	cfg := s.Config(transit.Auth{Kubernetes: &transit.Kubernetes{Role: "fieldvault", JWTFile: file, Mount: "k8s"}})
	cfg.Address = srv.URL
	k := transittest.New(t, cfg)
	contexts, wrapped := wrap(t, k, key, 1)

	// The next login takes the service account's token as it is then.
	jwt.Store("second.service.account")
	write("second.service.account")
	s.Must("PUT", "auth/token/revoke", map[string]any{"token": <-tokens})
	mustOpen(t, k, key, contexts, wrapped)

	write("third.service.account")
	if _, err := transit.New(t.Context(), cfg); !errors.Is(err, transit.ErrDenied) {
		t.Errorf("with a token that is not taken: %v", err)
	}
	cfg.Auth.Kubernetes.JWTFile = file + "-none"
	if _, err := transit.New(t.Context(), cfg); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("without a token: %v", err)
	}
}

// Vault down at the start is worth another try, and is not taken for a refusal.
func TestLoginWithoutVault(t *testing.T) {
	t.Parallel()
	s := transittest.StartOwn(t, transittest.Options{})
	cfg := s.Config(transit.Auth{AppRole: s.AppRole("node", time.Hour, time.Hour)})
	cfg.Timeout = 300 * time.Millisecond
	for name, do := range map[string]struct{ break_, mend func() }{
		"stopped": {s.Stop, s.Continue},
		"sealed":  {s.Seal, s.Unseal},
	} {
		do.break_()
		if _, err := transit.New(t.Context(), cfg); !errors.Is(err, transit.ErrUnavailable) || errors.Is(err, transit.ErrDenied) {
			t.Errorf("%s: %v", name, err)
		}
		do.mend()
	}
	cfg.Timeout = 0
	transittest.New(t, cfg)
	s.Kill()
	if _, err := transit.New(t.Context(), cfg); !errors.Is(err, transit.ErrUnavailable) {
		t.Errorf("gone: %v", err)
	}
}
