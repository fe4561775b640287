package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// fails runs a verb that must fail, and returns what it said.
func fails(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), world{args: args, environ: environ, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr})
	if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "What to do: ") {
		t.Errorf("fieldvault %s: exit code %d: %s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	return stderr.String()
}

// On PostgreSQL a database whose schema is not there is refused; migrate makes it,
// and may be repeated.
func TestPostgresIsMigratedFirst(t *testing.T) {
	dir := t.TempDir()
	in := &installation{dir: dir, environ: []string{
		"FIELDVAULT_STORE_URL=" + storetest.Postgres(t),
		"FIELDVAULT_KEK_LOCAL_FILE=" + dir + "/kek.json", "FIELDVAULT_KEK_LOCAL_ALLOW_CLEAR=true", "FIELDVAULT_LEDGER_FILE=" + dir + "/ledger",
	}}
	if said := fails(t, in.environ, "fsck"); !strings.Contains(said, "fieldvault migrate") {
		t.Errorf("it said: %s", said)
	}
	if said := fails(t, in.environ, "migrate", "--grant", "nobody_of_that_name"); !strings.Contains(said, "CREATE ROLE") {
		t.Errorf("it said: %s", said)
	}
	in.run(t, "migrate")
	in.run(t, "migrate")
	in.run(t, "tenant", "create", "default")
	in.sample(t)
	in.run(t, "catalog", "apply", in.path("catalog.yaml"))
	in.run(t, "policy", "apply", in.path("policy.cedar"))
	if out := in.run(t, "fsck"); !strings.HasPrefix(out, "0 people") {
		t.Error(out)
	}
}

// The same sample runs on the production parts, a second time too.
func TestDevOnPostgresAndVault(t *testing.T) {
	store, v := storetest.Postgres(t), transittest.StartOwn(t, transittest.Options{})
	environ := []string{"VAULT_TOKEN=" + v.RootToken}
	for range 2 {
		s := start(t, environ, "dev", "--addr", "127.0.0.1:0", "--store", store, "--vault", v.Address)
		if status, body := s.email(t, s.Tokens["billing"], "c-1"); status != http.StatusOK || !strings.Contains(body, "luisg@embraer.com.br") || !strings.Contains(body, `"revision":1,`) {
			t.Errorf("billing: %d %s", status, body)
		}
		s.end(t)
	}
}

// A database that outlived its key is not read, and it is said why.
func TestDevOnADatabaseOfAnotherRun(t *testing.T) {
	store := storetest.Postgres(t)
	s := start(t, nil, "dev", "--addr", "127.0.0.1:0", "--store", store, "--no-sample")
	if said := s.stderr.String(); !strings.Contains(said, "nobody can read") {
		t.Errorf("it said: %s", said)
	}
	s.end(t)
	if said := fails(t, nil, "dev", "--addr", "127.0.0.1:0", "--store", store); !strings.Contains(said, "of another run") {
		t.Errorf("it said: %s", said)
	}
}

// A Vault that refuses the login, or is sealed, stops the start with what to do
// about it, and with nothing that it or the setting said.
func TestVaultThatLetsNobodyIn(t *testing.T) {
	in := install(t)
	for status, want := range map[int]string{
		http.StatusBadRequest:         "refused the login",
		http.StatusForbidden:          "refused the login",
		http.StatusServiceUnavailable: "unsealed and reachable",
	} {
		vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"errors":["canary of an error"]}`))
		}))
		environ := []string{in.environ[0], "FIELDVAULT_KEK_VAULT_APPROLE_SECRET_ID=canary-of-a-secret"}
		said := fails(t, environ, "fsck", "--kek-vault-address", vault.URL, "--kek-vault-approle-role-id", "role", "--kek-vault-timeout", "200ms")
		vault.Close()
		if !strings.Contains(said, want) || strings.Contains(said, "canary") {
			t.Errorf("%d: it said: %s", status, said)
		}
	}
}

// A password in --store is warned of, in each of its places.
func TestPasswordsInStoreAreWarnedOf(t *testing.T) {
	for store, want := range map[string]bool{
		"postgres://u@127.0.0.1/x": false, "postgres://u:@127.0.0.1/x": true, "postgres://u:p@127.0.0.1/x": true,
		"postgres://u@127.0.0.1/x?password=p": true, "postgresql:///x?host=/tmp": false,
	} {
		var stderr bytes.Buffer
		if err := (devOptions{addr: "127.0.0.1:0", store: store}).check(world{stderr: &stderr}); err != nil {
			t.Errorf("%s: %v", store, err)
		}
		if got := strings.Contains(stderr.String(), "can see the password"); got != want {
			t.Errorf("%s: warned %v", store, got)
		}
	}
}
