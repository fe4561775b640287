package httpapi

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/throttle"
)

// An exchange is one request on its way to its answer.
type exchange struct {
	*service
	route *route
	r     *http.Request
	w     http.ResponseWriter
	began time.Time

	caller accessctl.Caller
	known  bool // who the caller is
	params map[string]string
	query  url.Values
	body   []byte
	match  uint64   // If-Match, 0: none
	key    string   // Idempotency-Key
	undo   []func() // what to give back at the end
	status int      // answered
}

// An answer is what goes back. A body that holds values is secret: it is
// overwritten once it is sent.
type answer struct {
	status    int
	media     string
	body      []byte
	secret    bool
	etag      uint64
	retry     time.Duration
	allow     string
	challenge string
	file      string // Content-Disposition: attachment, under this name
	cacheable bool
}

// encoded is an answer in JSON.
func encoded(status int, v any) (answer, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, media: mediaJSON, body: b}, nil
}

// nothing is the answer 204.
func nothing(err error) (answer, error) { return answer{status: http.StatusNoContent}, err }

// handler serves a route.
func (s *service) handler(rt *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{service: s, route: rt, r: r, w: w, began: s.cfg.Now()}
		s.metrics.underWay.Inc()
		defer x.end()
		a, err := x.run()
		if waits, ok := waitsOf(err); ok {
			a, err = encoded(http.StatusAccepted, waits)
		}
		if err != nil {
			a = x.refused(err)
		}
		x.send(&a)
	}
}

// run is the way of a request, in the order that the package comment states.
func (x *exchange) run() (answer, error) {
	if err := x.requestID(); err != nil {
		return answer{}, err
	}
	if x.r.ContentLength > x.route.bodyLimit() && x.route.bodyLimit() > 0 {
		return answer{}, refuse(api.TooLarge, "")
	}
	if !x.route.probe {
		if !x.underWay.TryAcquire(1) {
			return answer{}, busy()
		}
		x.undo = append(x.undo, func() { x.underWay.Release(1) })
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), requestTime)
	x.undo = append(x.undo, cancel)
	x.r = x.r.WithContext(ctx)
	if err := x.admit(); err != nil {
		return answer{}, err
	}
	if err := x.form(); err != nil {
		return answer{}, err
	}
	return x.route.serve(x)
}

func busy() error {
	return &refusal{code: api.Unavailable, detail: "The service is full: try again.", retry: time.Second}
}

// requestID takes the request's id, or makes one.
func (x *exchange) requestID() error {
	x.caller.RequestID = x.cfg.NewID()
	given := x.r.Header.Values(api.HeaderRequestID)
	if len(given) == 0 {
		return nil
	}
	id, err := uuid.Parse(given[0])
	if len(given) > 1 || len(given[0]) != 36 || err != nil || id == uuid.Nil {
		return invalid(api.HeaderRequestID, "must be one UUID")
	}
	x.caller.RequestID = id
	return nil
}

// admit says who the caller is, and whether it is their turn.
func (x *exchange) admit() error {
	if x.route.probe {
		return nil
	}
	key := "address " + throttle.AddressOf(x.r.RemoteAddr)
	if !x.route.public {
		p, err := x.authenticate()
		if err != nil {
			return err
		}
		x.caller.Principal, x.known = p, true
		key = "principal " + strconv.Quote(p.Tenant) + strconv.Quote(p.Issuer) + strconv.Quote(p.Subject)
	}
	done, wait := x.principals.Take(key, x.cfg.Now())
	if wait > 0 {
		return &refusal{code: api.RateLimited, retry: wait}
	}
	x.undo = append(x.undo, done)
	return nil
}

// authenticate verifies the bearer token. Failures are metered by address, after
// the fact, so that they cannot shut out callers with good tokens.
func (x *exchange) authenticate() (accessctl.Principal, error) {
	if token, ok := bearer(x.r.Header.Values("Authorization")); ok {
		p, err := x.cfg.Auth.Verify(x.r.Context(), token)
		if err == nil {
			return p, nil
		}
	}
	done, wait := x.failures.Take(throttle.AddressOf(x.r.RemoteAddr), x.cfg.Now())
	if wait > 0 {
		return accessctl.Principal{}, &refusal{code: api.RateLimited, retry: wait}
	}
	done()
	return accessctl.Principal{}, refuse(api.Unauthenticated, "")
}

// bearer is the token of the one Authorization header (RFC 6750).
func bearer(values []string) (string, bool) {
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > api.MaxToken {
		return "", false
	}
	return token, true
}

// refused words an error, and logs what operators must know.
func (x *exchange) refused(err error) answer {
	r := problemOf(err)
	if r.code == api.Internal || r.code == api.Integrity {
		x.cfg.Logger.ErrorContext(x.r.Context(), "a request failed", "route", x.route.path,
			"request_id", x.caller.RequestID.String(), "code", string(r.code), "error", err)
	}
	return r.answer(x.caller.RequestID.String())
}

// send writes the answer in one piece.
func (x *exchange) send(a *answer) {
	h := x.w.Header()
	h.Set(api.HeaderRequestID, x.caller.RequestID.String())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if a.cacheable {
		h.Set("Cache-Control", "no-cache")
	}
	setIf(h, "Content-Type", a.media)
	setIf(h, "Allow", a.allow)
	setIf(h, "WWW-Authenticate", a.challenge)
	if a.file != "" {
		h.Set("Content-Disposition", `attachment; filename="`+a.file+`"`)
	}
	if a.etag != 0 {
		h.Set("ETag", `"`+strconv.FormatUint(a.etag, 10)+`"`)
	}
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(max(1, a.retry.Seconds())))))
	}
	if a.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close") // the rest of the body is not read
	}
	if a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	x.status = a.status
	x.w.WriteHeader(a.status)
	if len(a.body) > 0 {
		x.w.Write(a.body) //nolint:errcheck // the client is gone, and the log will say how far it came
	}
	if a.secret {
		clear(a.body)
	}
}

func setIf(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// end turns a panic into a 500 without its text, gives back what the request
// held, and says in one line that there was one.
func (x *exchange) end() {
	fault := recover()
	if fault != nil {
		x.cfg.Logger.ErrorContext(x.r.Context(), "a request panicked", "route", x.route.path,
			"request_id", x.caller.RequestID.String(), "stack", string(debug.Stack()))
		if x.status == 0 {
			a := refuse(api.Internal, "").answer(x.caller.RequestID.String())
			x.send(&a)
			fault = nil
		}
	}
	for i := len(x.undo) - 1; i >= 0; i-- {
		x.undo[i]()
	}
	clear(x.body)
	took := x.cfg.Now().Sub(x.began)
	x.metrics.underWay.Dec()
	x.metrics.done(knownMethod(x.r.Method), x.route.path, x.status, took)
	x.cfg.Logger.InfoContext(x.r.Context(), "request", "method", knownMethod(x.r.Method), "route", x.route.path,
		"status", x.status, "took_ms", float64(took.Microseconds())/1000, "request_id", x.caller.RequestID.String(), "actor", x.actor())
	if fault != nil {
		panic(http.ErrAbortHandler) // a part of the answer is out: only cutting it off is honest
	}
}

// actor names the caller in the log: a person only as "self".
func (x *exchange) actor() string {
	switch {
	case !x.known:
		return ""
	case x.caller.IsPerson():
		return "self"
	}
	return x.caller.Actor()
}

// knownMethod is the method if it is one of HTTP's: a client may send any word.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
