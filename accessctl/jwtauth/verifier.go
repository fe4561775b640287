package jwtauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/fieldvault/fieldvault/accessctl"
)

// Verifier verifies tokens of the configured issuers. It is safe for concurrent
// use.
type Verifier struct {
	cfg     Config
	issuers map[string]*verifierIssuer
	cache   *cache
	cancel  context.CancelFunc
}

type verifierIssuer struct {
	Issuer
	source *source
	parser *jwt.Parser
}

// New returns a Verifier that has tried to read every issuer's key set once. A set
// in the configuration or a file that cannot be used is ErrKeySet; one behind a URL is
// logged and tried again, see Ready. A configuration that leaves out a check is
// ErrConfig. ctx bounds the first reads only; if it ends before them, its error is
// returned. The caller runs Run and, in the end, Close.
func New(ctx context.Context, cfg Config) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &Verifier{
		cfg:     cfg,
		issuers: map[string]*verifierIssuer{},
		cache:   &cache{most: cfg.MaxCached, m: map[[sha256.Size]byte]*entry{}},
		cancel:  cancel,
	}
	for _, is := range cfg.Issuers {
		v.issuers[is.Name] = v.issuer(life, is)
	}
	v.each(func(is *verifierIssuer) { is.source.refresh(ctx) })
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading key sets: %w", err), v.Close())
	}
	for name, is := range v.issuers {
		if is.JWKSURL == "" && is.source.failure() != nil {
			return nil, errors.Join(fmt.Errorf("issuer %s: %w", name, is.source.failure()), v.Close())
		}
	}
	return v, nil
}

func (v *Verifier) issuer(life context.Context, is Issuer) *verifierIssuer {
	s := &source{
		fetch:      fetcher(&is, v.cfg.HTTPClient),
		algorithms: is.Algorithms,
		every:      v.cfg.RefreshInterval,
		stale:      v.cfg.MaxStale,
		now:        v.cfg.Now,
		log:        v.cfg.Logger.With("issuer", is.Name),
		unknown:    rate.NewLimiter(rate.Every(unknownEvery), 1),
		life:       life,
		onChange:   v.cache.clear,
	}
	s.state.Store(&state{})
	return &verifierIssuer{Issuer: is, source: s, parser: jwt.NewParser(
		jwt.WithValidMethods(is.Algorithms),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithIssuer(is.Name),
		jwt.WithAudience(v.cfg.Audience),
		jwt.WithLeeway(v.cfg.Leeway),
		jwt.WithTimeFunc(v.cfg.Now),
	)}
}

// each runs f for all issuers at once, and waits.
func (v *Verifier) each(f func(*verifierIssuer)) {
	var wg sync.WaitGroup
	for _, is := range v.issuers {
		wg.Go(func() { f(is) })
	}
	wg.Wait()
}

// Run reads the key sets again at the configured interval until ctx is done, which
// is no error.
func (v *Verifier) Run(ctx context.Context) error {
	ticker := time.NewTicker(v.cfg.RefreshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			v.each(func(is *verifierIssuer) { is.source.refresh(ctx) })
		}
	}
}

// Ready reports the issuers whose tokens cannot be verified at present, because
// their key sets could not be read: ErrKeySet with their names, or nil.
func (v *Verifier) Ready() error {
	var errs []error
	for name, is := range v.issuers {
		if !is.source.state.Load().serves(v.cfg.Now(), v.cfg.MaxStale) {
			errs = append(errs, fmt.Errorf("issuer %s: %w", name, ErrKeySet))
		}
	}
	return errors.Join(errs...)
}

// Close ends reads under way and waits for them. Tokens are refused afterwards only
// as their key sets grow stale. It returns nil.
func (v *Verifier) Close() error {
	v.cancel()
	for _, is := range v.issuers {
		is.source.close()
	}
	return nil
}

// Verify returns whom the token speaks for, or ErrToken. It waits at most a second
// for an issuer's key set. The principal's slices are shared with other calls: they
// may not be modified.
func (v *Verifier) Verify(ctx context.Context, token string) (accessctl.Principal, error) {
	p, err := v.verify(ctx, token)
	if err != nil {
		broken := rule("signature")
		errors.As(err, &broken)
		v.cfg.Logger.DebugContext(ctx, "token refused", "rule", string(broken))
		return accessctl.Principal{}, ErrToken
	}
	return p, nil
}

func (v *Verifier) verify(ctx context.Context, token string) (accessctl.Principal, error) {
	if len(token) > MaxToken {
		return accessctl.Principal{}, rule("size")
	}
	var room [1 << 10]byte // which most tokens fit, so that nothing is allocated
	sum := sha256.Sum256(append(room[:0], token...))
	if p, ok := v.remembered(ctx, sum); ok {
		return p, nil
	}
	h, c, err := parse(token)
	if err != nil {
		return accessctl.Principal{}, err
	}
	is, ok := v.issuers[c.issuer]
	if !ok {
		return accessctl.Principal{}, rule("iss")
	}
	if err := c.check(&v.cfg, &is.Issuer, v.cfg.Now()); err != nil {
		return accessctl.Principal{}, err
	}
	set, err := is.verify(ctx, token, h)
	if err != nil {
		return accessctl.Principal{}, err
	}
	p := c.principal()
	v.cache.put(sum, &entry{source: is.source, set: set, principal: p})
	return p, nil
}

// remembered answers for a token that was verified under the key set that is still
// the issuer's, and has not expired.
func (v *Verifier) remembered(ctx context.Context, sum [sha256.Size]byte) (accessctl.Principal, bool) {
	e, ok := v.cache.get(sum)
	if !ok {
		return accessctl.Principal{}, false
	}
	if e.source.current(ctx) == e.set && v.cfg.Now().Before(e.principal.Expires) {
		return e.principal, true
	}
	v.cache.drop(sum)
	return accessctl.Principal{}, false
}

// verify checks the token's signature with the issuer's keys, and its registered
// claims once more by the library's own rules. It returns the key set that served.
func (is *verifierIssuer) verify(ctx context.Context, token string, h header) (*keySet, error) {
	if !slices.Contains(is.Algorithms, h.algorithm) {
		return nil, rule("alg")
	}
	set := is.source.current(ctx)
	if set == nil {
		return nil, rule("no key set")
	}
	if set = is.source.knowing(ctx, h.keyID, set); set == nil || !set.ids[h.keyID] {
		return nil, rule("unknown kid")
	}
	if _, err := is.parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, set.key(ctx)); err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	return set, nil
}
