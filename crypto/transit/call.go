package transit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/hashicorp/vault/api"
)

// request is one call of Vault.
type request struct {
	method string // GET, or PUT, Vault's update
	path   string // below /v1/
	body   []byte
	items  int  // wrapped keys in body; 0 when it is no wrapping call
	once   bool // it is not sent again: doing it twice is not doing it once
}

// answer is what Vault answered, whatever its status.
type answer struct {
	status int
	body   []byte
}

// fault is nil for a success and otherwise an error of this package's own words.
func (a *answer) fault() error {
	switch {
	case a.status == http.StatusOK || a.status == http.StatusNoContent:
		return nil
	case a.status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrUnavailable, ErrDenied)
	case a.status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: it limits our rate (429)", ErrUnavailable)
	case a.status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: it is sealed or stopping (503)", ErrUnavailable)
	case a.status >= 300 && a.status < 400:
		return fmt.Errorf("%w: it redirects elsewhere (%d), which is not followed: give the address of a server that answers itself", ErrUnavailable, a.status)
	default:
		return fmt.Errorf("%w: it answered %d", ErrUnavailable, a.status)
	}
}

// failed reports whether Vault, rather than the request, is at fault.
func (a *answer) failed() bool { return a.status >= 500 }

// guard is what stands between us and a Vault that does not do well.
type guard struct{ retrying, once failsafe.Executor[*answer] }

const (
	breakAfter  = 3 // requests that failed in a row, each with its retries
	breakFor    = time.Second
	maxRetries  = 2
	retryDelay  = 50 * time.Millisecond
	retryCeil   = 500 * time.Millisecond
	retryJitter = 0.25
)

func newGuard(cfg Config) guard {
	note := func(text string) func(circuitbreaker.StateChangedEvent) {
		return func(e circuitbreaker.StateChangedEvent) {
			cfg.Logger.WarnContext(e.Context(), "vault breaker", "state", text)
		}
	}
	breaker := circuitbreaker.NewBuilder[*answer]().
		HandleIf(func(a *answer, err error) bool {
			return err != nil || a != nil && a.failed()
		}).
		WithFailureThreshold(breakAfter).WithSuccessThreshold(1).WithDelay(breakFor).
		OnOpen(note("open")).OnClose(note("closed")).
		Build()
	retry := retrypolicy.NewBuilder[*answer]().
		HandleIf(func(a *answer, err error) bool {
			return err != nil && again(err) || a != nil && (a.failed() || a.status == http.StatusTooManyRequests)
		}).
		WithMaxRetries(maxRetries).WithBackoff(retryDelay, retryCeil).WithJitterFactor(retryJitter).
		ReturnLastFailure().
		Build()
	return guard{
		retrying: failsafe.With[*answer](breaker, retry),
		once:     failsafe.With[*answer](breaker),
	}
}

// again reports whether a request that got no answer may get one if sent again:
// not one that used up its time.
func again(err error) bool {
	return !late(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, errTooLong) && !untrusted(err)
}

func late(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// ask is do for one caller, who may give up; the request is then left to end by
// itself, so that callers in a hurry tell the breaker nothing wrong.
func (k *KEK) ask(ctx context.Context, r request) (*answer, error) {
	type result struct {
		a   *answer
		err error
	}
	done := make(chan result, 1)
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return nil, errClosed
	}
	k.wg.Go(func() {
		a, err := k.do(r)
		done <- result{a, err}
	})
	k.mu.Unlock()
	select {
	case res := <-done:
		return res.a, res.err
	case <-ctx.Done():
		return nil, gaveUp(ctx)
	}
}

// gaveUp is the error of a call whose ctx has ended.
func gaveUp(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("waiting for Vault: %w", context.Canceled)
	}
	return fmt.Errorf("%w: it did not answer in time", ErrUnavailable)
}

// do sends r, within Config.Timeout, and once more after a new login if the
// token has ended. Its error wraps ErrUnavailable.
func (k *KEK) do(r request) (*answer, error) {
	generation := k.session.current()
	a, err := k.send(r)
	if err != nil || a.status != http.StatusForbidden || !k.session.refresh(k.ctx, generation) {
		return a, err
	}
	return k.send(r)
}

// send sends r, and again while that may help.
func (k *KEK) send(r request) (*answer, error) {
	ctx, cancel := context.WithTimeout(k.ctx, k.cfg.Timeout)
	defer cancel()
	guarded := k.guard.retrying
	if r.once {
		guarded = k.guard.once
	}
	a, err := guarded.WithContext(ctx).Get(func() (*answer, error) { return k.exchange(ctx, r) })
	switch {
	case err == nil:
		return a, nil
	case k.ctx.Err() != nil:
		return nil, errClosed
	default:
		k.cfg.Logger.DebugContext(ctx, "vault did not answer", "path", r.path, "reason", reason(err))
		return nil, fmt.Errorf("%w: %s", ErrUnavailable, reason(err))
	}
}

// exchange sends r once. Its error may hold what the other side sent, so it is
// neither returned further nor logged: see reason.
func (k *KEK) exchange(ctx context.Context, r request) (*answer, error) {
	if r.items > 0 {
		k.requests.Add(1)
		k.items.Add(int64(r.items))
	}
	var resp *api.Response
	var err error
	if r.method == http.MethodGet {
		resp, err = k.vault.Logical().ReadRawWithContext(ctx, r.path)
	} else {
		resp, err = k.vault.Logical().WriteRawWithContext(ctx, r.path, r.body)
	}
	if resp == nil || resp.Response == nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var refused *api.ResponseError
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{status: resp.StatusCode, body: body}, nil
}

func untrusted(err error) bool {
	var cert *tls.CertificateVerificationError
	return errors.As(err, &cert)
}

// reason says in our own words why there was no answer.
func reason(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, circuitbreaker.ErrOpen):
		return "it failed several times in a row and is given a moment"
	case late(err):
		return "it did not answer in time"
	case untrusted(err):
		return "its certificate is not trusted (CACertFile, ServerName)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at its address"
	case errors.As(err, &dns):
		return "its name does not resolve"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "it closed the connection"
	case errors.Is(err, errTooLong):
		return errTooLong.Error()
	default:
		return "the connection failed"
	}
}
