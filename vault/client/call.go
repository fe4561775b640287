package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault/api"
)

// longestWait bounds what one retry waits. A call that the service puts off for longer
// is not retried.
const longestWait = 30 * time.Second

// repeat says what a retry of a call may do.
type repeat uint8

const (
	// never: only when the service says that it did nothing.
	never repeat = iota
	// safely: repeating has no further effect.
	safely
	// keyed: repeating has no further effect under an Idempotency-Key.
	keyed
)

// A call is one request, which may be sent more than once.
type call struct {
	method string
	path   []string // segments, each escaped once
	query  url.Values
	media  string
	body   []byte
	repeat repeat
	public bool
	key    string
	accept string
	heads  http.Header
	// accepted: 202 is a good answer, and not that a second person must approve.
	accepted bool
	gone     bool // 404 after a retry of unknown fate means that it is done
}

func (c *call) header(name, value string) {
	if c.heads == nil {
		c.heads = http.Header{}
	}
	c.heads.Set(name, value)
}

func newCall(method string, r repeat, path ...string) *call {
	return &call{method: method, repeat: r, path: path, media: "application/json"}
}

// with sets a JSON body.
func (c *call) with(v any) (*call, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errors.New("client: the request has no JSON form") // the text of err could hold a value
	}
	c.body = b
	return c, nil
}

// sendJSON sends v and decodes the answer into out.
func (c *Client) sendJSON(ctx context.Context, k *call, v, out any, opts ...Option) error {
	k, err := k.with(v)
	if err != nil {
		return err
	}
	return c.send(ctx, k, out, opts...)
}

// send sends the call until it is answered for good, and decodes the answer into
// out: a *json.RawMessage or *[]byte gets it as it is, nil nothing.
func (c *Client) send(ctx context.Context, k *call, out any, opts ...Option) error {
	for _, o := range opts {
		o(k)
	}
	if err := k.check(); err != nil {
		return err
	}
	if k.repeat == keyed && k.key == "" {
		k.key = c.cfg.NewKey()
	}
	u := c.address(k)
	unsure := false
	for attempt := 1; ; attempt++ {
		body, wait, err := c.attempt(ctx, k, u)
		if err == nil {
			return decode(body, out)
		}
		if unsure && k.gone && IsCode(err, api.NotFound) {
			return nil
		}
		if attempt >= c.cfg.Attempts || !k.again(err) || wait > longestWait || ctx.Err() != nil {
			return err
		}
		unsure = unsure || !IsCode(err, api.RateLimited)
		if wait == 0 {
			wait = c.backoff(attempt)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// check refuses names that would lead to another path than the one meant, here or
// in a proxy on the way.
func (c *call) check() error {
	for _, p := range c.path {
		if p == "" || p == "." || p == ".." {
			return &Error{Item: -1, Problem: api.Problem{
				Code: api.Invalid, Status: api.Invalid.Status(), Detail: "A name must not be empty, . or ..",
			}}
		}
	}
	return nil
}

// again says whether the call may be sent again after this error.
func (c *call) again(err error) bool {
	var e *Error
	switch {
	case errors.As(err, &e) && e.Code == api.RateLimited:
		return true
	case errors.As(err, &e) && e.Code == api.Unavailable:
		return c.repeat != never
	case errors.As(err, &e), errors.Is(err, ErrAnswer), errors.Is(err, errToken), isWaiting(err):
		return false
	}
	return c.repeat != never // the connection broke: it may have been done
}

// errToken marks an error of Config.Token.
var errToken = errors.New("client: there is no token")

func (c *Client) address(k *call) string {
	u := *c.base
	var raw, plain strings.Builder
	for _, p := range k.path {
		raw.WriteString("/" + url.PathEscape(p))
		plain.WriteString("/" + p)
	}
	u.RawPath = u.EscapedPath() + raw.String()
	u.Path += plain.String()
	u.RawQuery = k.query.Encode()
	return u.String()
}

// attempt sends the call once. wait is what the service asks for.
func (c *Client) attempt(ctx context.Context, k *call, address string) (body []byte, wait time.Duration, err error) {
	req, err := c.request(ctx, k, address)
	if err != nil {
		return nil, 0, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("calling the service: %w", withoutURL(err))
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err = io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxAnswer+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("reading the answer: %w", withoutURL(err))
	case int64(len(body)) > c.cfg.MaxAnswer:
		return nil, 0, fmt.Errorf("%w: it is longer than Config.MaxAnswer", ErrAnswer)
	case res.StatusCode == http.StatusAccepted && !k.accepted:
		return nil, 0, waiting(body)
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return body, 0, nil
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		wait = time.Duration(min(s, 1+int(longestWait/time.Second))) * time.Second
	}
	return body, wait, refusal(res, body)
}

// withoutURL takes the address, which names a person, out of an error of net/http.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (c *Client) request(ctx context.Context, k *call, address string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, address, bytes.NewReader(k.body))
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", withoutURL(err))
	}
	if len(k.heads) > 0 {
		req.Header = k.heads.Clone()
	}
	req.Header.Set("Accept", "application/json")
	if k.accept != "" {
		req.Header.Set("Accept", k.accept)
	}
	if k.body != nil {
		req.Header.Set("Content-Type", k.media)
	}
	if k.key != "" {
		req.Header.Set(api.HeaderIdempotencyKey, k.key)
	}
	if k.public {
		return req, nil
	}
	if c.cfg.Purpose != "" {
		req.Header.Set(api.HeaderPurpose, c.cfg.Purpose)
	}
	if c.cfg.Token == nil {
		return nil, fmt.Errorf("%w: set Config.Token", errToken)
	}
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errToken, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return req, nil
}

// refusal reads an error answer.
func refusal(res *http.Response, body []byte) error {
	e := &Error{Item: -1}
	if err := json.Unmarshal(body, &e.Problem); err == nil && e.Code != "" {
		e.Status = res.StatusCode
		return e
	}
	switch res.StatusCode { // from a proxy in between, perhaps
	case http.StatusTooManyRequests:
		e.Code = api.RateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Code = api.Unavailable
	default:
		return fmt.Errorf("%w: status %d", ErrAnswer, res.StatusCode)
	}
	e.Problem = api.Problem{Code: e.Code, Status: res.StatusCode}
	return e
}

func decode(body []byte, out any) error {
	switch o := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*o = body
		return nil
	case *json.RawMessage:
		*o = body
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return ErrAnswer // the text of err could hold a value
	}
	return nil
}

// backoff is how long the n-th retry waits: double each time, half of it random,
// so that many clients do not come back together.
func (c *Client) backoff(n int) time.Duration {
	wait := min(c.cfg.Wait<<min(n-1, 10), 5*time.Second)
	r, err := rand.Int(rand.Reader, big.NewInt(int64(wait/2)+1))
	if err != nil {
		return wait
	}
	return wait/2 + time.Duration(r.Int64())
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
