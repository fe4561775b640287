// Devvault runs a real Vault core for tests: its own barrier, policies, token
// and AppRole logins and Transit engine, in one process, with nothing to install.
//
// It initialises with one key share, unseals, mounts Transit at transit/ and
// AppRole at auth/approle/, and serves the HTTP API on a loopback address. Once
// ready it prints one line of JSON on standard output:
//
//	{"address":"http://127.0.0.1:39021","root_token":"hvs...","unseal_key":"...","ca_file":""}
//
// and stops on SIGINT or SIGTERM, or, with -exit-with-stdin, when its standard
// input ends.
//
// It is a test tool and no Vault server: it prints its root token, keeps its one
// unseal key beside its data and does not lock memory. It is a module of its own
// because Vault is source-available (BUSL) and must not enter the product.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "devvault:", err)
		os.Exit(1)
	}
}

// config is what the flags say.
type config struct {
	addr, dir string
	tls       bool
	withStdin bool
	logLevel  string
}

// ready is the line printed once Vault answers.
type ready struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"` // base64, as sys/unseal takes it
	CAFile    string `json:"ca_file"`
}

func parse(args []string, stderr io.Writer) (config, error) {
	var c config
	fs := flag.NewFlagSet("devvault", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&c.addr, "addr", "127.0.0.1:0", "loopback `address` to serve on; port 0 takes a free one")
	fs.StringVar(&c.dir, "dir", "", "`directory` for storage that outlives the process, its unseal key and its CA; empty: in memory")
	fs.BoolVar(&c.tls, "tls", false, "serve TLS under a CA made now and written to ca.pem in -dir")
	fs.BoolVar(&c.withStdin, "exit-with-stdin", false, "stop when standard input ends")
	fs.StringVar(&c.logLevel, "log-level", "off", "Vault's own log on standard error: off, error, info, debug, trace")
	if err := fs.Parse(args); err != nil {
		return config{}, err
	}
	if fs.NArg() > 0 {
		return config{}, errors.New("there are no arguments besides flags")
	}
	if c.tls && c.dir == "" {
		return config{}, errors.New("-tls needs -dir, where ca.pem goes")
	}
	host, _, err := net.SplitHostPort(c.addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return config{}, errors.New("-addr must be a loopback address with a port: it serves without protection")
	}
	return c, nil
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.withStdin {
		go func() {
			defer cancel()
			_, _ = io.Copy(io.Discard, stdin) // only the end matters
		}()
	}
	core, err := newCore(c, stderr)
	if err != nil {
		return fmt.Errorf("making the core: %w", err)
	}
	defer func() { _ = core.Shutdown() }()
	line, err := open(ctx, core, c.dir)
	if err != nil {
		return err
	}
	return serve(ctx, core, c, line, stdout)
}

// newCore returns a sealed core over memory or, if c names a directory, files.
func newCore(c config, stderr io.Writer) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.LevelFromString(c.logLevel), Output: stderr})
	var store physical.Backend
	var err error
	if c.dir == "" {
		store, err = inmem.NewInmem(nil, logger)
	} else {
		store, err = file.NewFileBackend(map[string]string{"path": filepath.Join(c.dir, "data")}, logger)
	}
	if err != nil {
		return nil, err
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical:           store,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    registry{},
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		DefaultLeaseTTL:    time.Hour,
		MaxLeaseTTL:        24 * time.Hour,
	})
}

// open initialises the core unless its storage is already initialised, and
// unseals it.
func open(ctx context.Context, core *vault.Core, dir string) (ready, error) {
	saved := filepath.Join(dir, "init.json")
	done, err := core.Initialized(ctx)
	if err != nil {
		return ready{}, fmt.Errorf("reading whether storage is initialised: %w", err)
	}
	if done {
		return reopen(core, saved)
	}
	shares := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	res, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: shares, RecoveryConfig: &vault.SealConfig{}})
	if err != nil {
		return ready{}, fmt.Errorf("initialising: %w", err)
	}
	line := ready{RootToken: res.RootToken, UnsealKey: base64.StdEncoding.EncodeToString(res.SecretShares[0])}
	if err := unseal(core, line.UnsealKey); err != nil {
		return ready{}, err
	}
	if dir == "" {
		return line, nil
	}
	b, err := json.Marshal(line)
	if err != nil {
		return ready{}, err
	}
	return line, os.WriteFile(saved, b, 0o600)
}

func reopen(core *vault.Core, saved string) (ready, error) {
	var line ready
	b, err := os.ReadFile(saved)
	if err != nil {
		return ready{}, fmt.Errorf("reading the unseal key: %w", err)
	}
	if err := json.Unmarshal(b, &line); err != nil {
		return ready{}, fmt.Errorf("reading the unseal key: %w", err)
	}
	return line, unseal(core, line.UnsealKey)
}

func unseal(core *vault.Core, key string) error {
	b, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return fmt.Errorf("reading the unseal key: %w", err)
	}
	open, err := core.Unseal(b)
	if err != nil {
		return fmt.Errorf("unsealing: %w", err)
	}
	if !open {
		return errors.New("unsealing: one key share was not enough")
	}
	return nil
}

// serve answers HTTP, mounts the engines if they are missing, prints line and
// blocks until ctx ends.
func serve(ctx context.Context, core *vault.Core, c config, line ready, stdout io.Writer) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	line.Address = "http://" + ln.Addr().String()
	if c.tls {
		line.Address, line.CAFile = "https://"+ln.Addr().String(), filepath.Join(c.dir, "ca.pem")
		if ln, err = listenTLS(ln, line.CAFile); err != nil {
			return err
		}
	}
	srv := &http.Server{
		Handler:           vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}}),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	if err := mount(ctx, core, line.RootToken); err != nil {
		return err
	}
	if err := json.NewEncoder(stdout).Encode(line); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return srv.Close()
	}
}

// mount enables Transit and AppRole at their usual paths.
func mount(ctx context.Context, core *vault.Core, token string) error {
	for path, kind := range map[string]string{"sys/mounts/transit": "transit", "sys/auth/approle": "approle"} {
		resp, err := core.HandleRequest(namespace.RootContext(ctx), &logical.Request{
			Operation:   logical.UpdateOperation,
			Path:        path,
			ClientToken: token,
			Data:        map[string]any{"type": kind},
			Connection:  &logical.Connection{RemoteAddr: "127.0.0.1"},
		})
		if resp != nil && resp.IsError() && strings.Contains(resp.Error().Error(), "already in use") {
			continue
		}
		if err != nil {
			return fmt.Errorf("mounting %s: %w", kind, err)
		}
	}
	return nil
}

// registry says that nothing is built in besides what newCore names; Vault asks
// it at every mount and cannot do without one.
type registry struct{}

func (registry) Contains(string, consts.PluginType) bool { return false }

func (registry) Get(string, consts.PluginType) (func() (any, error), bool) { return nil, false }

func (registry) Keys(consts.PluginType) []string { return nil }

func (registry) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Unknown, false
}

func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
