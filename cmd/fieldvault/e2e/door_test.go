//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// All doors by which a value might leave.
func doorCases() []testCase {
	return []testCase{
		{name: "A05_a_denied_field_by_every_door", run: deniedField},
		{name: "A06_one_forbidden_item_of_a_batch", run: forbiddenItem},
		{name: "A09_roles_without_plaintext", run: rolesWithoutPlaintext, long: true},
	}
}

// encrypt seals a value for an application to keep.
func (w *world) encrypt(t *testing.T, subject, field, value string) string {
	t.Helper()
	var sealed struct{ Results []struct{ Ciphertext string } }
	w.do(t, call{
		token: w.token(t, "app"), purpose: "support", method: "POST", path: "/v1/encrypt",
		body: fields{"items": []any{fields{"subject": subject, "field": field, "plaintext": value}}},
	}).want(t, "encrypting", "200").decode(t, &sealed)
	if len(sealed.Results) != 1 || !strings.HasPrefix(sealed.Results[0].Ciphertext, "fv1:") {
		t.Fatalf("encrypting gave %+v", sealed)
	}
	return sealed.Results[0].Ciphertext
}

// Marketing, with consent, sees the e-mail address and never the telephone number.
func deniedField(t *testing.T, w *world) {
	phone, email := "+49 30 77006391", "a05@example.org"
	w.plant(phone, "+493077006391", "77006391")
	w.put(t, "a05", fields{"email": email, "phone": phone})
	w.decide(t, "a05", "marketing", "granted").want(t, "granting", "200")
	cipher := w.encrypt(t, "a05", "customer.phone", phone)
	token, self := w.token(t, "marketing"), recordPath("a05", "customer", "self")
	item := func(names ...string) fields {
		return fields{"items": []any{fields{"subject": "a05", "collection": "customer", "record": "self", "fields": names}}}
	}
	portable := fields{"items": []any{fields{"subject": "a05", "field": "customer.phone", "ciphertext": cipher}}}
	search := fields{"collection": "customer", "field": "phone", "equals": phone}
	doors := map[string]struct {
		c    call
		want string // "": any refusal
	}{
		"beside a permitted one":  {call{path: self + "?fields=email,phone"}, "200"},
		"first":                   {call{path: self + "?fields=phone,email"}, "200"},
		"alone":                   {call{path: self + "?fields=phone"}, "404 not_found"},
		"in a second parameter":   {call{path: self + "?fields=email&fields=phone"}, ""},
		"by another case":         {call{path: self + "?fields=email,Phone"}, "400 invalid"},
		"with the collection":     {call{path: self + "?fields=email,customer.phone"}, "400 invalid"},
		"by a path":               {call{path: self + "?fields=email,/phone"}, "400 invalid"},
		"by everything":           {call{path: self + "?fields=*"}, "403 denied"},
		"by everything and it":    {call{path: self + "?fields=*,phone"}, ""},
		"without fields":          {call{path: self}, "400 invalid"},
		"with empty fields":       {call{path: self + "?fields="}, "400 invalid"},
		"in a batch":              {call{method: "POST", path: "/v1/reveal", body: item("email", "phone")}, "200"},
		"by everything, in one":   {call{method: "POST", path: "/v1/reveal", body: item("*")}, "200"},
		"by a key in other case":  {call{method: "POST", path: "/v1/reveal", body: `{"items":[{"subject":"a05","collection":"customer","record":"self","fields":["email"],"Fields":["phone"]}]}`}, "400 invalid"},
		"by a key twice":          {call{method: "POST", path: "/v1/reveal", body: `{"items":[{"subject":"a05","collection":"customer","record":"self","fields":["email"],"fields":["phone"]}]}`}, "400 invalid"},
		"by search":               {call{method: "POST", path: "/v1/search", body: search}, "403 denied"},
		"by a sorted list":        {call{path: "/v1/subjects/a05/records?sort=phone"}, ""},
		"by export":               {call{path: "/v1/subjects/a05/export"}, "403 denied"},
		"by the echo of PATCH":    {call{method: "PATCH", path: self, body: fields{"fields": fields{"city": "Oslo"}}}, "403 denied"},
		"by the echo of PUT":      {call{method: "PUT", path: self, body: fields{"fields": fields{"city": "Oslo"}}}, "403 denied"},
		"by DELETE":               {call{method: "DELETE", path: self}, "403 denied"},
		"by decrypting":           {call{method: "POST", path: "/v1/decrypt", body: portable}, "200"},
		"by re-encrypting":        {call{method: "POST", path: "/v1/reencrypt", body: portable}, ""},
		"as a filter of the list": {call{path: "/v1/subjects/a05/records?fields=phone"}, ""},
		"by HEAD":                 {call{method: "HEAD", path: self + "?fields=phone"}, "-"},
		"by a method override":    {call{method: "POST", path: self + "?fields=phone", header: map[string]string{"X-HTTP-Method-Override": "GET"}}, "-"},
	}
	for what, d := range doors {
		d.c.token, d.c.purpose = token, "marketing"
		a := w.do(t, d.c)
		w.clean(t, "the field asked for "+what, a.body)
		switch {
		case d.want == "-" && a.status < 400:
			t.Errorf("%s: %s", what, a)
		case d.want == "":
			a.notOK(t, what)
		case d.want != "-":
			a.want(t, what, d.want)
		}
	}
	if got := w.see(t, token, "marketing", "a05", "email"); got != "plain: "+email {
		t.Errorf("the permitted field: %q", got)
	}
	if a := w.reveal(t, token, "marketing", "a05", "email,phone"); a.view(t, "phone") != "hidden: purpose" {
		t.Errorf("the denied field beside it: %q", a.view(t, "phone"))
	}
	if got := w.see(t, w.token(t, "app"), "support", "a05", "phone"); got == "absent" || strings.HasPrefix(got, "4") {
		t.Errorf("the field afterwards: %q", got)
	}
}

// A person's own token asks for several people at once: at each place of the batch
// the stranger's item is refused and the others are answered.
func forbiddenItem(t *testing.T, w *world) {
	secret := w.canary("a06") + "@example.org"
	const n = 5
	for i := range n {
		w.do(t, call{
			token: w.token(t, "app"), method: "PUT", path: recordPath("a06-mine", "customer", fmt.Sprint("r", i)),
			body: fields{"fields": fields{"email": "a06@example.org"}},
		}).want(t, "storing", "201")
	}
	w.put(t, "a06-stranger", fields{"email": secret})
	token := w.token(t, "subject", personal("a06-mine"))
	for place := range n {
		var items []any
		for i := range n {
			subject, record := "a06-mine", fmt.Sprint("r", i)
			if i == place {
				subject, record = "a06-stranger", "self"
			}
			items = append(items, fields{"subject": subject, "collection": "customer", "record": record, "fields": []string{"email"}})
		}
		a := w.do(t, call{token: token, purpose: "self", method: "POST", path: "/v1/reveal", body: fields{"items": items}})
		w.clean(t, fmt.Sprintf("the batch with a stranger at place %d", place), a.body)
		var out struct {
			Results []struct {
				Status int
				Fields map[string]struct{ View, Value string }
			}
		}
		a.want(t, "the batch", "200").decode(t, &out)
		if len(out.Results) != n {
			t.Fatalf("%d results of %d items", len(out.Results), n)
		}
		for i, r := range out.Results {
			switch {
			case i == place && (r.Status < 400 || len(r.Fields) > 0):
				t.Errorf("the stranger at place %d: %+v", place, r)
			case i != place && (r.Status != 200 || r.Fields["email"].Value != "a06@example.org"):
				t.Errorf("place %d beside the stranger at %d: %+v", i, place, r)
			}
		}
	}
}

// Operators, officers and analysts walk every route there is, for every purpose,
// and read nobody's value.
func rolesWithoutPlaintext(t *testing.T, w *world) {
	who := []string{"operator", "dpo", "analyst"}
	for _, role := range who {
		email, name := w.canary("a09")+"@example.org", w.canary("Kanarin")
		street, phone := w.canary("Kanarienweg "), "+49 30 77106392"
		w.plant(phone, "+493077106392", "77106392")
		subject := "a09-" + role
		w.put(t, subject, fields{"email": email, "last_name": name, "address": street, "phone": phone, "city": name})
		for _, p := range []string{"marketing", "analytics"} {
			w.decide(t, subject, p, "granted").want(t, "granting", "200")
		}
		cipher := w.encrypt(t, subject, "customer.email", email)
		token := w.token(t, role)
		routes := w.operations(t)
		slices.SortStableFunc(routes, func(a, b operation) int { return harm(a) - harm(b) })
		for _, o := range routes {
			for _, purpose := range []string{"support", "billing", "marketing", "analytics", "self"} {
				for _, body := range o.bodies(subject, cipher, email) {
					path := o.fill(subject)
					if o.method == http.MethodGet && strings.Contains(o.path, "{record}") {
						for _, q := range []string{"?fields=email,last_name,address,phone,city", "?fields=*"} {
							w.nothing(t, role, call{token: token, purpose: purpose, method: o.method, path: path + q}, email, name, street, phone)
						}
						continue
					}
					w.nothing(t, role, call{token: token, purpose: purpose, method: o.method, path: path, body: body}, email, name, street, phone)
				}
				if harm(o) > 1 {
					break // once is enough
				}
			}
		}
	}
}

// nothing sends a call and looks for planted values in what comes back.
func (w *world) nothing(t *testing.T, role string, c call, values ...string) {
	t.Helper()
	a := w.do(t, c)
	what := fmt.Sprintf("%s %s for %s by %s", c.method, c.path, c.purpose, role)
	if a.status >= 500 {
		t.Errorf("%s: %s\n%.300s", what, a, a.body)
	}
	for _, v := range values {
		if strings.Contains(string(a.body), v) {
			t.Errorf("%s shows a value", what)
		}
	}
	w.clean(t, what, a.body)
}

// harm orders routes, so that what destroys comes last.
func harm(o operation) int {
	switch {
	case o.method == http.MethodGet:
		return 0
	case o.method == http.MethodDelete:
		return 2
	case strings.HasSuffix(o.path, "/erasure"):
		return 3
	case strings.HasSuffix(o.path, "/reenrolment"):
		return 4
	}
	return 1
}

// bodies are well-formed bodies of an operation, as far as they are known here.
func (o operation) bodies(subject, cipher, email string) []any {
	item := fields{"subject": subject, "collection": "customer", "record": "self"}
	with := func(more fields) fields {
		m := fields{}
		for k, v := range item {
			m[k] = v
		}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	if o.method == http.MethodGet || o.method == http.MethodDelete {
		return []any{nil}
	}
	switch o.path {
	case "/v1/reveal":
		return []any{
			fields{"items": []any{with(fields{"fields": []string{"email", "last_name", "address", "phone", "city"}})}},
			fields{"items": []any{with(fields{"fields": []string{"*"}})}},
		}
	case "/v1/records":
		return []any{fields{"items": []any{with(fields{"fields": fields{"city": "Oslo"}})}}}
	case "/v1/search":
		return []any{fields{"collection": "customer", "field": "email", "equals": email}}
	case "/v1/encrypt":
		return []any{fields{"items": []any{fields{"subject": subject, "field": "customer.city", "plaintext": "Oslo"}}}}
	case "/v1/decrypt", "/v1/reencrypt":
		return []any{fields{"items": []any{fields{"subject": subject, "field": "customer.email", "ciphertext": cipher}}}}
	case "/v1/policy", "/v1/catalog":
		return []any{"permit(principal, action, resource", json.RawMessage(`{}`)}
	}
	return []any{fields{}, fields{"reason": "x"}, fields{"decision": "granted"}, fields{"fields": fields{"city": "Oslo"}}}
}
