//go:build e2e

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A call is one request. Its zero values are left out of it.
type call struct {
	token, purpose string
	method, path   string
	body           any // a string is sent as it is; anything else as JSON
	header         map[string]string
	add            http.Header // after the others, and beside them
}

// An answer is what came back, wholly read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// String is status and code, or status alone.
func (a answer) String() string {
	if code := a.code(); code != "" {
		return fmt.Sprintf("%d %s", a.status, code)
	}
	return fmt.Sprint(a.status)
}

// code is the problem's code.
func (a answer) code() string {
	var p struct{ Code string }
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(a.body, &p) != nil {
		return ""
	}
	return p.Code
}

// decode reads the body as JSON.
func (a answer) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("the answer %s is not what was expected: %v\n%s", a, err, a.body)
	}
}

// want checks status and, for a problem, code: "404 not_found".
func (a answer) want(t *testing.T, what, want string) answer {
	t.Helper()
	if a.String() != want {
		t.Errorf("%s: %s, want %s\n%.600s", what, a, want, a.body)
	}
	return a
}

// do sends a request to the world's service.
func (w *world) do(t *testing.T, c call) answer {
	t.Helper()
	return w.at(t, w.url, c)
}

// at sends a request to one of the service's processes.
func (w *world) at(t *testing.T, base string, c call) answer {
	t.Helper()
	a, err := w.try(t, base, c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.path, err)
	}
	return a
}

// try is at without failing the test.
func (w *world) try(t *testing.T, base string, c call) (answer, error) {
	t.Helper()
	var body io.Reader
	switch b := c.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	case io.Reader:
		body = b
	default:
		text, err := json.Marshal(b)
		must(t, err)
		body = bytes.NewReader(text)
	}
	if c.method == "" {
		c.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, base+c.path, body)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.purpose != "" {
		r.Header.Set("Fieldvault-Purpose", c.purpose)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	for name, values := range c.add {
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	resp, err := w.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

// get fetches a page without a token.
func (w *world) get(t *testing.T, url string) answer {
	t.Helper()
	return w.at(t, url, call{})
}

type fields = map[string]any

func recordPath(subject, collection, record string) string {
	return "/v1/subjects/" + subject + "/records/" + collection + "/" + record
}

// put stores a person's record "self" of collection customer, which must succeed.
func (w *world) put(t *testing.T, subject string, f fields) {
	t.Helper()
	w.putIn(t, "default", subject, f)
}

// putIn is put in a tenant.
func (w *world) putIn(t *testing.T, tenant, subject string, f fields) {
	t.Helper()
	a := w.do(t, call{token: w.in(t, tenant, "app"), method: "PUT", path: recordPath(subject, "customer", "self"), body: fields{"fields": f}})
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		t.Fatalf("storing a record: %s\n%s", a, a.body)
	}
}

// in is a token of a role in a tenant.
func (w *world) in(t *testing.T, tenant, role string) string {
	t.Helper()
	if tenant == "other" {
		return w.tokenBy(t, w.away, role, of(tenant))
	}
	return w.token(t, role, of(tenant))
}

// reveal asks for one field of a person's record "self".
func (w *world) reveal(t *testing.T, token, purpose, subject, field string) answer {
	t.Helper()
	return w.do(t, call{token: token, purpose: purpose, path: recordPath(subject, "customer", "self") + "?fields=" + field})
}

// see says what a caller gets of one field: "plain: value", "masked: value",
// "hidden: reason", "absent", or status and code.
func (w *world) see(t *testing.T, token, purpose, subject, field string) string {
	t.Helper()
	return w.reveal(t, token, purpose, subject, field).view(t, field)
}

func (a answer) view(t *testing.T, field string) string {
	t.Helper()
	if a.status != http.StatusOK {
		return a.String()
	}
	var r struct {
		Fields map[string]struct {
			View, Reason string
			Value        any
		}
	}
	a.decode(t, &r)
	f, ok := r.Fields[field]
	switch {
	case !ok:
		return "absent"
	case f.View == "hidden" && f.Value == nil:
		return "hidden: " + f.Reason
	}
	return fmt.Sprint(f.View, ": ", f.Value)
}

// erase erases a person of tenant default and returns the certificate.
func (w *world) erase(t *testing.T, subject string) answer {
	t.Helper()
	return w.do(t, call{token: w.token(t, "dpo"), method: "POST", path: "/v1/subjects/" + subject + "/erasure", body: fields{"reason": "asked for it"}})
}

// decide records a person's consent.
func (w *world) decide(t *testing.T, subject, purpose, decision string) answer {
	t.Helper()
	return w.decideAt(t, w.url, subject, purpose, decision)
}

// decideAt records it at one node.
func (w *world) decideAt(t *testing.T, node, subject, purpose, decision string) answer {
	t.Helper()
	return w.at(t, node, call{
		token: w.token(t, "dpo"), method: "PUT", path: "/v1/subjects/" + subject + "/consents/" + purpose,
		body: fields{"decision": decision},
	})
}
