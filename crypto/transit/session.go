package transit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/hashicorp/vault/api/auth/kubernetes"
)

const (
	lookupSelf = "auth/token/lookup-self"
	// loginEvery spaces the logins that refused requests cause.
	loginEvery = time.Second
	// maxCredential bounds the files that hold tokens and secret ids.
	maxCredential = 64 << 10
)

// session is our login: it keeps client's token good.
type session struct {
	auth      Auth
	client    *api.Client // of all requests
	anonymous *api.Client // of logins: it never holds a token
	timeout   time.Duration
	logger    *slog.Logger
	now       func() time.Time

	turn chan struct{} // held by who logs in

	mu         sync.Mutex
	generation uint64
	lease      *api.SecretAuth // of a login; nil for a token that we were given
	changed    chan struct{}   // closed when generation moves on
	tried      time.Time       // the last login that a refused request caused
}

func newSession(cfg Config, client, anonymous *api.Client) *session {
	return &session{
		auth: cfg.Auth, client: client, anonymous: anonymous,
		timeout: cfg.Timeout, logger: cfg.Logger, now: cfg.Now,
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// current is a number that moves on with every new token.
func (s *session) current() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation
}

func (s *session) state() (generation uint64, lease *api.SecretAuth, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, s.lease, s.changed
}

func (s *session) set(token string, lease *api.SecretAuth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client.SetToken(token)
	s.generation++
	s.lease = lease
	close(s.changed)
	s.changed = make(chan struct{})
}

// logsIn reports whether we can get a new token by ourselves.
func (s *session) logsIn() bool { return s.auth.AppRole != nil || s.auth.Kubernetes != nil }

// login gets a token, whatever there is now.
func (s *session) login(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return gaveUp(ctx)
	}
	return s.get(ctx)
}

// refresh gets another token after one of generation was refused, and reports
// whether to try again. It does not when the token is good, so that what a policy
// denies causes no login.
func (s *session) refresh(ctx context.Context, generation uint64) bool {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return false
	}
	if s.current() != generation {
		return true // another has been faster
	}
	if s.auth.Token != "" {
		return false
	}
	if s.logsIn() && !s.ended(ctx) {
		return false
	}
	if err := s.get(ctx); err != nil {
		s.logger.WarnContext(ctx, "logging in to vault again failed", "error", err)
		return false
	}
	return s.current() != generation
}

// ended reports whether Vault no longer takes our token, at most once in
// loginEvery.
func (s *session) ended(ctx context.Context) bool {
	s.mu.Lock()
	early := s.now().Sub(s.tried) < loginEvery
	if !early {
		s.tried = s.now()
	}
	s.mu.Unlock()
	if early {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.client.Auth().Token().LookupSelfWithContext(ctx)
	var refused *api.ResponseError
	return errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden
}

// get gets a token; the caller holds the turn. Its error wraps ErrUnavailable.
func (s *session) get(ctx context.Context) error {
	switch {
	case s.auth.Token != "":
		s.set(s.auth.Token, nil)
		return nil
	case s.auth.TokenFile != "":
		token, err := readCredential(s.auth.TokenFile)
		if err != nil {
			return fmt.Errorf("%w: reading TokenFile: %w", ErrUnavailable, err)
		}
		if token != s.client.Token() {
			s.set(token, nil)
		}
		return nil
	default:
		return s.getByLogin(ctx)
	}
}

func (s *session) getByLogin(ctx context.Context) error {
	method, err := s.method()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	secret, err := method.Login(ctx, s.anonymous)
	if err != nil {
		return loginError(err)
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return errAnswer
	}
	s.set(secret.Auth.ClientToken, secret.Auth)
	s.logger.InfoContext(ctx, "logged in to vault", "ttl_seconds", secret.Auth.LeaseDuration, "renewable", secret.Auth.Renewable)
	return nil
}

// loginError says in our words why a login failed.
func loginError(err error) error {
	var refused *api.ResponseError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%w: %s", ErrUnavailable, reason(err))
	}
	if refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrDenied)
	}
	return (&answer{status: refused.StatusCode}).fault()
}

// method returns the login with the credentials as they are now.
func (s *session) method() (api.AuthMethod, error) {
	if r := s.auth.AppRole; r != nil {
		secretID := r.SecretID
		if r.SecretIDFile != "" {
			var err error
			if secretID, err = readCredential(r.SecretIDFile); err != nil {
				return nil, fmt.Errorf("reading SecretIDFile: %w", err)
			}
		}
		return approle.NewAppRoleAuth(r.RoleID, &approle.SecretID{FromString: secretID}, approle.WithMountPath(r.Mount))
	}
	r := s.auth.Kubernetes
	jwt, err := readCredential(r.JWTFile)
	if err != nil {
		return nil, fmt.Errorf("reading JWTFile: %w", err)
	}
	return kubernetes.NewKubernetesAuth(r.Role, kubernetes.WithServiceAccountToken(jwt), kubernetes.WithMountPath(r.Mount))
}

// readCredential returns the one line of a file.
func readCredential(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxCredential))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(b))
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("%s does not hold one line", path)
	}
	return text, nil
}

// jitter returns a random time below limit.
func jitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		return limit
	}
	return time.Duration(n.Int64())
}
