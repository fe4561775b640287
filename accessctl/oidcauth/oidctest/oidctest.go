// Package oidctest is an OpenID Connect provider for tests, which also does what none
// should:
//
//	issuer := oidctest.New(t, clock.Now)
//	address, flow, err := provider.Begin(ctx, oidcauth.Asking{})
//	who, err := provider.Finish(ctx, flow, issuer.SignIn(t, address, map[string]any{"sub": "c-1"}))
package oidctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The client that the issuer knows.
const (
	ClientID     = "fieldvault"
	ClientSecret = "canary-client-secret"
)

// An Issuer is a running provider. Its fields may be set before it is used.
type Issuer struct {
	URL string
	// Alter changes a token that is about to be signed.
	Alter func(*Token)
	// Discovery are further members of the discovery document.
	Discovery map[string]any

	now func() time.Time

	mu      sync.Mutex
	key     Key
	codes   map[string]grant
	instead map[string]http.HandlerFunc
	asked   map[string]int
}

// A grant is what the browser was sent for, and what the token will say.
type grant struct {
	query  url.Values
	claims map[string]any
}

// A Token is an ID token in the making.
type Token struct {
	Header, Claims map[string]any
	Sign           func(text string) []byte
	Access         string // the access token beside it
}

// New starts an issuer, which ends with the test.
func New(tb testing.TB, now func() time.Time) *Issuer {
	tb.Helper()
	i := &Issuer{
		now: now, key: NewKey(tb, "EdDSA"), codes: map[string]grant{}, Discovery: map[string]any{},
		instead: map[string]http.HandlerFunc{}, asked: map[string]int{},
	}
	s := httptest.NewServer(http.HandlerFunc(i.serve))
	tb.Cleanup(s.Close)
	i.URL = s.URL
	return i
}

// Use makes key the only one.
func (i *Issuer) Use(key Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key = key
}

// Instead has a handler answer for a path; nil: the issuer again.
func (i *Issuer) Instead(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.instead[path] = h
}

// Asked is how often a path was asked for.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// The paths of an issuer.
const (
	PathDiscovery = "/.well-known/openid-configuration"
	PathKeys      = "/keys"
	PathToken     = "/token"
	PathAuthorize = "/authorize"
)

// SignIn is what a person does at the provider: it takes the address that the browser
// was sent to, and gives the query that the browser goes back with. The claims are what
// the ID token will say beside what every one says.
func (i *Issuer) SignIn(tb testing.TB, address string, claims map[string]any) url.Values {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, i.URL+PathAuthorize+"?") {
		tb.Fatalf("the browser was sent to %s (%v)", address, err)
	}
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": ClientID, "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			tb.Errorf("%s is %q", name, q.Get(name))
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge", "redirect_uri"} {
		if q.Get(name) == "" {
			tb.Errorf("there is no %s", name)
		}
	}
	if !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		tb.Errorf("the scope is %q", q.Get("scope"))
	}
	code := "canary-code-" + rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.codes[code] = grant{q, claims}
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked[r.URL.Path]++
	instead, key := i.instead[r.URL.Path], i.key
	i.mu.Unlock()
	switch {
	case instead != nil:
		instead(w, r)
	case r.URL.Path == PathDiscovery:
		doc := map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + PathAuthorize, "token_endpoint": i.URL + PathToken,
			"jwks_uri": i.URL + PathKeys, "id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256", "EdDSA"},
		}
		maps.Copy(doc, i.Discovery)
		answer(w, http.StatusOK, doc)
	case r.URL.Path == PathKeys:
		answer(w, http.StatusOK, map[string]any{"keys": []any{key.JWK()}})
	case r.URL.Path == PathToken:
		i.token(w, r, key)
	default:
		http.NotFound(w, r)
	}
}

// token gives an ID token for a code, once, to the client that began with its verifier.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request, key Key) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != ClientID || secret != ClientSecret {
		answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "canary " + secret})
		return
	}
	code := r.PostFormValue("code")
	i.mu.Lock()
	g, ok := i.codes[code]
	delete(i.codes, code)
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.query.Get("code_challenge") != b64(sum[:]) || g.query.Get("redirect_uri") != r.PostFormValue("redirect_uri") {
		answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "canary " + code})
		return
	}
	now := i.now().Unix()
	t := &Token{
		Header: map[string]any{"alg": key.Alg, "kid": key.ID, "typ": "JWT"}, Sign: key.Sign, Access: "canary-access-token",
		Claims: map[string]any{"iss": i.URL, "aud": ClientID, "iat": now, "exp": now + 300, "nonce": g.query.Get("nonce")},
	}
	maps.Copy(t.Claims, g.claims)
	if i.Alter != nil {
		i.Alter(t)
	}
	answer(w, http.StatusOK, map[string]any{"access_token": t.Access, "token_type": "Bearer", "id_token": t.text(), "refresh_token": "canary-refresh"})
}

// text signs the token.
func (t *Token) text() string {
	header, _ := json.Marshal(t.Header)
	claims, _ := json.Marshal(t.Claims)
	text := b64(header) + "." + b64(claims)
	return text + "." + b64(t.Sign(text))
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
