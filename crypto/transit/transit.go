// Package transit is a key-encryption key in the Transit engine of HashiCorp
// Vault (or OpenBao): it wraps data keys there, and the key itself never leaves
// Vault.
//
// # Keys
//
// Every tenant has one Transit key, named by Config.KeyPrefix and the tenant's
// name, and the service has one named "_system". They are made by CreateKey
// alone: aes256-gcm96, derived, not exportable, not deletable, no backup in
// clear. A key is derived anew for every context, so that what was wrapped under
// one context opens under no other; unlike associated data, contexts are honoured
// by rewrap too. Wrap looks at a key before it uses it for the first time, and
// refuses one that is missing or of another kind: Vault itself would make a
// missing one, and would ignore the context of one that is not derived.
//
// # Wrapped form
//
// "vault:v", the key's version in decimal without sign or leading zeros, ":" and
// the ciphertext in standard base64 with padding. Every other form is refused,
// in what callers give before any request is sent (Vault takes "v01" and "v+1")
// and in what Vault answers.
//
// # Requests
//
// Every request is a batch_input. What one call gives is sent in one request, up
// to Config.MaxBatch items. Calls that come while a request for the same
// operation and key is under way wait for it and are sent together in the next
// one, so under load the number of requests hardly grows; nothing ever waits for a
// timer. A request belongs to all its callers: that one of them gives up does not
// end it.
//
// A request that could not be sent or was answered with 429 or 5xx is tried again
// at most twice within Config.Timeout. After three requests in a row that failed
// so, all fail at once for a second, then one is tried. Redirects are not followed,
// proxies are not used and nothing is taken from the environment.
//
// # Logins
//
// New logs in; Run renews the token while Vault allows, then logs in again. A
// request that is refused with 403 because its token has ended logs in once and
// is sent again, so that a late Run does not matter.
//
// # Errors
//
// They wrap the sentinels of this package and hold no text of Vault's.
package transit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/vault/api"
)

// System is the name of the key that wraps the service's own secrets.
const System = "_system"

// KEK wraps and unwraps data keys in Vault. It is safe for concurrent use. Its
// maker calls Run, and Close at the end.
type KEK struct {
	cfg     Config
	http    *http.Client
	vault   *api.Client
	session *session
	guard   guard

	requests, items        atomic.Int64
	nextUnwrap, nextRewrap atomic.Uint32

	ctx    context.Context // of the requests, which belong to no one caller
	cancel context.CancelFunc
	wg     sync.WaitGroup // one a lane

	mu     sync.Mutex
	closed bool
	lanes  map[laneID]*lane // those with something to send
	sound  map[string]bool  // keys that Wrap has looked at
}

// New returns a KEK that has logged in. It fails with ErrInput for a
// configuration with gaps, ErrUnavailable if Vault did not answer the login
// (worth another try) and ErrDenied with it if Vault refused it. A Token is not
// tried; Ping does.
func New(ctx context.Context, cfg Config) (*KEK, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	hc, err := newHTTPClient(cfg)
	if err != nil {
		return nil, err
	}
	client, err := newClient(cfg, hc)
	if err != nil {
		return nil, err
	}
	anonymous, err := newClient(cfg, hc)
	if err != nil {
		return nil, err
	}
	k := &KEK{
		cfg: cfg, http: hc, vault: client,
		session: newSession(cfg, client, anonymous),
		guard:   newGuard(cfg),
		lanes:   map[laneID]*lane{}, sound: map[string]bool{},
	}
	k.ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := k.session.login(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("logging in to Vault: %w", err), k.Close())
	}
	return k, nil
}

// Run renews the token, and logs in again when it can be renewed no longer,
// until ctx ends; then it returns nil.
func (k *KEK) Run(ctx context.Context) error { return k.session.run(ctx) }

// Close ends the requests that are under way and waits for them. Later calls
// fail with ErrUnavailable. The token is left to end by itself.
func (k *KEK) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.wg.Wait()
	k.http.CloseIdleConnections()
	return nil
}

// Requests is the number of HTTP requests sent to wrap, unwrap and rewrap, with
// those sent again.
func (k *KEK) Requests() int64 { return k.requests.Load() }

// Items is the number of keys in the requests that [KEK.Requests] counts.
func (k *KEK) Items() int64 { return k.items.Load() }

// Ping reports whether Vault answers, is unsealed and takes our token; else
// ErrUnavailable.
func (k *KEK) Ping(ctx context.Context) error {
	a, err := k.ask(ctx, request{method: http.MethodGet, path: lookupSelf})
	if err == nil {
		err = a.fault()
	}
	if err != nil {
		return fmt.Errorf("asking Vault about the token: %w", err)
	}
	return nil
}

// checkKey takes a tenant's name or System: letters, digits, '_' and '-', nothing
// that a path could read as something else. Vault has no keys whose names end in
// '-'.
func (k *KEK) checkKey(key string) error {
	ok := len(key) >= 1 && len(key) <= 63 && key[len(key)-1] != '-'
	for i, c := range []byte(key) {
		switch {
		case c >= 'a' && c <= 'z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-'):
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("%w: a key's name is [a-z_][a-z0-9_-]{0,62} and does not end in '-'", ErrInput)
	}
	return nil
}

func (k *KEK) path(operation, key string) string {
	return k.cfg.Mount + "/" + operation + "/" + k.cfg.KeyPrefix + key
}
