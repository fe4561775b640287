//go:build e2e

package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func tokenCases() []testCase {
	return []testCase{
		{name: "T01_forged_tokens", run: forgedTokens},
		{name: "T02_keys_named_in_the_header", run: keysInTheHeader},
		{name: "T03_how_the_token_is_sent", run: howTheTokenIsSent},
		{name: "T04_a_key_set_that_is_rotated", run: rotatedKeySet},
		{name: "T05_a_flood_of_unknown_keys", run: floodOfUnknownKeys},
	}
}

func b64(v any) string {
	b, ok := v.([]byte)
	if !ok {
		text, isText := v.(string)
		if b = []byte(text); !isText {
			b, _ = json.Marshal(v)
		}
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// A forger knows all that is public: the key set, and a token of its own.
type forger struct {
	header, claims map[string]any
	public         ed25519.PublicKey
	jwk            []byte
	own            ed25519.PrivateKey
}

func newForger(t *testing.T, w *world) *forger {
	t.Helper()
	f := &forger{}
	parts := strings.Split(w.token(t, "app"), ".")
	for i, into := range []any{&f.header, &f.claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		must(t, err)
		must(t, json.Unmarshal(b, into))
	}
	var set struct{ Keys []json.RawMessage }
	must(t, json.Unmarshal(w.home.JWKS(), &set))
	f.jwk = set.Keys[0]
	var key struct{ X string }
	must(t, json.Unmarshal(f.jwk, &key))
	x, err := base64.RawURLEncoding.DecodeString(key.X)
	must(t, err)
	f.public = x
	_, f.own, err = ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return f
}

func with(m map[string]any, change map[string]any) map[string]any {
	m = maps.Clone(m)
	for k, v := range change {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

// hmacked signs with a public key's bytes as if they were a secret.
func (f *forger) hmacked(secret []byte) string {
	text := b64(with(f.header, map[string]any{"alg": "HS256"})) + "." + b64(f.claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(mac.Sum(nil))
}

// signed signs with a key of the forger's own.
func (f *forger) signed(header, claims any) string {
	text := b64(header) + "." + b64(claims)
	sig, _ := f.own.Sign(nil, []byte(text), crypto.Hash(0))
	return text + "." + b64(sig)
}

func forgedTokens(t *testing.T, w *world) {
	f := newForger(t, w)
	good := w.token(t, "app")
	parts := strings.Split(good, ".")
	der, err := x509.MarshalPKIXPublicKey(f.public)
	must(t, err)
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	claims := func(change map[string]any) string { return f.signed(f.header, with(f.claims, change)) }
	forged := map[string]string{
		"another key, our kid":      f.signed(f.header, f.claims),
		"another key, no kid":       f.signed(with(f.header, map[string]any{"kid": nil}), f.claims),
		"another key, kid a path":   f.signed(with(f.header, map[string]any{"kid": "../../../../dev/null"}), f.claims),
		"another key, kid is SQL":   f.signed(with(f.header, map[string]any{"kid": "' UNION SELECT 'x"}), f.claims),
		"another key, kid of 4 KiB": f.signed(with(f.header, map[string]any{"kid": strings.Repeat("k", 4096)}), f.claims),
		"another key, kid with NUL": f.signed(with(f.header, map[string]any{"kid": "a\x00b"}), f.claims),
		"a changed claim":           parts[0] + "." + b64(with(f.claims, map[string]any{"roles": []string{"app", "dpo"}})) + "." + parts[2],
		"a changed signature":       parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),
		"no signature":              parts[0] + "." + parts[1] + ".",
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                good + "." + parts[2],
		"padded":                    parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"line break in it":          parts[0] + "." + parts[1] + "%0a." + parts[2],
		"HS256 with the PEM":        f.hmacked(pemKey),
		"HS256 with the PEM's text": f.hmacked([]byte(strings.TrimSpace(string(pemKey)))),
		"HS256 with the DER":        f.hmacked(der),
		"HS256 with the raw key":    f.hmacked(f.public),
		"HS256 with the JWK":        f.hmacked(f.jwk),
		"HS256 with nothing":        f.hmacked(nil),
		"no exp":                    claims(map[string]any{"exp": nil}),
		"over 8 KiB":                good + strings.Repeat("A", 9000),
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", ""} {
		forged["alg "+alg] = b64(with(f.header, map[string]any{"alg": alg})) + "." + b64(f.claims) + "."
		forged["alg "+alg+", signed"] = b64(with(f.header, map[string]any{"alg": alg})) + "." + b64(f.claims) + "." + parts[2]
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	text := b64(with(f.header, map[string]any{"alg": "ES256"})) + "." + b64(f.claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := ecdsa.SignASN1(rand.Reader, ec, sum[:])
	must(t, err)
	forged["ES256"] = text + "." + b64(sig)
	forged["ES256 of zeros"] = text + "." + b64(make([]byte, 64))
	for what, token := range forged {
		a := w.reveal(t, token, "support", "c-5", "email")
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
	}
	strictClaims(t, w)
	if got := w.see(t, good, "support", "c-5", "city"); got != "plain: Prague" {
		t.Errorf("the genuine token afterwards: %q", got)
	}
}

// strictClaims signs with the issuer's own key what no token may say.
func strictClaims(t *testing.T, w *world) {
	t.Helper()
	key := w.key(t)
	f := newForger(t, w)
	f.own = key
	if got := w.see(t, f.signed(f.header, f.claims), "support", "c-5", "city"); got != "plain: Prague" {
		t.Fatalf("a token signed here by the issuer's key: %q", got)
	}
	now := time.Now().Unix()
	for what, change := range map[string]map[string]any{
		"no exp": {"exp": nil}, "exp as text": {"exp": "9999999999"}, "exp 1e300": {"exp": 1e300}, "exp negative": {"exp": -1},
		"exp past": {"exp": now - 120, "iat": now - 240}, "exp null": {"exp": json.RawMessage("null")},
		"no iat": {"iat": nil}, "iat in the future": {"iat": now + 600, "exp": now + 1200}, "nbf in the future": {"nbf": now + 600},
		"over an hour": {"iat": now, "exp": now + 7200}, "no aud": {"aud": nil}, "aud empty": {"aud": ""}, "aud an empty list": {"aud": []string{}},
		"aud in another case": {"aud": "FieldVault"}, "aud another": {"aud": "another"}, "no sub": {"sub": nil}, "sub empty": {"sub": ""},
		"no tenant": {"tenant": nil}, "tenant empty": {"tenant": ""}, "tenant a list": {"tenant": []string{"default"}}, "no iss": {"iss": nil},
		"iss another": {"iss": awayIssuer}, "iss with a slash": {"iss": homeIssuer + "/"}, "roles as text": {"roles": "app"}, "purposes as text": {"purposes": "support"},
		"a person without the role": {"subject": "c-5"},
	} {
		a := w.reveal(t, f.signed(f.header, with(f.claims, change)), "support", "c-5", "email")
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
	}
	raw, err := json.Marshal(f.claims)
	must(t, err)
	for what, claims := range map[string]string{
		"exp twice":            strings.Replace(string(raw), "{", `{"exp":9999999999,`, 1),
		"exp in another case":  strings.Replace(string(raw), "{", `{"EXP":9999999999,`, 1),
		"roles in other case":  strings.Replace(string(raw), "{", `{"Roles":["dpo"],`, 1),
		"tenant twice":         strings.Replace(string(raw), "{", `{"tenant":"other",`, 1),
		"trailing data":        string(raw) + `{"roles":["dpo"]}`,
		"a list":               "[" + string(raw) + "]",
		"not JSON":             "exp=9999999999",
		"with a mark in front": "\ufeff" + string(raw),
	} {
		a := w.reveal(t, f.signed(f.header, claims), "support", "c-5", "email")
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
	}
	for what, change := range map[string]map[string]any{
		"crit unknown": {"crit": []string{"b64"}, "b64": false}, "crit of nothing": {"crit": []string{}}, "zip": {"zip": "DEF"},
	} {
		a := w.reveal(t, f.signed(with(f.header, change), f.claims), "support", "c-5", "email")
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// key is the private key of the home issuer.
func (w *world) key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	path := t.TempDir() + "/issuer.jwk"
	must(t, w.home.Save(path))
	var k struct{ D string }
	must(t, json.Unmarshal(readFile(t, path), &k))
	seed, err := base64.RawURLEncoding.DecodeString(k.D)
	must(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

// Nothing that a header points to is fetched.
func keysInTheHeader(t *testing.T, w *world) {
	f := newForger(t, w)
	public := b64([]byte(f.own.Public().(ed25519.PublicKey)))
	jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": public, "kid": "mine", "alg": "EdDSA", "use": "sig"}
	var asked atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_ = json.NewEncoder(rw).Encode(map[string]any{"keys": []any{jwk}})
	}))
	defer trap.Close()
	for what, change := range map[string]map[string]any{
		"jku": {"jku": trap.URL, "kid": "mine"}, "x5u": {"x5u": trap.URL, "kid": "mine"}, "jwk": {"jwk": jwk, "kid": "mine"},
		"x5c": {"x5c": []string{b64("x")}, "kid": "mine"}, "kid as URL": {"kid": trap.URL},
	} {
		a := w.reveal(t, f.signed(with(f.header, change), f.claims), "support", "c-5", "email")
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
		if iss := f.signed(with(f.header, change), with(f.claims, map[string]any{"iss": trap.URL})); w.reveal(t, iss, "support", "c-5", "email").status == http.StatusOK {
			t.Errorf("%s with its own issuer is accepted", what)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests for keys that a token named", n)
	}
}

func howTheTokenIsSent(t *testing.T, w *world) {
	good, path := w.token(t, "app"), recordPath("c-5", "customer", "self")+"?fields=city"
	for what, c := range map[string]call{
		"in the query":           {path: path + "&access_token=" + good},
		"in a cookie":            {path: path, header: map[string]string{"Cookie": "token=" + good}},
		"under another name":     {path: path, header: map[string]string{"X-Authorization": "Bearer " + good}},
		"as Basic":               {path: path, header: map[string]string{"Authorization": "Basic " + good}},
		"without a scheme":       {path: path, header: map[string]string{"Authorization": good}},
		"twice in one":           {path: path, header: map[string]string{"Authorization": "Bearer " + good + " " + good}},
		"two, listed":            {path: path, header: map[string]string{"Authorization": "Bearer " + good + ", Bearer " + good}},
		"two headers":            {path: path, add: http.Header{"Authorization": {"Bearer " + good, "Bearer x"}}},
		"two headers, good last": {path: path, add: http.Header{"Authorization": {"Bearer x", "Bearer " + good}}},
	} {
		c.purpose = "support"
		a := w.do(t, c)
		if got := a.String(); got != "401 unauthenticated" && got != "429 rate_limited" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if a := w.do(t, call{path: path, purpose: "support", token: good}); a.status != http.StatusOK {
		t.Errorf("as it should be: %s", a)
	}
}
