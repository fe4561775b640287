package transit

import (
	"context"
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
			lease = s.given(ctx)
		}
		if !s.watch(ctx, lease, changed) {
			continue // another token, or the end
		}
		if err := s.replace(ctx, lease, changed); err != nil {
			return err
		}
	}
	return nil
}

// given returns the lease of a token that we did not log in for, or nil if it
// has none that we can renew.
func (s *session) given(ctx context.Context) *api.SecretAuth {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	secret, err := s.client.Auth().Token().RenewSelfWithContext(ctx, 0)
	if err != nil || secret == nil || secret.Auth == nil {
		s.logger.WarnContext(ctx, "the vault token is not renewed", "error", loginErrorOrNil(err))
		return nil
	}
	return secret.Auth
}

func loginErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return loginError(err)
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
		case <-w.DoneCh():
			return true
		}
	}
}

// replace gets a new token for one that can be renewed no longer. It waits a
// little before, so that nodes that started together do not log in together, and
// longer and longer while Vault does not answer.
func (s *session) replace(ctx context.Context, lease *api.SecretAuth, changed <-chan struct{}) error {
	pause := loginPause + jitter(time.Duration(lease.LeaseDuration)*time.Second/20)
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-changed:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		err := s.login(ctx)
		if err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "logging in to vault failed", "error", err)
		}
		pause = min(2*pause+jitter(pause), loginBackoff)
	}
}

