package transit

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// loginPause is the least time between two logins of run.
	loginPause = 500 * time.Millisecond
	// loginBackoff is the longest.
	loginBackoff = 30 * time.Second
)

// run keeps the token good until ctx ends: it renews while that is possible and
// then gets a new one.
func (s *session) run(ctx context.Context) error {
	for ctx.Err() == nil {
		_, lease, changed := s.state()
		if lease == nil {
			var known bool
			if lease, known = s.given(ctx); !known {
				s.pause(ctx, changed, loginBackoff/2+jitter(loginBackoff/2))
				continue
			}
		}
		if s.watch(ctx, lease, changed) {
			s.replace(ctx, lease, changed)
		}
	}
	return nil
}

// given returns the lease of a token that we did not log in for, nil if it has
// none that we can renew, and whether Vault has said so.
func (s *session) given(ctx context.Context) (lease *api.SecretAuth, known bool) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	secret, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	var refused *api.ResponseError
	switch {
	case err == nil && secret != nil && secret.Auth != nil:
		return secret.Auth, true
	case errors.As(err, &refused) && refused.StatusCode < http.StatusInternalServerError:
		s.logger.WarnContext(ctx, "vault does not renew the token", "status", refused.StatusCode)
		return nil, true
	default:
		s.logger.WarnContext(ctx, "vault did not answer when the token was to be renewed")
		return nil, false
	}
}

// pause waits for d and reports whether it passed before ctx ended or there was
// another token.
func (s *session) pause(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return false
	case <-timer.C:
		return true
	}
}

// watch renews lease until that is no longer possible (true), or until there is
// another token or ctx ends (false).
func (s *session) watch(ctx context.Context, lease *api.SecretAuth, changed <-chan struct{}) bool {
	if lease == nil || lease.LeaseDuration <= 0 {
		select { // nothing to renew
		case <-ctx.Done():
		case <-changed:
		}
		return false
	}
	w, err := s.client.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: &api.Secret{Auth: lease}})
	if err != nil {
		return true
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Start()
	}()
	defer func() { w.Stop(); <-ended }()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-changed:
			return false
		case <-w.RenewCh():
			s.logger.DebugContext(ctx, "vault token renewed")
		case err := <-w.DoneCh():
			s.logger.DebugContext(ctx, "vault token can be renewed no longer", "failed", err != nil)
			return true
		}
	}
}

// replace gets a new token for one that can be renewed no longer. It waits a
// little before, so that nodes that started together do not log in together, and
// longer and longer while Vault does not answer.
func (s *session) replace(ctx context.Context, lease *api.SecretAuth, changed <-chan struct{}) {
	wait := loginPause + jitter(time.Duration(lease.LeaseDuration)*time.Second/20)
	for s.pause(ctx, changed, wait) {
		if err := s.login(ctx); err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "logging in to vault failed", "error", err)
		}
		wait = min(2*wait+jitter(wait), loginBackoff)
	}
}
