//go:build e2e

package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
)

// signInCases sign people and operators in through the OpenID Connect provider that Vault is.
func signInCases() []testCase {
	return []testCase{
		{name: "O01_a_person_signs_in_and_out", run: signsInAndOut},
		{name: "O02_others_are_not_let_in", run: othersNotLetIn},
		{name: "O03_the_provider_is_not_there", run: noProvider, long: true},
		{name: "O04_operators_sign_in_to_the_console", run: operatorsSignIn},
	}
}

// publicURL is where people find the pages; a proxy would stand there.
const publicURL = "https://privacy.example.org"

// An area is a part of the pages with a sign-in of its own.
type area struct {
	name, begin, back string   // its settings, and the paths that a sign-in takes
	template          string   // the claims that Vault gives
	flags             []string // that say what they are
}

var (
	forPeople = area{
		"portal", "/me/sign-in", "/me/sign-in/done", `{"customer_id": {{identity.entity.metadata.customer_id}}}`,
		[]string{"--portal-oidc-subject-claim", "customer_id"},
	}
	forOperators = area{
		"console", "/console/sign-in/go", "/console/sign-in/done", `{"groups": {{identity.entity.groups.names}}}`,
		[]string{"--console-oidc-roles-claim", "groups", "--console-oidc-only"},
	}
)

// A login is a sign-in with Vault: a provider, and where the service runs that uses it.
type login struct {
	w        *world
	vault    *transittest.Server
	accessor string // of AppRole
	area     area
	name     string
	url      string
}

// newLogin makes Vault a provider, and runs the service with it.
func newLogin(t *testing.T, w *world, of area, name string) *login {
	t.Helper()
	l := &login{w: w, vault: w.vault, area: of, name: name}
	l.vault.Must("PUT", "identity/oidc/key/"+name, map[string]any{"allowed_client_ids": "*", "algorithm": "RS256"})
	l.vault.Must("PUT", "identity/oidc/client/"+name, map[string]any{
		"redirect_uris": []string{publicURL + of.back}, "assignments": []string{"allow_all"}, "key": name, "id_token_ttl": "30m",
	})
	client := l.vault.Must("GET", "identity/oidc/client/"+name, nil)
	id, _ := client["client_id"].(string)
	secret, _ := client["client_secret"].(string)
	l.vault.Must("PUT", "identity/oidc/scope/"+name, map[string]any{"template": of.template})
	l.vault.Must("PUT", "identity/oidc/provider/"+name, map[string]any{
		"issuer": l.vault.Address, "allowed_client_ids": []string{id}, "scopes_supported": []string{name},
	})
	mounts, _ := l.vault.Must("GET", "sys/auth", nil)["approle/"].(map[string]any)
	l.accessor, _ = mounts["accessor"].(string)
	if id == "" || secret == "" || l.accessor == "" {
		t.Fatal("Vault is no provider")
	}
	w.plant(secret)
	file := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	oidc := "--" + of.name + "-oidc-"
	l.url = w.with(t, append([]string{
		"--portal-url", publicURL, oidc + "issuer", l.vault.Address + "/v1/identity/oidc/provider/" + name,
		oidc + "client-id", id, oidc + "client-secret-file", file, oidc + "scopes", name,
	}, of.flags...)...)
	return l
}

// account makes somebody who can sign in at Vault, as the customer whose id is given, or
// as one of the group that bears their name, and returns their token there.
func (l *login) account(t *testing.T, who, customer string) (token string) {
	t.Helper()
	name := l.name + "-" + who
	entity, _ := l.vault.Must("PUT", "identity/entity", map[string]any{"name": name, "metadata": map[string]string{"customer_id": customer}})["id"].(string)
	role := "auth/approle/role/" + name
	l.vault.Must("PUT", role, map[string]any{"token_policies": []string{"default"}, "token_ttl": time.Hour.String()})
	roleID, _ := l.vault.Must("GET", role+"/role-id", nil)["role_id"].(string)
	secretID, _ := l.vault.Must("PUT", role+"/secret-id", map[string]any{})["secret_id"].(string)
	if customer == "" {
		l.vault.Must("PUT", "identity/group", map[string]any{"name": who, "member_entity_ids": []string{entity}})
	}
	l.vault.Must("PUT", "identity/entity-alias", map[string]any{"name": roleID, "canonical_id": entity, "mount_accessor": l.accessor})
	_, text := l.vault.Do("", "PUT", "auth/approle/login", map[string]any{"role_id": roleID, "secret_id": secretID})
	var in struct {
		Auth struct {
			Token  string `json:"client_token"`
			Entity string `json:"entity_id"`
		} `json:"auth"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil || in.Auth.Token == "" || in.Auth.Entity != entity {
		t.Fatalf("signing in at Vault as %s: %v", who, err)
	}
	return in.Auth.Token
}

// A visitor is a browser at the service: it keeps cookies, and goes where it is sent when
// it is told to.
type visitor struct {
	l       *login
	cookies map[string]string
}

func (l *login) visitor() *visitor { return &visitor{l, map[string]string{}} }

func (v *visitor) do(t *testing.T, method, path string) answer {
	t.Helper()
	header := http.Header{}
	for name, value := range v.cookies {
		header.Add("Cookie", name+"="+value)
	}
	if method == http.MethodPost {
		header.Set("Sec-Fetch-Site", "same-origin")
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	a := v.l.w.at(t, v.l.url, call{method: method, path: path, add: header})
	resp := http.Response{Header: a.header}
	for _, c := range resp.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("a cookie that others may have: %s", c.Name)
		}
		if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	return a
}

// authorize is what the person does at Vault, where they are signed in: Vault's own page
// asks the same of its API. It returns the address that the browser is sent back to.
func (v *visitor) authorize(t *testing.T, token string) string {
	t.Helper()
	a := v.do(t, http.MethodGet, v.l.area.begin).want(t, "asking to sign in", "303")
	path, ok := strings.CutPrefix(a.header.Get("Location"), v.l.vault.Address+"/ui/vault/")
	if !ok {
		t.Fatalf("the browser is sent to %s", a.header.Get("Location"))
	}
	status, text := v.l.vault.Do(token, "GET", path, nil)
	var said struct{ Code, State string }
	if err := json.Unmarshal([]byte(text), &said); err != nil || said.Code == "" {
		t.Fatalf("Vault signs nobody in: %d", status)
	}
	v.l.w.plant(said.Code, said.State)
	return v.l.area.back + "?" + url.Values{"code": {said.Code}, "state": {said.State}}.Encode()
}

// A person who is signed in at Vault goes to their data, sees them, and signs out.
func signsInAndOut(t *testing.T, w *world) {
	if !w.production {
		return // the provider is Vault
	}
	email := w.canary("o01") + "@example.org"
	w.put(t, "o01", fields{"email": email})
	l := newLogin(t, w, forPeople, "o01")
	v, token := l.visitor(), l.account(t, "customer", "o01")
	v.do(t, http.MethodGet, "/me").want(t, "before", "401")
	back := v.authorize(t, token)
	a := v.do(t, http.MethodGet, back).want(t, "coming back", "303")
	if to := a.header.Get("Location"); to != "/me" || len(v.cookies) != 1 {
		t.Errorf("sent to %s with the cookies %v", to, len(v.cookies))
	}
	if a := v.do(t, http.MethodGet, "/me").want(t, "the control panel", "200"); !strings.Contains(string(a.body), email) {
		t.Error("the person's data are not there")
	}
	session := v.cookies["__Host-fieldvault"]
	v.do(t, http.MethodPost, "/me/sign-out").want(t, "signing out", "200")
	v.cookies["__Host-fieldvault"] = session
	v.do(t, http.MethodGet, "/me").want(t, "after signing out", "401")
	v.do(t, http.MethodGet, back).want(t, "the same address again", "403")

	v.do(t, http.MethodGet, v.authorize(t, token)).want(t, "signing in again", "303")
	w.erase(t, "o01").want(t, "erasing", "200")
	v.do(t, http.MethodGet, "/me").want(t, "once erased", "401")
	v.do(t, http.MethodGet, v.authorize(t, token)).want(t, "signing in once erased", "403")
}

// Whom Vault knows and we do not is not let in, nor another browser with somebody's code.
func othersNotLetIn(t *testing.T, w *world) {
	if !w.production {
		return
	}
	w.put(t, "o02", fields{"email": "o02@example.org"})
	l := newLogin(t, w, forPeople, "o02")
	token := l.account(t, "customer", "o02")
	for what, customer := range map[string]string{"unknown": "o02-unknown", "malformed": "o02/../o02", "operator": ""} {
		v := l.visitor()
		v.do(t, http.MethodGet, v.authorize(t, l.account(t, what, customer))).want(t, what, "403")
		v.do(t, http.MethodGet, "/me").want(t, what, "401")
	}
	v, thief := l.visitor(), l.visitor()
	back := v.authorize(t, token)
	thief.do(t, http.MethodGet, back).want(t, "in another browser", "403")
	thief.authorize(t, token)
	thief.do(t, http.MethodGet, back).want(t, "in another browser's own sign-in", "403")
	v.do(t, http.MethodGet, back).want(t, "in its own browser", "303")
	v.do(t, http.MethodGet, "/me").want(t, "the control panel", "200")
}

// The service starts and works without its provider; who wants to sign in is told to wait.
func noProvider(t *testing.T, w *world) {
	l := &login{w: w, url: w.with(t, "--portal-url", publicURL, "--portal-oidc-issuer", "http://127.0.0.1:1",
		"--portal-oidc-client-id", "fieldvault", "--portal-oidc-subject-claim", "sub")}
	v := l.visitor()
	v.do(t, http.MethodGet, "/me").want(t, "the control panel", "401")
	v.do(t, http.MethodGet, "/me/sign-in").want(t, "asking to sign in", "503")
	v.do(t, http.MethodGet, "/me/sign-in/done?code=x&state=x").want(t, "an answer that nobody asked for", "403")
	if len(v.cookies) != 0 {
		t.Error("cookies are left")
	}
	w.put(t, "o03", fields{"email": "o03@example.org"}) // the API does not need it
}

// An officer whom Vault knows works at the console, on every node, until they sign out;
// who has no role that the policy knows does not get in, and tokens are not asked for.
func operatorsSignIn(t *testing.T, w *world) {
	if !w.production {
		return
	}
	w.put(t, "o04", fields{"email": "o04@example.org"})
	l := newLogin(t, w, forOperators, "o04")
	v, token := l.visitor(), l.account(t, "dpo", "")
	if a := v.do(t, http.MethodGet, "/console/sign-in").want(t, "the page", "200"); strings.Contains(string(a.body), `name="token"`) {
		t.Error("tokens are taken")
	}
	a := v.do(t, http.MethodGet, v.authorize(t, token)).want(t, "coming back", "303")
	if to := a.header.Get("Location"); to != "/console" {
		t.Errorf("sent to %s", to)
	}
	a = v.do(t, http.MethodGet, "/console/people/o04").want(t, "a person", "200")
	if strings.Contains(string(a.body), "o04@example.org") {
		t.Error("an officer sees data")
	}
	v.do(t, http.MethodGet, "/console/keys").want(t, "keys", "403")

	_, other := w.second(t)
	there := &visitor{&login{w: w, url: other}, v.cookies}
	there.do(t, http.MethodGet, "/console/requests").want(t, "on another node", "200")
	session := v.cookies["__Host-fieldvault-console"]
	there.do(t, http.MethodPost, "/console/sign-out").want(t, "signing out", "200")
	v.cookies["__Host-fieldvault-console"] = session
	v.do(t, http.MethodGet, "/console/requests").want(t, "after signing out", "303")

	stranger := l.visitor()
	stranger.do(t, http.MethodGet, stranger.authorize(t, l.account(t, "gardener", ""))).want(t, "without a role", "403")
	stranger.do(t, http.MethodGet, "/console").want(t, "without a role", "303")
}
