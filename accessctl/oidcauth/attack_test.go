package oidcauth_test

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/accessctl/oidcauth"
	"github.com/fieldvault/fieldvault/accessctl/oidcauth/oidctest"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// TestAttackReplay: a code and a state count once, in the browser that began.
func TestAttackReplay(t *testing.T) {
	r := newRig(t)
	address, flow := r.begin(t, oidcauth.Asking{})
	query := r.issuer.SignIn(t, address, person("c-1"))
	if _, err := r.Finish(t.Context(), flow, query); err != nil {
		t.Fatal(err)
	}
	p, err := r.Finish(t.Context(), flow, query)
	r.refused(t, "the code again", p, err, "code")
	_, other := r.begin(t, oidcauth.Asking{})
	p, err = r.Finish(t.Context(), other, query)
	r.refused(t, "the state in another browser", p, err, "state")
	for name, kept := range map[string]string{"none": "", "short": flow[:40], "long": flow + "A", "no text": strings.Repeat("!", 59), "padded": flow + "=", "zero": strings.Repeat("A", 59)} {
		p, err := r.Finish(t.Context(), kept, query)
		r.refused(t, "a flow that is "+name, p, err, "flow")
	}
}

// TestAttackStolenCode: a code of another browser's sign-in is no use with a flow of one's
// own, whether its state is known or not.
func TestAttackStolenCode(t *testing.T) {
	r := newRig(t)
	address, _ := r.begin(t, oidcauth.Asking{})
	stolen := r.issuer.SignIn(t, address, person("c-1"))
	address, mine := r.begin(t, oidcauth.Asking{})
	own := r.issuer.SignIn(t, address, person("c-2"))
	p, err := r.Finish(t.Context(), mine, with(own, "code", stolen.Get("code")))
	r.refused(t, "a stolen code", p, err, "code") // the verifier is another
}

// TestAttackState: neither a wrong state nor one that is given twice is taken.
func TestAttackState(t *testing.T) {
	r := newRig(t)
	address, flow := r.begin(t, oidcauth.Asking{})
	query := r.issuer.SignIn(t, address, person("c-1"))
	state := query.Get("state")
	for name, q := range map[string]url.Values{
		"no state": with(query, "state"), "an empty state": with(query, "state", ""), "another state": with(query, "state", flow),
		"two states": with(query, "state", state, state), "two codes": with(query, "code", "a", "b"), "two issuers": with(query, "iss", r.issuer.URL, r.issuer.URL),
		"a long code": with(query, "code", strings.Repeat("a", 5000)), "a cut state": with(query, "state", state[:20]),
		"an error with another state": {"error": {"access_denied"}, "state": {"x"}},
	} {
		p, err := r.Finish(t.Context(), flow, q)
		r.refused(t, name, p, err, "state")
	}
	if r.issuer.Asked(oidctest.PathToken) != 0 {
		t.Error("the provider was asked for a token")
	}
	r.advance(oidcauth.FlowLife)
	p, err := r.Finish(t.Context(), flow, query)
	r.refused(t, "too late", p, err, "flow")
}

// TestAttackMixUp: an answer of another provider gets nobody in (RFC 9207), nor does a
// flow that another provider of this service began.
func TestAttackMixUp(t *testing.T) {
	r := newRig(t)
	address, flow := r.begin(t, oidcauth.Asking{})
	query := r.issuer.SignIn(t, address, person("c-1"))
	for _, iss := range []string{"https://evil.example.org", r.issuer.URL + "/", strings.ToUpper(r.issuer.URL), ""} {
		p, err := r.Finish(t.Context(), flow, with(query, "iss", iss))
		r.refused(t, "iss "+iss, p, err, "iss of the answer")
	}
	if r.issuer.Asked(oidctest.PathToken) != 0 {
		t.Error("the code was sent on")
	}
	if _, err := r.Finish(t.Context(), flow, with(query, "iss", r.issuer.URL)); err != nil {
		t.Errorf("with the right iss: %v", err)
	}

	promised := newRig(t)
	promised.issuer.Discovery["authorization_response_iss_parameter_supported"] = true
	address, flow = promised.begin(t, oidcauth.Asking{})
	query = promised.issuer.SignIn(t, address, person("c-1"))
	p, err := promised.Finish(t.Context(), flow, query)
	promised.refused(t, "no iss, which is promised", p, err, "iss of the answer")

	address, flow = r.begin(t, oidcauth.Asking{})
	p, err = promised.Finish(t.Context(), flow, r.issuer.SignIn(t, address, person("c-1")))
	promised.refused(t, "a flow of another provider", p, err, "state")
	cfg := r.cfg
	cfg.RedirectURL = "https://privacy.example.org/console/sign-in/done"
	console, err := oidcauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	asked := r.issuer.Asked(oidctest.PathToken)
	p, err = console.Finish(t.Context(), flow, r.issuer.SignIn(t, address, person("c-1")))
	r.refused(t, "a person's flow at the console", p, err, "state")
	if r.issuer.Asked(oidctest.PathToken) != asked {
		t.Error("the code was sent on")
	}
}

// TestAttackToken: an ID token that is not all in order gets nobody in.
func TestAttackToken(t *testing.T) {
	claim := func(name string, value any) func(*oidctest.Token) {
		return func(t *oidctest.Token) { t.Claims[name] = value }
	}
	const verified = "signature, issuer, audience or time"
	r := newRig(t)
	at := r.now().Unix()
	for name, c := range map[string]struct {
		alter func(*oidctest.Token)
		rule  string
	}{
		"another nonce":            {claim("nonce", "x"), "nonce"},
		"no nonce":                 {func(t *oidctest.Token) { delete(t.Claims, "nonce") }, "nonce"},
		"an empty nonce":           {claim("nonce", ""), "nonce"},
		"another audience":         {claim("aud", "shop"), verified},
		"the audience and another": {claim("aud", []string{oidctest.ClientID, "shop"}), "aud"},
		"another case":             {claim("aud", "FieldVault"), verified},
		"no audience":              {func(t *oidctest.Token) { delete(t.Claims, "aud") }, verified},
		"another party":            {claim("azp", "shop"), "azp"},
		"another issuer":           {claim("iss", "https://evil.example.org"), verified},
		"another tenant":           {claim("tenant", "other"), "tenant"},
		"expired":                  {claim("exp", at-31), verified},
		"no end":                   {func(t *oidctest.Token) { delete(t.Claims, "exp") }, verified},
		"an endless life":          {claim("exp", at+10*365*86400), "lifetime"},
		"from the future":          {claim("iat", at+60), "iat"},
		"not yet":                  {claim("nbf", at+60), "nbf"},
		"made long before":         {claim("iat", at-3600), "iat"},
		"another access token":     {claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), "at_hash"},
		"a claim in another case":  {claim("Sub", "c-2"), "payload"},
		"an operator":              {claim("roles", []string{"dpo"}), "subject"},
		"an operator and a person": {claim("roles", []string{"subject", "dpo"}), "roles of a person"},
		"nobody":                   {func(t *oidctest.Token) { delete(t.Claims, "sub") }, "sub"},
		"an id that is none":       {claim("sub", "../c-1"), "subject"},
		"none":                     {func(t *oidctest.Token) { t.Header["alg"] = "none"; t.Sign = unsigned }, verified},
		"None, signed":             {func(t *oidctest.Token) { t.Header["alg"] = "None" }, verified},
		"no signature":             {func(t *oidctest.Token) { t.Sign = unsigned }, verified},
		"a stranger's key":         {func(t *oidctest.Token) { t.Sign = stranger.Sign }, verified},
		"a key in the header":      {func(t *oidctest.Token) { t.Sign, t.Header["jwk"] = stranger.Sign, stranger.JWK() }, verified},
		"a critical header":        {func(t *oidctest.Token) { t.Header["crit"], t.Header["x"] = []string{"x"}, 1 }, verified},
	} {
		r.issuer.Alter = c.alter
		p, err := r.signIn(t, person("c-1"))
		r.refused(t, name, p, err, c.rule)
	}
	r.issuer.Alter = nil
	if _, err := r.signIn(t, person("c-1")); err != nil {
		t.Errorf("unaltered: %v", err)
	}
}

var stranger = oidctest.NewKey(&testing.T{}, "EdDSA")

func unsigned(string) []byte { return nil }

// TestAttackSharedSecret: the public key is no secret to sign with.
func TestAttackSharedSecret(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		r := newRig(t)
		key := oidctest.NewKey(t, alg)
		r.issuer.Use(key)
		signers := key.Shared()
		signers["the client's secret"] = nil
		for name, sign := range signers {
			r.issuer.Alter = func(t *oidctest.Token) {
				t.Header["alg"] = "HS256"
				if sign != nil {
					t.Sign = sign
				}
			}
			p, err := r.signIn(t, person("c-1"))
			r.refused(t, alg+" as "+name, p, err, "signature, issuer, audience or time")
		}
	}
}

// TestErrorOfTheProvider is its own: the person broke off, or the provider is not well.
func TestErrorOfTheProvider(t *testing.T) {
	r := newRig(t)
	for code, want := range map[string]error{
		"access_denied": oidcauth.ErrNotSignedIn, "login_required": oidcauth.ErrNotSignedIn, "": oidcauth.ErrNotSignedIn,
		"<script>canary</script>": oidcauth.ErrNotSignedIn, "temporarily_unavailable": oidcauth.ErrUnavailable,
	} {
		address, flow := r.begin(t, oidcauth.Asking{})
		query := r.issuer.SignIn(t, address, person("c-1"))
		query.Set("error", code)
		query.Set("error_description", "canary")
		p, err := r.Finish(t.Context(), flow, query)
		if !errors.Is(err, want) || p.Tenant != "" {
			t.Errorf("%q: %v, %v", code, p, err)
		}
	}
	if r.issuer.Asked(oidctest.PathToken) != 0 {
		t.Error("a code that came with an error was used")
	}
}

// TestClockSkew: clocks that differ by half a minute keep nobody out.
func TestClockSkew(t *testing.T) {
	r := newRig(t)
	at := r.now().Unix()
	for _, times := range []map[string]any{{"iat": at + 30, "exp": at + 60}, {"iat": at - 300, "nbf": at - 300, "exp": at + 3600}, {"exp": at - 29, "iat": at - 300}} {
		claims := person("c-1")
		maps.Copy(claims, times)
		if _, err := r.signIn(t, claims); err != nil {
			t.Errorf("%v: %v: %s", times, err, r.log.last())
		}
	}
}
