// Package processtest builds the program and runs it as real processes, for tests:
//
//	fieldvault := processtest.Build(t)
//	fieldvault.Run(t, 0, nil, "migrate", "--config", path)
//	p := fieldvault.Start(t, nil, "serve", "--config", path)
//
// A process gets of this process's environment what does not configure it, and
// ends with the test process, however that ends. A test binary that uses this
// package calls [Main] from its TestMain.
package processtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fieldvault/fieldvault/crypto/transit/transittest"
	"github.com/fieldvault/fieldvault/vault/storetest"
)

// Patience bounds what must happen and has no time of its own.
const Patience = time.Minute

// builds holds the programs that were built, in a folder that Main removes.
type builds struct {
	mu   sync.Mutex
	dir  string
	made map[string]Program // by tags
}

//nolint:gochecknoglobals // one program a test process and set of tags is the point
var built = builds{made: map[string]Program{}}

// Main runs the tests and removes what was built. It returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if err := os.RemoveAll(built.dir); built.dir != "" && err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// NeedProduction skips a test that needs PostgreSQL and Vault unless the tests
// are built with -tags e2e, so that plain `go test ./...` is quick.
func NeedProduction(tb testing.TB) {
	tb.Helper()
	if !storetest.Thorough() {
		tb.Skip("the production parts run with -tags e2e, as in `make test`")
	}
}

// A Program is the path of the built binary. Make one with [Build].
type Program string

// Build builds the program, once a test process for each set of build tags, and, if it
// has no tags, with the race detector if the test has it. Without a go command it skips the test,
// unless CI is set.
func Build(tb testing.TB, tags ...string) Program {
	tb.Helper()
	if _, err := exec.LookPath("go"); err != nil && os.Getenv("CI") == "" {
		tb.Skip("there is no go command to build the binary with")
	}
	p, err := built.program(tb.Context(), strings.Join(tags, ","))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func (b *builds) program(ctx context.Context, tags string) (_ Program, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.made[tags]; ok {
		return p, nil
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "fieldvault-processtest-"); err != nil {
			return "", fmt.Errorf("making a folder for the program: %w", err)
		}
	}
	path := filepath.Join(b.dir, fmt.Sprint("fieldvault-", len(b.made)))
	args := []string{"build", "-tags", tags, "-o", path}
	if RaceEnabled && tags == "" { // what has tags has faults of its own
		args = append(args, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false") // as deploy/ci/test.sh says
	}
	args = append(args, "github.com/fieldvault/fieldvault/cmd/fieldvault")
	out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput() //nolint:gosec // the tags are the tests' own
	if err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	b.made[tags] = Program(path)
	return Program(path), nil
}

// environment is what the program gets of ours: nothing that configures it.
func environment(extra ...string) []string {
	// With the race detector a process would sleep for a second when it ends.
	env := []string{"GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "FIELDVAULT_") && !strings.HasPrefix(kv, "VAULT_") && !strings.HasPrefix(kv, "PG") {
			env = append(env, kv)
		}
	}
	return append(env, extra...)
}

// Run runs a verb to its end and returns what it wrote to standard output. The
// code is what it must exit with; env is added to its environment.
func (p Program) Run(tb testing.TB, code int, env []string, args ...string) string {
	tb.Helper()
	got, stdout, stderr := p.Try(tb, env, args...)
	if got != code {
		tb.Fatalf("fieldvault %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout
}

// Try runs a verb to its end and returns its exit code and what it wrote.
func (p Program) Try(tb testing.TB, env []string, args ...string) (code int, stdout, stderr string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), string(p), args...) //nolint:gosec // it is the program that was built here
	cmd.Env = environment(env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		tb.Fatalf("fieldvault %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// WriteConfig writes a configuration file.
func WriteConfig(tb testing.TB, path string, settings map[string]any) {
	tb.Helper()
	b, err := yaml.Marshal(settings)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		tb.Fatalf("writing a configuration: %v", err)
	}
}

// VaultSettings makes a login at the Vault that may do what deploy/vault/<who>.hcl
// says, keeps its secret in the folder dir, and returns the setting kek for it.
func VaultSettings(tb testing.TB, v *transittest.Server, who, dir string) map[string]any {
	tb.Helper()
	login := v.AppRole(who, time.Hour, time.Hour)
	secret := filepath.Join(dir, who+".secret")
	if err := os.WriteFile(secret, []byte(login.SecretID), 0o600); err != nil {
		tb.Fatalf("writing a login: %v", err)
	}
	return map[string]any{"vault": map[string]any{
		"address": v.Address, "mount": v.Mount,
		"approle": map[string]any{"role_id": login.RoleID, "secret_id_file": secret},
	}}
}

// As is a database's URL for another role.
func As(tb testing.TB, database, role string) string {
	tb.Helper()
	u, err := url.Parse(database)
	if err != nil {
		tb.Fatal("the database has no URL") // which may hold a password
	}
	u.User = url.User(role)
	return u.String()
}
