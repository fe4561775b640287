package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
)

// form checks what can be checked without the vault: path, query, headers, body.
func (x *exchange) form() error {
	if x.route.probe {
		return nil
	}
	for _, step := range []func() error{x.pathParams, x.queryParams, x.conditions, x.onceKey, x.purposeHeader, x.readBody} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// pathParams decodes each path parameter exactly once: chi routes on the raw path
// if there is one, and else on the one that net/url has decoded.
func (x *exchange) pathParams() error {
	rc := chi.RouteContext(x.r.Context())
	if rc == nil || len(rc.URLParams.Keys) == 0 {
		return nil
	}
	x.params = make(map[string]string, len(rc.URLParams.Keys))
	for i, name := range rc.URLParams.Keys {
		value := rc.URLParams.Values[i]
		if x.r.URL.RawPath != "" {
			var err error
			if value, err = url.PathUnescape(value); err != nil {
				return invalid(name, "must be percent-encoded once")
			}
		}
		if name == "*" {
			name = "path"
		}
		x.params[name] = value
	}
	return nil
}

// maxRepeats bounds how often a parameter stands.
const maxRepeats = 100

// queryParams refuses parameters that the route does not have, or twice
// where that means nothing.
func (x *exchange) queryParams() error {
	if x.r.URL.RawQuery == "" {
		return nil
	}
	q, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return invalid("query", "must be percent-encoded once, with & between parameters")
	}
	for name, values := range q {
		if !slices.ContainsFunc(x.route.query, func(p parameter) bool { return p.name == name }) {
			return invalid("query", "has a parameter that the route does not know")
		}
		switch {
		case len(values) > maxRepeats:
			return invalid(name, "must stand at most "+strconv.Itoa(maxRepeats)+" times")
		case len(values) != 1 && !slices.Contains(x.route.repeats, name):
			return invalid(name, "must stand once")
		}
	}
	x.query = q
	return nil
}

// conditions reads If-Match, and refuses conditions that would be ignored.
func (x *exchange) conditions() error {
	h := x.r.Header
	if x.r.Method == http.MethodGet {
		return nil // a condition on a read only saves sending it
	}
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if len(h.Values(name)) > 0 {
			return invalid(name, "is not supported: use If-Match")
		}
	}
	values := h.Values("If-Match")
	if len(values) == 0 {
		return nil
	}
	if !x.route.ifMatch {
		return invalid("If-Match", "is not supported on this route")
	}
	rev, ok := etag(values)
	if !ok {
		return invalid("If-Match", `must be one revision in quotes, such as "1"`)
	}
	x.match = rev
	return nil
}

// etag reads the one strong entity tag that this API hands out.
func etag(values []string) (uint64, bool) {
	if len(values) != 1 || len(values[0]) < 3 || values[0][0] != '"' || values[0][len(values[0])-1] != '"' {
		return 0, false
	}
	return positive(values[0][1 : len(values[0])-1])
}

// positive reads a whole number from 1, in its one spelling.
func positive(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// onceKey reads the Idempotency-Key.
func (x *exchange) onceKey() error {
	values := x.r.Header.Values(api.HeaderIdempotencyKey)
	if len(values) == 0 || x.r.Method == http.MethodGet {
		return nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > api.MaxIdempotencyKey || !printable(values[0]) {
		return invalid(api.HeaderIdempotencyKey, "must be one key of 1 to 255 printable ASCII characters")
	}
	x.key = values[0]
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// idempotency is the key with what was asked under it.
func (x *exchange) idempotency() vault.Idempotency {
	if x.key == "" {
		return vault.Idempotency{}
	}
	var b []byte
	for _, part := range []string{x.r.Method, x.r.URL.EscapedPath(), strconv.FormatUint(x.match, 10)} {
		b = append(append(b, part...), '\n')
	}
	return vault.Idempotency{Key: x.key, Request: append(b, x.body...)}
}

// purposeHeader takes the purpose. Whether one is needed and known, the vault says.
func (x *exchange) purposeHeader() error {
	values := x.r.Header.Values(api.HeaderPurpose)
	switch {
	case len(values) > 1:
		return invalid("purpose", "must be named once, by one header Fieldvault-Purpose")
	case len(values) == 1:
		x.caller.Purpose = accessctl.Purpose(values[0])
	}
	return nil
}

// readBody reads the body of routes that take one, and refuses it on those that
// do not.
func (x *exchange) readBody() error {
	limit := x.route.bodyLimit()
	if x.r.Method == http.MethodGet {
		return nil
	}
	if e := strings.Join(x.r.Header.Values("Content-Encoding"), ","); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(api.Unsupported, "Compressed bodies are not decoded: send the body as it is.")
	}
	if x.r.ContentLength == 0 {
		if limit > 0 && !x.route.optional {
			return invalid("body", "is required")
		}
		return nil
	}
	if limit > 0 {
		if err := checkMedia(x.r.Header, x.route.accepts()); err != nil {
			return err
		}
	}
	body, free, err := x.bodies.read(x.r, limit)
	x.undo = append(x.undo, free)
	switch {
	case limit == 0 && (err != nil || len(body) > 0):
		return invalid("body", "must be empty on this route")
	case err != nil:
		return err
	case len(body) == 0 && limit > 0 && !x.route.optional:
		return invalid("body", "is required")
	}
	x.body = body
	return nil
}

// decode reads the body into v, strictly. An optional body that is not there
// leaves v as it is.
func (x *exchange) decode(v any) error {
	if len(x.body) == 0 && x.route.optional {
		return nil
	}
	return api.Unmarshal(x.body, v)
}

// flag reads a query parameter that is true or false.
func (x *exchange) flag(name string) (bool, error) {
	switch x.query.Get(name) {
	case "":
		if x.query.Has(name) {
			return false, invalid(name, "must be true or false")
		}
		return false, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalid(name, "must be true or false")
}

// number reads a query parameter that is a whole number from 1; 0 if it is absent.
func (x *exchange) number(name string) (int, error) {
	if !x.query.Has(name) {
		return 0, nil
	}
	n, ok := positive(x.query.Get(name))
	if !ok || n > api.MaxPage {
		return 0, invalid(name, "must be from 1 to "+strconv.Itoa(api.MaxPage))
	}
	return int(n), nil
}
