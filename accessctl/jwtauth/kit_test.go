package jwtauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

const (
	issuerA = "https://a.example.org"
	issuerB = "https://b.example.org"
)

// start is where the tests' clocks stand.
var start = time.Unix(1_800_000_000, 0).UTC()

// keyPair is a private key and its JWK.
type keyPair struct {
	id, alg string
	private crypto.Signer
}

func newKey(id, alg string) keyPair {
	var private crypto.Signer
	var err error
	switch alg {
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return keyPair{id, alg, private}
}

// keys are the keys of the two issuers. B has one under the id of a key of A.
var keys = sync.OnceValue(func() map[string]keyPair {
	return map[string]keyPair{
		"a-ed": newKey("a-ed", "EdDSA"), "a-rsa": newKey("a-rsa", "RS256"), "a-ec": newKey("a-ec", "ES256"),
		"b-ed": newKey("b-ed", "EdDSA"), "b as a": newKey("a-ed", "EdDSA"),
		"new": newKey("new", "EdDSA"), "stranger": newKey("stranger", "EdDSA"),
	}
})

// jwk is the key's public half as JSON, with further members.
func (k keyPair) jwk(more ...string) string {
	var m string
	switch pub := k.private.Public().(type) {
	case ed25519.PublicKey:
		m = fmt.Sprintf(`"kty":"OKP","crv":"Ed25519","x":%q`, b64(pub))
	case *rsa.PublicKey:
		m = fmt.Sprintf(`"kty":"RSA","n":%q,"e":%q`, b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes()))
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		m = fmt.Sprintf(`"kty":"EC","crv":%q,"x":%q,"y":%q`, pub.Params().Name, b64(point[1:1+half]), b64(point[1+half:]))
	}
	return "{" + strings.Join(append([]string{m, fmt.Sprintf(`"kid":%q`, k.id)}, more...), ",") + "}"
}

func keySet(list ...keyPair) string {
	var jwks []string
	for _, k := range list {
		jwks = append(jwks, k.jwk())
	}
	return `{"keys":[` + strings.Join(jwks, ",") + `]}`
}

// sign signs the first two parts of a token, after its algorithm.
func (k keyPair) sign(alg string, text string) []byte {
	digest := sha256.Sum256([]byte(text))
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(text))
	case *rsa.PrivateKey:
		if alg == "PS256" {
			sig, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], nil)
			if err != nil {
				panic(err)
			}
			return sig
		}
		sig, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
		if err != nil {
			panic(err)
		}
		return sig
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			panic(err)
		}
		n := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}
	return nil
}

func hs(alg string, secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	switch alg {
	case "HS384":
		h = hmac.New(sha512.New384, secret)
	case "HS512":
		h = hmac.New(sha512.New, secret)
	}
	h.Write([]byte(text))
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// header is a token's header with other or further members.
func header(k keyPair, changes ...string) string {
	return members([]string{"alg", fmt.Sprintf("%q", k.alg), "kid", fmt.Sprintf("%q", k.id), "typ", `"JWT"`}, changes)
}

// payload is a good payload of issuer A with other or further members, given as
// name=JSON; name alone leaves a member out, and +text adds text as it is.
func payload(changes ...string) string {
	at := start.Unix()
	return members([]string{
		"iss", `"` + issuerA + `"`, "aud", `"fieldvault"`, "sub", `"svc-1"`, "tenant", `"default"`,
		"iat", fmt.Sprint(at - 60), "exp", fmt.Sprint(at + 600), "roles", `["app"]`,
	}, changes)
}

func members(pairs, changes []string) string {
	var added []string
	for _, change := range changes {
		if text, ok := strings.CutPrefix(change, "+"); ok {
			added = append(added, text)
			continue
		}
		name, value, given := strings.Cut(change, "=")
		found := false
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				found = true
				pairs[i+1] = value
			}
		}
		if !found && given {
			pairs = append(pairs, name, value)
		}
	}
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			list = append(list, fmt.Sprintf("%q:%s", pairs[i], pairs[i+1]))
		}
	}
	return "{" + strings.Join(append(list, added...), ",") + "}"
}

// token signs header and payload, which need not be JSON, as the key's own
// algorithm does.
func token(k keyPair, header, payload string) string {
	text := b64([]byte(header)) + "." + b64([]byte(payload))
	return text + "." + b64(k.sign(k.alg, text))
}

// good is a token of issuer A that verifies, with a changed payload.
func good(changes ...string) string {
	k := keys()["a-ed"]
	return token(k, header(k), payload(changes...))
}

// clock is a clock that stands until it is moved.
type clock struct{ atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.Add(int64(d)) }

func config(c *clock) jwtauth.Config {
	k := keys()
	return jwtauth.Config{
		Audience: jwtauth.Audience,
		Issuers: []jwtauth.Issuer{
			{
				Name: issuerA, Tenants: []string{"default", "second"}, Algorithms: []string{"EdDSA", "RS256", "ES256"},
				JWKS: []byte(keySet(k["a-ed"], k["a-rsa"], k["a-ec"])),
			},
			{
				Name: issuerB, Tenants: []string{"other"}, Algorithms: []string{"EdDSA"},
				JWKS: []byte(keySet(k["b-ed"], k["b as a"])),
			},
		},
		Now: c.now,
	}
}

func verifier(t testing.TB, cfg jwtauth.Config) *jwtauth.Verifier {
	t.Helper()
	v, err := jwtauth.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// issuerServer serves a key set and counts who asks for it.
type issuerServer struct {
	*httptest.Server
	requests atomic.Int64
	answer   atomic.Pointer[http.HandlerFunc]
}

func newIssuerServer(t testing.TB, set string) *issuerServer {
	t.Helper()
	s := new(issuerServer)
	s.serve(set)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *issuerServer) handle(f http.HandlerFunc) { s.answer.Store(&f) }

func (s *issuerServer) serve(set string) {
	s.handle(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(set)) })
}

// overHTTP is a configuration whose issuer A is behind the server.
func overHTTP(c *clock, s *issuerServer) jwtauth.Config {
	cfg := config(c)
	cfg.Issuers = cfg.Issuers[:1]
	cfg.Issuers[0].JWKS, cfg.Issuers[0].JWKSURL = nil, s.URL
	cfg.HTTPClient = s.Client()
	return cfg
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
