package bench

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
)

//go:embed catalog.yaml
var catalogText []byte

//go:embed policy.cedar
var policyText []byte

const issuer = "https://bench.fieldvault.local"

// A Ground is what the service under test stands on.
type Ground struct {
	Program string // the fieldvault binary
	Dir     string // for configuration, keys and the ledger; of mode 0700
	Store   string // postgres://... of an empty database; empty: an SQLite file in Dir
	Vault   string // http(s)://...; empty: a key file in Dir
	Auth    string // Vault's token
	Mount   string // of the Transit engine
	Prefix  string // of the names of keys in Vault
	Stderr  io.Writer

	signer *jwtauth.Signer
}

// A Service is the process under test, or a service that runs elsewhere.
type Service struct {
	URL     string
	Metrics string // empty: not known

	app  func() (string, error) // makes a token
	proc *exec.Cmd
	out  *bytes.Buffer
	done chan error
}

// settings are the configuration file: what serve has by default, without the limits
// that are there to stop just what a measurement does.
func (g *Ground) settings(over map[string]any) map[string]any {
	kek := map[string]any{"local": map[string]any{"file": filepath.Join(g.Dir, "kek.json"), "allow_clear": true}}
	if g.Vault != "" {
		kek = map[string]any{"vault": map[string]any{
			"address": g.Vault, "mount": g.Mount, "key_prefix": g.Prefix, "token_file": g.file("vault-auth"), "timeout": "30s",
		}}
	}
	cfg := map[string]any{
		"listen": "127.0.0.1:0", "metrics_listen": "127.0.0.1:0", "keeper": true,
		"store": map[string]any{"url_file": g.file("store")}, "kek": kek,
		"ledger":  map[string]any{"file": g.file("ledger")},
		"log":     map[string]any{"level": "info", "format": "json"},
		"limits":  map[string]any{"rate": 1e9, "burst": 1 << 30, "in_flight": 1 << 16},
		"erasure": map[string]any{"per_hour": -1, "per_mille": -1, "deletions_per_hour": -1},
		"alarms":  map[string]any{"people_per_hour": 0, "values_per_hour": 0},
		"auth": map[string]any{"issuers": []any{map[string]any{
			"name": issuer, "tenants": []string{"default"}, "jwks_file": g.file("jwks"), "algorithms": []string{"EdDSA"},
		}}},
	}
	for key, value := range over {
		cfg[key] = value
	}
	return cfg
}

func (g *Ground) file(name string) string { return filepath.Join(g.Dir, name) }

// Prepare makes the database's tables, the tenant, its catalog and its policy.
func (g *Ground) Prepare(ctx context.Context) (err error) {
	if g.signer, err = jwtauth.NewSigner(issuer, time.Now); err != nil {
		return fmt.Errorf("making an issuer: %w", err)
	}
	store := g.Store
	if store == "" {
		store = "sqlite:" + g.file("fieldvault.db")
	}
	for name, b := range map[string][]byte{
		"catalog.yaml": catalogText, "policy.cedar": policyText, "store": []byte(store), "vault-auth": []byte(g.Auth), "jwks": g.signer.JWKS(),
	} {
		if err := os.WriteFile(g.file(name), b, 0o600); err != nil {
			return fmt.Errorf("preparing: %w", err)
		}
	}
	if err := g.configure(nil); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"migrate"}, {"tenant", "create", "default"}, {"catalog", "apply", g.file("catalog.yaml")}, {"policy", "apply", g.file("policy.cedar")},
	} {
		cmd := exec.CommandContext(ctx, g.Program, append(args, "--config", g.file("serve.yaml"))...) //nolint:gosec // it is this program
		cmd.Env = environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("fieldvault %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func (g *Ground) configure(over map[string]any) error {
	b, err := yaml.Marshal(g.settings(over))
	if err == nil {
		err = os.WriteFile(g.file("serve.yaml"), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return nil
}

// environment is ours without what configures the program.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "FIELDVAULT_") && !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return env
}

// Start starts the service, with settings that take the place of others.
func (g *Ground) Start(ctx context.Context, over map[string]any) (*Service, error) {
	if err := g.configure(over); err != nil {
		return nil, err
	}
	s := &Service{out: &bytes.Buffer{}, done: make(chan error, 1), app: func() (string, error) {
		return g.signer.Sign(jwtauth.Claims{Subject: "bench", Tenant: "default", Roles: []string{"app", "operator"}, Lifetime: time.Hour})
	}}
	s.proc = exec.CommandContext(ctx, g.Program, "serve", "--json", "--config", g.file("serve.yaml")) //nolint:gosec // it is this program
	s.proc.Env, s.proc.Stderr = environment(), s.out
	s.proc.Cancel = func() error { return s.proc.Process.Signal(syscall.SIGTERM) }
	s.proc.WaitDelay = 30 * time.Second
	out, err := s.proc.StdoutPipe()
	if err == nil {
		err = s.proc.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("starting the service: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready struct {
		URL     string `json:"url"`
		Metrics string `json:"metrics_url"`
	}
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		_ = s.proc.Process.Kill()
		_ = s.proc.Wait()
		return nil, fmt.Errorf("the service did not start: %w\n%s", err, s.out)
	}
	s.URL, s.Metrics = ready.URL, ready.Metrics
	go func() {
		_, _ = io.Copy(io.Discard, out)
		s.done <- s.proc.Wait()
	}()
	return s, nil
}

// Elsewhere is a service that runs already, with a token for it.
func Elsewhere(url, metrics, auth string) *Service {
	return &Service{URL: url, Metrics: metrics, app: func() (string, error) { return auth, nil }}
}

// Stop ends the service in order.
func (s *Service) Stop() error {
	if s.proc == nil {
		return nil
	}
	if err := s.proc.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the service: %w", err)
	}
	if err := <-s.done; err != nil {
		return fmt.Errorf("the service ended in disorder: %w\n%s", err, s.out)
	}
	return nil
}

// Server is where the service's requests go.
func (s *Service) Server() (*Server, error) {
	token, err := s.app()
	if err != nil {
		return nil, fmt.Errorf("signing a token: %w", err)
	}
	return NewServer(s.URL, "Authorization: Bearer "+token, "Fieldvault-Purpose: support")
}

// Memory is the resident memory of the process, in bytes; 0: not known.
func (s *Service) Memory() int64 {
	if s.proc == nil {
		return 0
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(s.proc.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// errNoMetric says that the service's metrics do not name one.
var errNoMetric = errors.New("the service has no such metric")

// Metric reads one metric without labels.
func (s *Service) Metric(ctx context.Context, name string) (float64, error) {
	if s.Metrics == "" {
		return 0, errNoMetric
	}
	base, _, _ := strings.Cut(s.Metrics, "/metrics")
	server, err := NewServer(base)
	if err != nil {
		return 0, err
	}
	b, err := server.once(ctx, "GET", "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, errNoMetric
}

// cpu is the CPU time that the service has used, in seconds; 0: not known.
func (s *Service) cpu(ctx context.Context) float64 {
	v, err := s.Metric(ctx, "process_cpu_seconds_total")
	if err != nil {
		return 0
	}
	return v
}
