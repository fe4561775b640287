package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

// patience bounds what must happen and has no time of its own.
const patience = time.Minute

// A server is the program, running within the test.
type server struct {
	URL     string            `json:"url"`
	Metrics string            `json:"metrics_url"`
	Dir     string            `json:"dir"`
	Tokens  map[string]string `json:"tokens"`

	line   []byte // what it printed once ready
	stop   context.CancelFunc
	ended  chan int
	stderr *safeBuffer
	client *http.Client
}

// A safeBuffer is written to by the program and read by the test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs dev or serve with --json until it is ready. The test fails if it
// leaves a goroutine behind.
func start(t *testing.T, environ []string, args ...string) *server {
	t.Helper()
	before := goleak.IgnoreCurrent()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	s := &server{stop: stop, ended: make(chan int, 1), stderr: &safeBuffer{}, client: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	go func() {
		code := run(ctx, world{args: append(args, "--json"), environ: environ, stdin: strings.NewReader(""), stdout: w, stderr: s.stderr})
		_ = w.Close()
		s.ended <- code
	}()
	t.Cleanup(func() {
		s.stop()
		s.wait(t)
		s.client.CloseIdleConnections()
		goleak.VerifyNone(t, before)
	})
	out := bufio.NewReader(r)
	line, err := out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("it ended before it was ready: %s", s.stderr)
	}
	go func() { // what it prints later
		_, _ = io.Copy(s.stderr, out)
	}()
	s.line = line
	if err := json.Unmarshal(line, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// wait waits for the end and returns the exit code.
func (s *server) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-s.ended:
		s.ended <- code
		return code
	case <-time.After(patience):
		t.Fatal("it does not end")
		return -1
	}
}

// end stops the server in order.
func (s *server) end(t *testing.T) {
	t.Helper()
	s.client.CloseIdleConnections()
	s.stop()
	if code := s.wait(t); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr)
	}
}

// do sends a request and returns status and body.
func (s *server) do(t *testing.T, method, url, token, purpose, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if purpose != "" {
		req.Header.Set("Fieldvault-Purpose", purpose)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// email asks for a customer's address, as billing.
func (s *server) email(t *testing.T, token, subject string) (int, string) {
	t.Helper()
	return s.do(t, http.MethodGet, s.URL+"/v1/subjects/"+subject+"/records/customer/self?fields=email", token, "billing", "")
}

// An installation is an embedded one with the sample's catalog and policy, ready
// for serve.
type installation struct {
	dir     string
	environ []string
}

// install makes an installation. The issuer's key set is issuer.jwks.
func install(t *testing.T) *installation {
	t.Helper()
	dir := vaulttest.Folder(t)
	in := &installation{dir: dir, environ: []string{
		"FIELDVAULT_STORE_URL=sqlite:" + filepath.Join(dir, "vault.db"),
		"FIELDVAULT_KEK_LOCAL_FILE=" + filepath.Join(dir, "kek.json"), "FIELDVAULT_KEK_LOCAL_ALLOW_CLEAR=true", "FIELDVAULT_LEDGER_FILE=" + filepath.Join(dir, "ledger"),
	}}
	in.sample(t)
	in.run(t, "migrate")
	in.run(t, "tenant", "create", "default")
	in.run(t, "catalog", "apply", in.path("catalog.yaml"))
	in.run(t, "policy", "apply", in.path("policy.cedar"))
	in.token(t, "app")
	return in
}

// sample writes the sample's catalog and policy to the folder.
func (in *installation) sample(t *testing.T) {
	t.Helper()
	write(t, in.path("catalog.yaml"), sample.Catalog())
	write(t, in.path("policy.cedar"), sample.Policy())
}

func (in *installation) path(name string) string { return filepath.Join(in.dir, name) }

// run runs a verb, which must succeed, and returns what it printed.
func (in *installation) run(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), world{args: args, environ: in.environ, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}); code != 0 {
		t.Fatalf("fieldvault %s: exit code %d: %s", strings.Join(args, " "), code, &stderr)
	}
	return stdout.String()
}

// token signs a token for a role.
func (in *installation) token(t *testing.T, role string) string {
	t.Helper()
	out := in.run(t, "token", "--role", role, "--issuer-file", in.path("issuer.jwk"), "--jwks", in.path("issuer.jwks"))
	return strings.TrimSpace(out)
}

// serve starts the service on free ports.
func (in *installation) serve(t *testing.T, args ...string) *server {
	t.Helper()
	issuers := fmt.Sprintf("[{name: %q, tenants: [default], jwks_file: %q, algorithms: [EdDSA]}]", devIssuer, in.path("issuer.jwks"))
	return start(t, in.environ, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--auth-issuers", issuers, "--shutdown", "30s",
	}, args...)...)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
