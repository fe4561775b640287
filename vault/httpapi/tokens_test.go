package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/vault/api"
)

// tokens posts a body to one of the three routes.
func (w *world) tokens(route, token, purpose string, body any) got {
	b, err := json.Marshal(body)
	if err != nil {
		w.tb.Fatal(err)
	}
	return w.do(ask{method: "POST", path: "/v1/tokens" + route, token: token, purpose: purpose, body: string(b)})
}

func emailItems(subjects ...string) []api.TokenItem {
	items := make([]api.TokenItem, len(subjects))
	for i, s := range subjects {
		items[i] = api.TokenItem{Subject: s, Record: "self", Field: "email"}
	}
	return items
}

func TestTokensOverHTTP(t *testing.T) {
	w := serve(t)
	w.put(self, `{"email":"luisg@embraer.com.br","phone":"+55 (12) 3923-5555"}`).want(201)
	var made, again api.TokenAnswer
	in := api.TokenRequest{Collection: "customer", Kind: "deterministic", Items: emailItems("c-17", "c-99", "..", "c-17")}
	w.tokens("", "app", "support", in).want(200, &made)
	w.tokens("", "app", "support", in).want(200, &again)
	if d := cmp.Diff(made, again); d != "" {
		t.Error(d)
	}
	var codes []api.Code
	for _, r := range made.Results {
		codes = append(codes, r.Code)
	}
	if d := cmp.Diff([]api.Code{"", api.NotFound, api.Invalid, ""}, codes); d != "" {
		t.Fatal(d)
	}
	text := made.Results[0].Token
	if len(text) != 36 || made.Results[3].Token != text || made.Results[0].Expires != nil {
		t.Errorf("%+v", made)
	}

	var seen api.TokenValues
	g := w.tokens("/reveal", "app", "support", api.Tokens{Tokens: []string{"", text, "fvt_" + strings.Repeat("a", 32)}}).want(200, &seen)
	if g.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", g.header)
	}
	nothing := api.TokenValue{Outcome: api.Outcome{Status: 404, Code: api.NotFound}}
	plain := api.TokenValue{Outcome: api.Outcome{Status: 200}, View: "plain", Value: json.RawMessage(`"luisg@embraer.com.br"`)}
	if d := cmp.Diff([]api.TokenValue{nothing, plain, nothing}, seen.Results); d != "" {
		t.Error(d)
	}
	seen = api.TokenValues{}
	w.tokens("/reveal", "support", "support", api.Tokens{Tokens: []string{text}}).want(200, &seen)
	if r := seen.Results[0]; r.View != "masked" || string(r.Value) != `"l••••@embraer.com.br"` {
		t.Errorf("%+v", r)
	}

	// Of the field's form, for an hour and once.
	once := api.TokenRequest{
		Collection: "customer", Kind: "format", ExpiresIn: 3600, SingleUse: true,
		Items: []api.TokenItem{{Subject: "c-17", Record: "self", Field: "phone"}},
	}
	made = api.TokenAnswer{}
	w.tokens("", "app", "support", once).want(200, &made)
	if r := made.Results[0]; r.Expires == nil || len(r.Token) != len("+55 (12) 3923-5555") || !strings.HasSuffix(r.Token, "55") {
		t.Errorf("%+v", made)
	}
	for _, want := range []api.Code{"", api.NotFound} {
		seen = api.TokenValues{}
		w.tokens("/reveal", "app", "support", api.Tokens{Tokens: []string{made.Results[0].Token}}).want(200, &seen)
		if seen.Results[0].Code != want {
			t.Errorf("%+v, want code %q", seen, want)
		}
	}

	var held api.Export
	w.do(ask{method: "GET", path: "/v1/subjects/c-17/export", token: "dpo"}).want(200, &held)
	if d := cmp.Diff([]api.ExportTokens{{Collection: "customer", Field: "email", Purpose: "support", Kind: "deterministic", Count: 1}}, held.Tokens); d != "" {
		t.Error(d)
	}

	var gone api.TokensRevoked
	w.tokens("/revoke", "app", "support", api.Tokens{Tokens: []string{text, "x"}}).want(200, &gone)
	if d := cmp.Diff([]api.Outcome{{Status: 200}, {Status: 404, Code: api.NotFound}}, gone.Results); d != "" {
		t.Error(d)
	}
	seen = api.TokenValues{}
	w.tokens("/reveal", "app", "support", api.Tokens{Tokens: []string{text}}).want(200, &seen)
	if d := cmp.Diff([]api.TokenValue{nothing}, seen.Results); d != "" {
		t.Error(d)
	}
	if strings.Contains(w.log.String(), "fvt_") {
		t.Error("a token is in the log")
	}
}

func TestTokensRefused(t *testing.T) {
	w := serve(t)
	many := make([]string, api.MaxItems+1)
	for i := range many {
		many[i] = "c-1"
	}
	one := api.TokenRequest{Collection: "customer", Kind: "random", Items: emailItems("c-1")}
	with := func(change func(*api.TokenRequest)) api.TokenRequest {
		in := one
		change(&in)
		return in
	}
	for _, c := range []struct {
		name, route, token, purpose string
		body                        any
		code                        api.Code
		field                       string
	}{
		{"no purpose", "", "app", "", one, api.Invalid, "purpose"},
		{"an unknown purpose", "", "app", "nothing", one, api.Invalid, "purpose"},
		{"nothing", "", "app", "support", with(func(in *api.TokenRequest) { in.Items = []api.TokenItem{} }), api.Invalid, "items"},
		{"too many", "", "app", "support", with(func(in *api.TokenRequest) { in.Items = emailItems(many...) }), api.TooLarge, ""},
		{"no kind", "", "app", "support", with(func(in *api.TokenRequest) { in.Kind = "" }), api.Invalid, "kind"},
		{"another kind", "", "app", "support", with(func(in *api.TokenRequest) { in.Kind = "Random" }), api.Invalid, "kind"},
		{"a deterministic one for a single use", "", "app", "support", with(func(in *api.TokenRequest) { in.Kind, in.SingleUse = "deterministic", true }), api.Invalid, "kind"},
		{"no collection", "", "app", "support", with(func(in *api.TokenRequest) { in.Collection = "" }), api.Invalid, "collection"},
		{"less than nothing", "", "app", "support", with(func(in *api.TokenRequest) { in.ExpiresIn = -1 }), api.Invalid, "expires_in"},
		{"longer than ten years", "", "app", "support", with(func(in *api.TokenRequest) { in.ExpiresIn = 315619201 }), api.Invalid, "expires_in"},
		{"longer than a number", "", "app", "support", with(func(in *api.TokenRequest) { in.ExpiresIn = 1 << 62 }), api.Invalid, "expires_in"},
		{"support makes one", "", "support", "support", one, api.Denied, ""},
		{"for marketing", "", "app", "marketing", one, api.Denied, ""},
		{"a person", "", "subject:c-1", "self", one, api.Denied, ""},
		{"none to read", "/reveal", "app", "support", api.Tokens{Tokens: []string{}}, api.Invalid, "tokens"},
		{"too many to read", "/reveal", "app", "support", api.Tokens{Tokens: many}, api.TooLarge, ""},
		{"billing reads", "/reveal", "billing", "billing", api.Tokens{Tokens: many[:1]}, api.Denied, ""},
		{"an operator reads", "/reveal", "operator", "support", api.Tokens{Tokens: many[:1]}, api.Denied, ""},
		{"without purpose", "/reveal", "app", "", api.Tokens{Tokens: many[:1]}, api.Invalid, "purpose"},
		{"none to revoke", "/revoke", "app", "support", api.Tokens{}, api.Invalid, "tokens"},
		{"support revokes", "/revoke", "support", "support", api.Tokens{Tokens: many[:1]}, api.Denied, ""},
	} {
		p := w.tokens(c.route, c.token, c.purpose, c.body).refused(c.code)
		if c.field != "" && (len(p.Fields) != 1 || p.Fields[0].Field != c.field) {
			t.Errorf("%s: %+v", c.name, p.Fields)
		}
	}
	for _, body := range []string{`{"tokens":["x"],"all":true}`, `{"tokens":"x"}`, `{"tokens":["x"]}x`, `{"tokens":[1]}`} {
		w.do(ask{method: "POST", path: "/v1/tokens/reveal", token: "app", purpose: "support", body: body}).refused(api.Invalid)
	}
}
