package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

// attack is a case of the threat model: tokens that must all be refused.
type attack struct {
	id, name string
	tokens   []string
}

// TestTokens goes through the token attacks by number. Each token is refused twice
// (the second time with what the first may have left behind), with the one error
// there is, and causes no request to anyone.
func TestTokens(t *testing.T) {
	listener := newIssuerServer(t, keySet(keys()["stranger"]))
	var cases []attack
	for _, group := range [][]attack{algorithmAttacks(), headerAttacks(listener.URL), timeAttacks(), audienceAttacks(), issuerAttacks(), formAttacks(), claimAttacks()} {
		cases = append(cases, group...)
	}
	for i, c := range cases {
		if want := fmt.Sprintf("T%d", i+1); c.id != want {
			t.Fatalf("case %s %q should be %s", c.id, c.name, want)
		}
		t.Run(c.id+" "+c.name, func(t *testing.T) {
			v := verifier(t, config(newClock()))
			if _, err := v.Verify(t.Context(), good()); err != nil || len(c.tokens) == 0 {
				t.Fatalf("%d tokens; a good token: %v", len(c.tokens), err)
			}
			for _, token := range c.tokens {
				for range 2 {
					p, err := v.Verify(t.Context(), token)
					if err != jwtauth.ErrToken { //nolint:errorlint // that very error, nothing around it
						t.Errorf("%v for %s", err, shown(token))
					}
					if diff := cmp.Diff(accessctl.Principal{}, p); diff != "" {
						t.Errorf("a principal came back: %s", diff)
					}
				}
			}
			if _, err := v.Verify(t.Context(), good()); err != nil {
				t.Errorf("a good token: %v", err)
			}
		})
	}
	if n := listener.requests.Load(); n != 0 {
		t.Errorf("%d requests on the word of a token", n)
	}
}

// shown is a token with its first two parts decoded.
func shown(token string) string {
	parts := strings.Split(token, ".")
	for i := range min(len(parts), 2) {
		if b, err := base64.RawURLEncoding.DecodeString(parts[i]); err == nil {
			parts[i] = string(b)
		}
	}
	return fmt.Sprintf("%.400q", strings.Join(parts, " . "))
}

// each makes one token of each payload change.
func each(changes ...string) []string {
	var list []string
	for _, change := range changes {
		list = append(list, good(change))
	}
	return list
}

func unsigned(header, signature string) string {
	return b64([]byte(header)) + "." + b64([]byte(payload())) + "." + signature
}

func algorithmAttacks() []attack {
	k := keys()
	var none, confused, others []string
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "noNE", " none", "none ", ""} {
		h := header(k["a-ed"], "alg="+mustJSON(alg))
		none = append(none, unsigned(h, ""), unsigned(h, "AA"), token(k["a-ed"], h, payload()))
		none = append(none, strings.TrimSuffix(unsigned(h, ""), "."))
	}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		for _, id := range []string{"a-ed", "a-rsa", "a-ec"} {
			text := b64([]byte(header(k[id], `alg="`+alg+`"`))) + "." + b64([]byte(payload()))
			for _, secret := range publicForms(k[id]) {
				confused = append(confused, text+"."+b64(hs(alg, secret, text)))
			}
		}
	}
	for _, alg := range []string{`"PS256"`, `"RS512"`, `"RS384"`, `"ES384"`, `"ES256K"`, `"Ed25519"`, `"eddsa"`, `"EDDSA"`, `"rs256"`, `null`, `1`, `["EdDSA"]`, `{}`} {
		for _, id := range []string{"a-ed", "a-rsa", "a-ec"} {
			others = append(others, token(k[id], header(k[id], "alg="+alg), payload()))
		}
	}
	text := b64([]byte(header(k["a-rsa"], `alg="PS256"`))) + "." + b64([]byte(payload()))
	others = append(others, text+"."+b64(k["a-rsa"].sign("PS256", text)), token(k["a-ed"], header(k["a-ed"], "alg"), payload()))
	var crossed []string
	for _, id := range []string{"a-ed", "a-rsa", "a-ec"} {
		for _, other := range []string{"a-ed", "a-rsa", "a-ec"} {
			if id != other {
				crossed = append(crossed, token(k[id], header(k[other]), payload()),
					token(k[id], header(k[id], fmt.Sprintf("kid=%q", other)), payload()))
			}
		}
	}
	return []attack{
		{"T1", "alg none in any case", none},
		{"T2", "HMAC with a public key as the secret: PEM, DER, JWK, raw", confused},
		{"T3", "algorithms that the issuer is not configured for", others},
		{"T4", "a key used under another key's algorithm or id", crossed},
		{"T5", "signatures", signatureAttacks()},
	}
}

// publicForms are the bytes that a careless verifier may take for an HMAC secret.
func publicForms(k keyPair) [][]byte {
	pub := k.private.Public()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	forms := [][]byte{der, block, bytes.TrimSpace(block), []byte(k.jwk()), []byte(keySet(k)), {}}
	switch pub := pub.(type) {
	case ed25519.PublicKey:
		forms = append(forms, pub, []byte(b64(pub)))
	case *rsa.PublicKey:
		der := x509.MarshalPKCS1PublicKey(pub)
		forms = append(forms, der, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der}), pub.N.Bytes(), []byte(b64(pub.N.Bytes())))
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		forms = append(forms, point)
	}
	return forms
}

func signatureAttacks() []string {
	k := keys()
	whole := good()
	parts := strings.Split(whole, ".")
	list := []string{
		parts[0] + "." + parts[1] + ".",
		parts[0] + "." + parts[1] + "." + strings.Split(good("sub=\"svc-2\""), ".")[2],
		parts[0] + "." + b64([]byte(payload(`roles=["dpo"]`))) + "." + parts[2],
		b64([]byte(header(k["a-ed"], "typ"))) + "." + parts[1] + "." + parts[2],
		whole + "AA", whole[:len(whole)-4],
		parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),
		token(k["stranger"], header(k["a-ed"]), payload()),
	}
	for i := range 64 {
		sig, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			panic(err)
		}
		sig[i] ^= 1 << (i % 8)
		list = append(list, parts[0]+"."+parts[1]+"."+b64(sig))
	}
	ec := k["a-ec"]
	text := b64([]byte(header(ec))) + "." + b64([]byte(payload()))
	digest := sha256.Sum256([]byte(text))
	der, err := ecdsa.SignASN1(rand.Reader, ec.private.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		panic(err)
	}
	return append(list, text+"."+b64(der), text+"."+b64(make([]byte, 64)))
}

func headerAttacks(listener string) []attack {
	k := keys()
	with := func(signer keyPair, changes ...string) string {
		return token(signer, header(k["a-ed"], changes...), payload())
	}
	var kids, fetches, crits []string
	for _, kid := range []string{
		"../../../../dev/null", "/etc/passwd", "file:///dev/null", listener, "' OR '1'='1", "x' UNION SELECT 'AA';--", "a-ed'--",
		strings.Repeat("k", 4096), "\x00", "a-ed\x00", "a-ed ", " a-ed", "A-ED", "a-ed\n", "", "stranger", "a\u2010ed", "$(id)", "%61-ed",
	} {
		kids = append(kids, with(k["a-ed"], "kid="+mustJSON(kid)), with(k["stranger"], "kid="+mustJSON(kid)))
	}
	for _, kid := range []string{"null", "1", `["a-ed"]`, `{"kid":"a-ed"}`, "true", `"a-ed","kid":"a-ed"`, `"x","kid":"a-ed"`, `"a-ed","KID":"x"`, `"a-ed","Kid":"a-ed"`} {
		kids = append(kids, with(k["a-ed"], "kid="+kid))
	}
	kids = append(kids, with(k["a-ed"], "kid"), with(k["a-ed"], "kid", `+"KID":"a-ed"`))
	stranger := k["stranger"]
	for name, value := range map[string]string{
		"jku": mustJSON(listener), "x5u": mustJSON(listener), "jwk": stranger.jwk(), "x5c": `["AAAA"]`,
		"JKU": mustJSON(listener), "Jwk": stranger.jwk(), "X5U": mustJSON(listener), "x5C": `["AAAA"]`,
	} {
		m := fmt.Sprintf("%s=%s", name, value)
		fetches = append(fetches, with(k["a-ed"], m), with(stranger, m), with(stranger, m, `kid="stranger"`), with(stranger, m, "kid"))
	}
	for _, crit := range []string{
		`crit=["exp"]`, `crit=["unknown"]`, `crit=[]`, `crit=null`, `crit="x"`, `crit=["b64"]`, `CRIT=["x"]`, `b64=false`, `b64=true`,
		`zip="DEF"`, `enc="A256GCM"`,
	} {
		crits = append(crits, with(k["a-ed"], crit))
	}
	crits = append(crits, with(k["a-ed"], `crit=["b64"]`, `b64=false`))
	return []attack{
		{"T6", "kid as path, SQL, 4 KiB, NUL, missing, of another type, twice", kids},
		{"T7", "jku, x5u, jwk and x5c in the header", fetches},
		{"T8", "crit, and what would need it", crits},
		{"T9", "typ of other kinds of token", []string{
			with(k["a-ed"], `typ="logout+jwt"`), with(k["a-ed"], `typ="JWE"`), with(k["a-ed"], `typ=null`), with(k["a-ed"], `typ=""`),
			with(k["a-ed"], `typ=["JWT"]`), with(k["a-ed"], `typ="application/"`), with(k["a-ed"], `typ="dpop+jwt"`), with(k["a-ed"], `TYP="x"`),
		}},
		{"T10", "alg twice, or in another case", []string{
			with(k["a-ed"], `+"alg":"EdDSA"`), with(k["a-ed"], `+"alg":"none"`), with(k["a-ed"], `+"ALG":"none"`),
			with(k["a-ed"], `alg="none"`, `+"alg":"EdDSA"`), with(k["a-ed"], "alg", `+"ALG":"EdDSA"`), with(k["a-ed"], `+"\u0061lg":"EdDSA"`),
		}},
	}
}

func timeAttacks() []attack {
	at := start.Unix()
	sec := func(name string, offset int64) string { return fmt.Sprintf("%s=%d", name, at+offset) }
	future := sec("exp", 600)[4:]
	return []attack{
		{"T11", "no exp", each("exp", "exp=null")},
		{"T12", "exp of another type or out of range", each(
			`exp="`+future+`"`, "exp=1e300", "exp=-1", "exp=-"+future, "exp="+future+".0", "exp="+future+".5", "exp=18e8", "exp=0", "exp="+"0"+future,
			"exp=["+future+"]", "exp={}", "exp=true", "exp=99999999999999999999", "exp=9223372036854775807", "exp=9223372036854775808",
			"exp=18446744073709551615", "exp=253402300800", "exp=1e18", "exp=+"+future,
		)},
		{"T13", "exp twice or in another case", each(
			`+"exp":`+future, `+"exp":1`, `+"EXP":`+future, `+"Exp":1`, `+"eXp":99999999999`, `+"\u0065xp":`+future, "exp=1,\"exp\":"+future,
		)},
		{"T14", "exp in another case only", []string{good("exp", `+"EXP":`+future), good("exp", `+"Exp":`+future), good("exp", `+"ex\u0070 ":`+future)}},
		{"T15", "expired", each(sec("exp", 0), sec("exp", -1), sec("exp", -59), "exp=1")},
		{"T16", "no iat, or of another type, or twice", each("iat", "iat=null", `iat="`+fmt.Sprint(at)+`"`, "iat=-1", "iat=1e9", "iat="+fmt.Sprint(at)+".5",
			"iat=1e300", `+"iat":`+fmt.Sprint(at), `+"IAT":1`)},
		{"T17", "issued in the future", []string{good(sec("iat", 1), sec("exp", 600)), good(sec("iat", 300), sec("exp", 900))}},
		{"T18", "nbf in the future, of another type, twice", each(sec("nbf", 1), sec("nbf", 300), `nbf="1"`, "nbf=null", "nbf=-1", "nbf=1e9",
			`+"nbf":1,"nbf":2`, `+"NBF":1`, "nbf=99999999999999999999")},
		{"T19", "lifetime over an hour", []string{good(sec("iat", -60), sec("exp", 3541)), good(sec("iat", 0), sec("exp", 3601)), good("iat=1", sec("exp", 60)), good(sec("exp", 86400*3650))}},
		{"T20", "exp not after iat", []string{good(sec("iat", 0), sec("exp", 0)), good(sec("iat", 20), sec("exp", 10))}},
	}
}

func audienceAttacks() []attack {
	return []attack{
		{"T21", "no aud, or an empty one", each("aud", "aud=null", `aud=""`, "aud=[]", `aud=[""]`)},
		{"T22", "aud of another type", each("aud=1", "aud=true", "aud={}", `aud={"fieldvault":1}`, "aud=[1]", `aud=[["fieldvault"]]`, "aud=[null]", `aud=["fieldvault",null]`)},
		{"T23", "another aud", each(`aud="other"`, `aud=["other"]`, `aud="fieldvault2"`, `aud="field"`, `aud="fieldvault "`, `aud="https://fieldvault"`, `aud="*"`)},
		{"T24", "aud in another case", each(`aud="Fieldvault"`, `aud=["FIELDVAULT"]`, `aud="ﬁeldvault"`, `AUD="fieldvault"`)},
		{"T25", "our aud and others", each(`aud=["fieldvault","other"]`, `aud=["other","fieldvault"]`, `aud=["fieldvault","fieldvault"]`, `aud="fieldvault other"`, `aud="fieldvault,other"`)},
		{"T26", "aud twice", each(`+"aud":"fieldvault"`, `+"aud":"other"`, `+"AUD":"fieldvault"`, `aud="other","aud":"fieldvault"`)},
	}
}

func issuerAttacks() []attack {
	k := keys()
	asB := []string{`iss="` + issuerB + `"`, `tenant="other"`}
	return []attack{
		{"T27", "no iss, or an unknown one", append(each("iss", "iss=null", `iss=""`, `iss="https://c.example.org"`, `iss="`+issuerA+`/"`, `iss="HTTPS://A.EXAMPLE.ORG"`,
			`iss=["`+issuerA+`"]`, `iss=1`, `+"iss":"`+issuerA+`"`, `+"ISS":"`+issuerB+`"`, `iss="`+issuerA+`\u0000"`), token(k["stranger"], header(k["stranger"]), payload(`iss="stranger"`)))},
		{"T28", "another issuer's key claiming our issuer", []string{
			token(k["b-ed"], header(k["b-ed"]), payload()), token(k["b as a"], header(k["b as a"]), payload()),
			token(k["b-ed"], header(k["a-ed"]), payload()),
		}},
		{"T29", "our key claiming another issuer", []string{
			token(k["a-ed"], header(k["a-ed"]), payload(asB...)), token(k["a-rsa"], header(k["a-rsa"]), payload(asB...)),
		}},
		{"T30", "an issuer claiming another's tenant", []string{
			good(`tenant="other"`),
			token(k["b-ed"], header(k["b-ed"]), payload(asB[0], `tenant="default"`)),
			token(k["b-ed"], header(k["b-ed"]), payload(asB[0])),
		}},
		{"T31", "no tenant, or none that exists, or another type", each("tenant", "tenant=null", `tenant=""`, `tenant="Default"`, `tenant="default "`, `tenant="*"`,
			`tenant=["default"]`, "tenant=1", `+"tenant":"second"`, `+"Tenant":"second"`, `tenant="_system"`, `tenant="default\u0000"`, `tenant="default,second"`)},
	}
}

func formAttacks() []attack {
	k := keys()["a-ed"]
	whole := good()
	parts := strings.Split(whole, ".")
	long := func(n int) string {
		pad := n - len(good("pad=\"\""))
		return good(fmt.Sprintf("pad=%q", strings.Repeat("x", pad*3/4+3)))
	}
	return []attack{
		{"T32", "larger than 8 KiB", []string{long(jwtauth.MaxToken + 8), long(100_000), strings.Repeat("a", 1<<20), strings.Repeat(".", 1<<20), whole + strings.Repeat("=", jwtauth.MaxToken)}},
		{"T33", "not three parts of base64url", []string{
			"", ".", "..", "...", parts[0], parts[0] + "." + parts[1], whole + ".", "." + whole, whole + ".e30", "Bearer " + whole, " " + whole, whole + " ", whole + "\n",
			"\n" + whole, parts[0] + "\n." + parts[1] + "." + parts[2], parts[0] + ".\r\n" + parts[1] + "." + parts[2], parts[0] + "." + parts[1] + "." + parts[2][:10] + "\n" + parts[2][10:],
			parts[0] + "=." + parts[1] + "." + parts[2], whole + "==", strings.ReplaceAll(whole, ".", "%2e"), whole + "\x00", whole + "," + whole,
			`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		}},
		{"T34", "base64 with spare bits: the same bytes spelled twice", respelled(whole)},
		{"T35", "header or payload not one JSON object", []string{
			token(k, "", payload()), token(k, "null", payload()), token(k, "[]", payload()), token(k, header(k)+"{}", payload()), token(k, header(k)+" x", payload()), token(k, "\ufeff"+header(k), payload()),
			token(k, header(k), ""), token(k, header(k), "null"), token(k, header(k), "[]"), token(k, header(k), `"x"`), token(k, header(k), payload()+"{}"),
			token(k, header(k), payload()+","), token(k, header(k), "["+payload()+"]"), token(k, header(k), payload()+"\x00"), token(k, header(k), payload()[:len(payload())-1]+",}"),
			token(k, header(k), strings.Replace(payload(), `"`, `'`, 2)), token(k, header(k), "/**/"+payload()), token(k, header(k), "\ufeff"+payload()),
		}},
		{"T36", "not UTF-8, or nested without end", []string{
			good("+\"x\":\"\xff\""), good("sub=\"a\xffb\""), token(k, header(k, "+\"x\":\"\xc0\xaf\""), payload()),
			good("x=" + strings.Repeat("[", 2000) + strings.Repeat("]", 2000)), good("x=" + strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500)),
		}},
		{"T37", "a claim twice, deep down too", []string{
			good(`+"sub":"svc-1"`), good(`+"Sub":"svc-2"`), good(`+"ſub":"svc-2"`), good(`+"roles":["dpo"]`), good(`+"ROLES":["dpo"]`), good(`x={"a":1,"a":2}`), good(`x={"a":1,"A":2}`),
			good(`x=[{"k":1,"K":2}]`), good(`+"x":1,"X":1`), good("+\"\u212a\":1,\"k\":1"),
		}},
		{"T38", "a claim of ours in another case only", []string{
			good("sub", `+"Sub":"svc-1"`), good(`+"Purposes":[]`), good(`+"SUBJECT":"c-17"`), good("roles", `+"Roles":["app"]`), good("tenant", `+"TENANT":"default"`), good(`+"ſubject":"c-17"`), good(`+"purpoſeſ":["support"]`),
		}},
	}
}

// respelled gives the token with the unused low bits of a part's last digit set.
func respelled(whole string) []string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	parts := strings.Split(whole, ".")
	var list []string
	for i := range parts {
		if len(parts[i])%4 == 0 {
			continue // no spare bits
		}
		last := strings.IndexByte(alphabet, parts[i][len(parts[i])-1])
		changed := append([]string(nil), parts...)
		changed[i] = parts[i][:len(parts[i])-1] + alphabet[last^1:last^1+1]
		list = append(list, strings.Join(changed, "."))
	}
	return list
}

func claimAttacks() []attack {
	many := func(n int, name string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%s%d", name, i))
		}
		return mustJSON(list)
	}
	person := `roles=["subject"]`
	return []attack{
		{"T39", "no sub, or none that names", each("sub", "sub=null", `sub=""`, "sub=1", `sub=["svc-1"]`, `sub="a\nb"`, `sub="a\u001b[31m"`, `sub="a\u0000"`, `sub="sv\u0441"`,
			`sub="\ud800"`, `sub="`+strings.Repeat("s", 256)+`"`, `sub="a\u007f"`)},
		{"T40", "no roles, or not an array of names", each("roles", "roles=null", `roles="app"`, "roles={}", "roles=1", "roles=[1]", "roles=[null]", `roles=["app",null]`, `roles=[["app"]]`,
			`roles=[""]`, `roles=["a b"]`, `roles=["a\nb"]`, `roles=["\u0430pp"]`, `roles=["`+strings.Repeat("r", 129)+`"]`, "roles="+many(65, "r"))},
		{"T41", "purposes not an array of ids", each("purposes=null", `purposes="support"`, "purposes={}", "purposes=[1]", "purposes=[null]", `purposes=[""]`, `purposes=["Support"]`,
			`purposes=["*"]`, `purposes=["a b"]`, `purposes=["`+strings.Repeat("p", 64)+`"]`, "purposes="+many(257, "p"))},
		{"T42", "subject without the role subject", []string{good(`subject="c-17"`), good(`subject="c-17"`, "roles=[]"), good(`subject="c-17"`, `roles=["Subject"]`), good(`subject=""`), good("subject=null")}},
		{"T43", "the role subject without a subject", []string{good(person), good(person, "subject=null"), good(person, `subject=""`), good(person, "subject=17"), good(person, `subject=["c-17"]`)}},
		{"T44", "the role subject beside others", []string{
			good(`subject="c-17"`, `roles=["subject","app"]`), good(`subject="c-17"`, `roles=["app","subject"]`), good(`roles=["app","subject"]`),
			good(`subject="c-17"`, `roles=["subject","subject"]`),
		}},
		{"T45", "a subject that is no external id", []string{
			good(person, `subject="."`), good(person, `subject=".."`), good(person, `subject="a/b"`), good(person, `subject="a b"`), good(person, `subject="*"`),
			good(person, `subject="c-17\u0000"`), good(person, `subject="\u0441-17"`), good(person, `subject="%2e%2e"`), good(person, `subject="`+strings.Repeat("c", 129)+`"`), good(person, `subject="c-17\n"`),
		}},
	}
}

func TestGoodTokens(t *testing.T) {
	k := keys()
	at := start.Unix()
	base := accessctl.Principal{
		Tenant: "default", Issuer: issuerA, Subject: "svc-1", Roles: []accessctl.Role{"app"}, Purposes: []accessctl.Purpose{},
		Expires: start.Add(600 * time.Second),
	}
	with := func(f func(*accessctl.Principal)) accessctl.Principal {
		p := base
		f(&p)
		return p
	}
	for name, c := range map[string]struct {
		token string
		want  accessctl.Principal
	}{
		"EdDSA":               {good(), base},
		"RS256":               {token(k["a-rsa"], header(k["a-rsa"]), payload()), base},
		"ES256":               {token(k["a-ec"], header(k["a-ec"]), payload()), base},
		"no typ":              {token(k["a-ed"], header(k["a-ed"], "typ"), payload()), base},
		"typ at+jwt":          {token(k["a-ed"], header(k["a-ed"], `typ="at+jwt"`), payload()), base},
		"typ with a prefix":   {token(k["a-ed"], header(k["a-ed"], `typ="application/AT+JWT"`), payload()), base},
		"x5t beside":          {token(k["a-ed"], header(k["a-ed"], `x5t="AAAA"`), payload()), base},
		"aud in an array":     {good(`aud=["fieldvault"]`), base},
		"other claims":        {good(`jti="1"`, `azp="x"`, `scope="a b"`, `realm_access={"roles":["dpo"]}`), base},
		"white space":         {token(k["a-ed"], " "+header(k["a-ed"])+"\n", "\t"+payload()+"\r\n"), base},
		"nbf now":             {good(fmt.Sprintf("nbf=%d", at)), base},
		"iat now":             {good(fmt.Sprintf("iat=%d", at)), base},
		"an hour":             {good(fmt.Sprintf("iat=%d", at-3000), fmt.Sprintf("exp=%d", at+600)), base},
		"the last second":     {good(fmt.Sprintf("exp=%d", at+1)), with(func(p *accessctl.Principal) { p.Expires = start.Add(time.Second) })},
		"another tenant":      {good(`tenant="second"`), with(func(p *accessctl.Principal) { p.Tenant = "second" })},
		"no role":             {good("roles=[]"), with(func(p *accessctl.Principal) { p.Roles = []accessctl.Role{} })},
		"roles sorted":        {good(`roles=["dpo","app","dpo"]`), with(func(p *accessctl.Principal) { p.Roles = []accessctl.Role{"app", "dpo"} })},
		"narrowed":            {good(`purposes=["support","billing"]`), with(func(p *accessctl.Principal) { p.Narrowed, p.Purposes = true, []accessctl.Purpose{"billing", "support"} })},
		"narrowed to nothing": {good("purposes=[]"), with(func(p *accessctl.Principal) { p.Narrowed = true })},
		"a person": {good(`roles=["subject"]`, `subject="c-17"`), with(func(p *accessctl.Principal) {
			p.Roles, p.Person = []accessctl.Role{accessctl.RoleSubject}, "c-17"
		})},
		"issuer B": {token(k["b-ed"], header(k["b-ed"]), payload(`iss="`+issuerB+`"`, `tenant="other"`)), with(func(p *accessctl.Principal) {
			p.Issuer, p.Tenant = issuerB, "other"
		})},
		"issuer B, a kid of A": {token(k["b as a"], header(k["b as a"]), payload(`iss="`+issuerB+`"`, `tenant="other"`)), with(func(p *accessctl.Principal) {
			p.Issuer, p.Tenant = issuerB, "other"
		})},
	} {
		t.Run(name, func(t *testing.T) {
			for _, most := range []int{0, -1} { // with a cache, and without
				cfg := config(newClock())
				cfg.MaxCached = most
				v := verifier(t, cfg)
				for range 2 {
					got, err := v.Verify(t.Context(), c.token)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(c.want, got, cmp.Transformer("fields", fields)); diff != "" {
						t.Error(diff)
					}
				}
			}
		})
	}
}

// fields are a principal's fields: its own String hides some.
func fields(p accessctl.Principal) map[string]any {
	return map[string]any{
		"tenant": p.Tenant, "issuer": p.Issuer, "subject": p.Subject, "roles": p.Roles, "purposes": p.Purposes,
		"narrowed": p.Narrowed, "person": p.Person, "expires": p.Expires,
	}
}

func TestLeewayIsForClocksThatDiffer(t *testing.T) {
	at := start.Unix()
	cfg := config(newClock())
	cfg.Leeway = 30 * time.Second
	v := verifier(t, cfg)
	for token, want := range map[string]error{
		good(fmt.Sprintf("exp=%d", at-29)):                                 nil,
		good(fmt.Sprintf("exp=%d", at-30)):                                 jwtauth.ErrToken,
		good(fmt.Sprintf("iat=%d", at+30)):                                 nil,
		good(fmt.Sprintf("iat=%d", at+31)):                                 jwtauth.ErrToken,
		good(fmt.Sprintf("nbf=%d", at+30)):                                 nil,
		good(fmt.Sprintf("nbf=%d", at+31)):                                 jwtauth.ErrToken,
		good(fmt.Sprintf("iat=%d", at), fmt.Sprintf("exp=%d", at+3600)):    nil,
		good(fmt.Sprintf("iat=%d", at-1), fmt.Sprintf("exp=%d", at+3600)):  jwtauth.ErrToken,
		good(fmt.Sprintf("iat=%d", at-20), fmt.Sprintf("exp=%d", at-2000)): jwtauth.ErrToken,
	} {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%v for %s", err, shown(token))
		}
	}
}

// TestTheLogNamesRulesNotValues: a refusal is explained to operators at debug level
// without a word of the token.
func TestTheLogNamesRulesNotValues(t *testing.T) {
	var log bytes.Buffer
	cfg := config(newClock())
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	v := verifier(t, cfg)
	k := keys()
	for rule, token := range map[string]string{
		"sub":       good(`sub="canary\n"`),
		"tenant":    good(`tenant="canary"`),
		"iss":       good(`iss="canary"`),
		"aud":       good(`aud="canary"`),
		"exp":       good(`exp="canary"`),
		"kid":       token(k["a-ed"], header(k["a-ed"], `kid="canary\n"`), payload()),
		"alg":       token(k["a-ed"], header(k["a-ed"], `alg="canary"`), payload()),
		"signature": token(k["stranger"], header(k["a-ed"]), payload(`sub="canary"`)),
		"form":      "canary",
		"unknown":   token(k["stranger"], header(k["a-ed"], `kid="canary"`), payload()),
	} {
		log.Reset()
		if _, err := v.Verify(t.Context(), token); err == nil {
			t.Errorf("%s: accepted", rule)
		}
		if line := log.String(); strings.Contains(line, "canary") || !strings.Contains(line, "rule=") || !strings.Contains(line, rule) {
			t.Errorf("%s: logged %s", rule, line)
		}
	}
}

// FuzzOnlySignedTokensVerify: nothing verifies but a token that was signed, in the
// very spelling it was signed in.
func FuzzOnlySignedTokensVerify(f *testing.F) {
	k := keys()
	signed := map[string]bool{}
	for _, token := range []string{good(), good(`roles=["subject"]`, `subject="c-17"`), good("purposes=[]"), token(k["a-rsa"], header(k["a-rsa"]), payload())} {
		signed[token] = true
		f.Add(token)
	}
	f.Add(good(`exp="1"`))
	f.Add("..")
	v, err := jwtauth.New(context.Background(), config(newClock()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := v.Verify(context.Background(), token)
		switch {
		case err == nil && !signed[token]:
			t.Fatalf("verifies: %q", token)
		case err == nil && p.Tenant != "default", err != nil && !errors.Is(err, jwtauth.ErrToken):
			t.Fatalf("%v, %v", p, err)
		}
	})
}
