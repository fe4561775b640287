// Package transittest gives tests a real Vault with a Transit engine: a process of
// its own, on a free port, that ends with the test.
//
//	vault := transittest.Start(t)
//	kek := vault.KEK(t)
//
// The process is deploy/devvault, built once on a machine; see Build. Where it has
// not been built, tests that need it are skipped, or, if the environment variable
// CI is set, build it. They are skipped also unless they are built with -tags e2e, as
// `make test` does, so that plain `go test ./...` is quick. FIELDVAULT_TEST_VAULT_ADDR and FIELDVAULT_TEST_VAULT_TOKEN
// (a root token) make Start use another Vault or OpenBao instead, in a Transit
// mount of the test's own; tests that stop, seal or kill theirs use StartOwn.
package transittest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

// Server is a Vault for one test.
type Server struct {
	Address   string
	RootToken string
	// Mount is the path of a Transit engine for this test alone.
	Mount string
	// CAFile vouches for the server if it speaks TLS.
	CAFile string
	// PID is its process; 0 if it is not ours.
	PID int

	tb        testing.TB
	http      *http.Client
	unsealKey string
	ended     chan struct{} // closed when the process is no more
	kill      func()
}

// Options say what StartOwn starts.
type Options struct {
	// TLS makes it serve TLS, under an authority of its own; see Server.CAFile.
	TLS bool
	// Dir keeps its data beyond its process, so that a later StartOwn with the
	// same Dir goes on with it; default: in memory.
	Dir string
	// Addr is where it listens; default: a free port.
	Addr string
}

// Start returns a Vault, or skips the test as the package comment says.
func Start(tb testing.TB) *Server {
	tb.Helper()
	addr, token := os.Getenv("FIELDVAULT_TEST_VAULT_ADDR"), os.Getenv("FIELDVAULT_TEST_VAULT_TOKEN")
	if addr == "" {
		return StartOwn(tb, Options{})
	}
	s := &Server{Address: addr, RootToken: token, Mount: "fieldvault-test-" + random(), tb: tb, http: newClient(tb, "")}
	s.Must("PUT", "sys/mounts/"+s.Mount, map[string]any{"type": "transit"})
	tb.Cleanup(func() { s.Must("DELETE", "sys/mounts/"+s.Mount, nil) })
	if status, answer := s.Do(s.RootToken, "PUT", "sys/auth/approle", map[string]any{"type": "approle"}); status >= 300 && !strings.Contains(answer, "already in use") {
		tb.Fatalf("transittest: enabling AppRole: %d", status)
	}
	return s
}

// StartOwn returns a Vault in a process of the test's own, or skips the test as
// the package comment says.
func StartOwn(tb testing.TB, o Options) *Server {
	tb.Helper()
	if !pacetest.Thorough() {
		tb.Skip("tests on a Vault run with -tags e2e, as in `make test`")
	}
	path := binary(tb)
	if o.TLS && o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	args := []string{"-exit-with-stdin"}
	if o.TLS {
		args = append(args, "-tls")
	}
	if o.Dir != "" {
		args = append(args, "-dir", o.Dir)
	}
	if o.Addr != "" {
		args = append(args, "-addr", o.Addr)
	}
	s := &Server{Mount: "transit", tb: tb, ended: make(chan struct{})}
	s.spawn(path, args)
	s.http = newClient(tb, s.CAFile)
	return s
}

// binary returns the server's path, or skips or fails the test.
func binary(tb testing.TB) string {
	tb.Helper()
	path, err := built()
	switch {
	case err == nil:
		return path
	case !errors.Is(err, os.ErrNotExist):
		tb.Fatalf("transittest: %v", err)
	case os.Getenv("CI") == "":
		tb.Skip("no Vault to test with: `make test` builds one (or `go run ./crypto/transit/transittest/build`), or set FIELDVAULT_TEST_VAULT_ADDR and FIELDVAULT_TEST_VAULT_TOKEN")
	}
	path, err = Build(tb.Context(), tb.Output())
	if err != nil {
		tb.Fatalf("transittest: %v", err)
	}
	return path
}

// spawn starts the process and reads where it is. A goroutine holds the thread
// that started it, because the kernel ends the process with that thread.
func (s *Server) spawn(path string, args []string) {
	s.tb.Helper()
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // a binary we built; Cleanup ends it
	cmd.SysProcAttr, cmd.Stderr = dieWithUs(), s.tb.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	started := make(chan error)
	go func() {
		defer close(s.ended)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_, _ = cmd.Process.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.tb.Fatalf("transittest: starting Vault: %v", err)
	}
	s.PID = cmd.Process.Pid
	s.kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-s.ended
		_ = stdin.Close()
		_ = stdout.Close()
	})
	s.tb.Cleanup(s.kill)
	s.read(stdout)
}

// read takes the line that the process prints when it is ready.
func (s *Server) read(stdout io.Reader) {
	s.tb.Helper()
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		s.tb.Fatalf("transittest: Vault did not start: %v", err)
	}
	var ready struct {
		Address   string `json:"address"`
		RootToken string `json:"root_token"`
		UnsealKey string `json:"unseal_key"`
		CAFile    string `json:"ca_file"`
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		s.tb.Fatalf("transittest: Vault did not start: %v", err)
	}
	s.Address, s.RootToken, s.unsealKey, s.CAFile = ready.Address, ready.RootToken, ready.UnsealKey, ready.CAFile
}

// Stop stops the process where it is (SIGSTOP) and waits until it stands:
// connections stay open and nothing answers.
func (s *Server) Stop() {
	s.tb.Helper()
	s.signal(syscall.SIGSTOP)
	if err := awaitStop(s.PID); err != nil {
		s.tb.Fatalf("transittest: waiting for Vault to stop: %v", err)
	}
}

// Continue lets a stopped process go on (SIGCONT).
func (s *Server) Continue() { s.signal(syscall.SIGCONT) }

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (s *Server) Kill() {
	s.tb.Helper()
	if s.kill == nil {
		s.tb.Fatal("transittest: this Vault is not ours to kill: use StartOwn")
	}
	s.kill()
}

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.PID == 0 {
		s.tb.Fatal("transittest: this Vault is not ours to stop: use StartOwn")
	}
	if err := syscall.Kill(s.PID, sig); err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
}

// Seal seals Vault: it answers 503 to everything.
func (s *Server) Seal() {
	s.tb.Helper()
	if s.PID == 0 {
		s.tb.Fatal("transittest: this Vault is not ours to seal: use StartOwn")
	}
	s.Must("PUT", "sys/seal", nil)
}

// Unseal opens a sealed Vault again.
func (s *Server) Unseal() {
	s.tb.Helper()
	s.Must("PUT", "sys/unseal", map[string]any{"key": s.unsealKey})
	for range 100 { // its mounts come up a moment later
		if status, _ := s.Do(s.RootToken, "GET", "sys/mounts", nil); status == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.tb.Fatal("transittest: Vault is not up after unsealing")
}

// Do sends one request, with body as JSON unless it is nil, and returns status
// and text of the answer.
func (s *Server) Do(token, method, path string, body any) (status int, answer string) {
	s.tb.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.tb.Fatalf("transittest: %v", err)
		}
		r = bytes.NewReader(b)
	}
	// Not the test's context: Cleanup functions send requests too.
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.tb.Context()), method, s.Address+"/v1/"+path, r)
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	req.Header.Set("X-Vault-Token", token)
	resp, err := s.http.Do(req)
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	return resp.StatusCode, string(b)
}

// Must is Do with the root token; it returns the answer's data and fails the test
// if Vault refuses.
func (s *Server) Must(method, path string, body any) map[string]any {
	s.tb.Helper()
	status, answer := s.Do(s.RootToken, method, path, body)
	if status >= 300 {
		s.tb.Fatalf("transittest: %s %s: Vault answered %d: %s", method, path, status, answer)
	}
	var b struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal([]byte(answer), &b); err != nil && answer != "" {
		s.tb.Fatalf("transittest: %s %s: %v", method, path, err)
	}
	return b.Data
}

// Policy stores deploy/vault/<role>.hcl for this server's mount and returns the
// policy's name.
func (s *Server) Policy(role string) string {
	s.tb.Helper()
	root, err := Root()
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy", "vault", role+".hcl")) //nolint:gosec // files of this checkout
	if err != nil {
		s.tb.Fatalf("transittest: %v", err)
	}
	name := s.Mount + "-" + role
	s.Must("PUT", "sys/policies/acl/"+name, map[string]any{
		"policy": strings.ReplaceAll(string(text), `path "transit/`, `path "`+s.Mount+`/`),
	})
	return name
}

// Token returns a token that may do what deploy/vault/<role>.hcl says and nothing
// else.
func (s *Server) Token(role string) string {
	s.tb.Helper()
	status, answer := s.Do(s.RootToken, "PUT", "auth/token/create", map[string]any{
		"policies": []string{s.Policy(role)}, "no_default_policy": true,
	})
	var b struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if err := json.Unmarshal([]byte(answer), &b); err != nil || b.Auth.Token == "" {
		s.tb.Fatalf("transittest: creating a token: Vault answered %d", status)
	}
	return b.Auth.Token
}

// AppRole returns a login that may do what deploy/vault/<role>.hcl says. Its
// tokens end after ttl unless they are renewed, and after maxTTL anyway.
func (s *Server) AppRole(role string, ttl, maxTTL time.Duration) *transit.AppRole {
	s.tb.Helper()
	path := "auth/approle/role/" + s.Mount + "-" + role
	s.Must("PUT", path, map[string]any{
		"token_policies": []string{s.Policy(role)}, "token_no_default_policy": true,
		"token_ttl": ttl.String(), "token_max_ttl": maxTTL.String(),
	})
	roleID, _ := s.Must("GET", path+"/role-id", nil)["role_id"].(string)
	secretID, _ := s.Must("PUT", path+"/secret-id", map[string]any{})["secret_id"].(string)
	return &transit.AppRole{RoleID: roleID, SecretID: secretID}
}

// Config returns a configuration of transit for this server that logs in by auth.
func (s *Server) Config(auth transit.Auth) transit.Config {
	return transit.Config{
		Address: s.Address, Mount: s.Mount, CACertFile: s.CAFile, Auth: auth,
		Now: time.Now,
	}
}

// KEK returns a client with all rights, which is closed with the test.
func (s *Server) KEK(tb testing.TB) *transit.KEK {
	tb.Helper()
	return New(tb, s.Config(transit.Auth{Token: s.RootToken}))
}

// New returns a client by cfg, which is closed with the test.
func New(tb testing.TB, cfg transit.Config) *transit.KEK {
	tb.Helper()
	k, err := transit.New(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("transittest: %v", err)
	}
	tb.Cleanup(func() {
		if err := k.Close(); err != nil {
			tb.Errorf("transittest: closing: %v", err)
		}
	})
	return k
}

func random() string { return strings.ToLower(rand.Text()[:12]) }

// newClient returns an HTTP client of its own that trusts caFile's authority.
func newClient(tb testing.TB, caFile string) *http.Client {
	tb.Helper()
	conf, err := tlsConfig(caFile)
	if err != nil {
		tb.Fatalf("transittest: %v", err)
	}
	t := &http.Transport{TLSClientConfig: conf}
	tb.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: 30 * time.Second}
}
