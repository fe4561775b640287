package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

// devIssuer is the iss of development tokens.
const devIssuer = "https://dev.fieldvault.local"

// devLife is how long development tokens are valid: as long as any may be.
const devLife = time.Hour

// devOptions are dev's flags.
type devOptions struct {
	addr, dir, store, vault string
	noSample                bool
}

func newDev(w world) *cobra.Command {
	var o devOptions
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run everything embedded, with sample data and ready-made tokens",
		Long: `Runs the whole service on this machine with nothing to install: an SQLite file,
a key-encryption key in a file, the sample catalog, policy and customers, and
tokens for each role. It prints three curl lines that work when pasted, then
serves until Ctrl-C. Without --dir, what it stored is removed in the end.

With --store and --vault the same sample runs on PostgreSQL and HashiCorp Vault;
the Vault token is taken from VAULT_TOKEN and needs the keeper's and the node's
rights. Take a database and a Transit engine that are for this alone.

The sample is only put into an empty vault: with --dir, what you change stays.
With --json it prints one line, once ready: {"url","metrics_url","portal_url",
"portal_link","dir","tokens":{"app",...}}.

Not for production: the tokens' signing key lies beside the data, and without
--vault so does the key-encryption key, in clear.`,
		Example: `  fieldvault dev
  fieldvault dev --dir data --addr 127.0.0.1:0 --json`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVar(&o.addr, "addr", "127.0.0.1:8420", "address of the API; port 0 takes a free one")
	c.Flags().StringVar(&o.dir, "dir", "", "folder that keeps the data, keys and issuer (default: a temporary one)")
	c.Flags().BoolVar(&o.noSample, "no-sample", false, "start without the sample's customers and invoices")
	c.Flags().StringVar(&o.store, "store", "", "postgres://... instead of the SQLite file")
	c.Flags().StringVar(&o.vault, "vault", "", "http(s)://... of a Vault with a Transit engine instead of the key file")
	c.RunE = func(c *cobra.Command, _ []string) error { return dev(c, w, o) }
	return c
}

// dev is serve, plus an issuer and the sample.
func dev(c *cobra.Command, w world, o devOptions) (err error) {
	ctx := c.Context()
	if err := o.check(w); err != nil {
		return err
	}
	on, err := bind(ctx, Config{Listen: o.addr, MetricsListen: "127.0.0.1:0"})
	if err != nil {
		return withHint(err, "choose another address: fieldvault dev --addr 127.0.0.1:0 takes a free port")
	}
	defer func() { err = errors.Join(err, on.close()) }()
	dir, remove, err := devDir(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	cfg, err := devConfig(w, o, dir)
	if err != nil {
		return err
	}
	w.collectLess()
	p, err := openDev(ctx, w, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.loadSample(ctx, w, !o.noSample); err != nil {
		return err
	}
	signer, err := devSigner(filepath.Join(dir, "issuer.jwk"))
	if err != nil {
		return err
	}
	issuers := []jwtauth.Issuer{{
		Name: devIssuer, Tenants: []string{cfg.Tenant}, JWKS: signer.JWKS(), Algorithms: []string{"EdDSA"},
	}}
	return p.serve(ctx, on, issuers, func(api, metrics string) error {
		r := devReady{URL: api, Metrics: metrics, Portal: api + "/me", Console: api + "/console", Dir: dir}
		if r.Link, err = p.devLink(ctx, api); err != nil {
			return err
		}
		return announceDev(c, cfg, signer, r)
	})
}

// check refuses what is not for other machines, and warns of a password that
// everybody on this one can read, and of data that outlive their key.
func (o devOptions) check(w world) error {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return wrongUsage("--addr is no address; write it as 127.0.0.1:8420")
	}
	if !local(host) {
		return wrongUsage("--addr must be on this machine, as 127.0.0.1:8420: dev speaks plain HTTP and signs its own tokens")
	}
	if o.store == "" {
		return nil
	}
	u, err := url.Parse(o.store)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return wrongUsage("--store must be postgres://...")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		fmt.Fprintln(w.stderr, "fieldvault: other users of this machine can see the password in --store; PGPASSWORD or ~/.pgpass hide it")
	}
	if o.vault == "" && o.dir == "" {
		fmt.Fprintln(w.stderr, "fieldvault: nobody can read what is in --store after this run: its key is in a temporary folder; --dir or --vault keep it")
	}
	return nil
}

// openDev opens store, keys and core, and makes what is missing of them.
func openDev(ctx context.Context, w world, cfg Config) (_ *parts, err error) {
	log, err := newLogger(w.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(cfg.Store.URL, "sqlite:") {
		if err := pgstore.Migrate(ctx, cfg.Store.URL, nil); err != nil {
			return nil, withHint(fmt.Errorf("preparing the database: %w", err), "check --store: the server must run, and the role must be allowed to create tables")
		}
	}
	if err := makeLedger(ctx, cfg.Ledger, ""); err != nil {
		return nil, err
	}
	p, err := openParts(ctx, cfg, log, true)
	if err != nil {
		return nil, err
	}
	err = p.setUp(ctx, cfg.Tenant)
	if err == nil && p.vault.VerifierKey() == nil || errors.Is(err, keyring.ErrUnwrap) {
		err = withHint(errors.New("the database is of another run, and does not open with this key-encryption key"),
			"give the --dir or --vault of that run, or an empty database")
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// devDir makes the folder, or a temporary one that remove takes away again.
func devDir(dir string) (path string, remove func() error, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "fieldvault-dev-") // of mode 0700
		return path, func() error { return os.RemoveAll(path) }, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, withHint(fmt.Errorf("making the folder: %w", err), "give --dir a folder that you may write to")
	}
	path, err = filepath.Abs(dir)
	return path, func() error { return nil }, err
}

func devConfig(w world, o devOptions, dir string) (Config, error) {
	cfg := defaults()
	cfg.Listen, cfg.MetricsListen = o.addr, "127.0.0.1:0"
	cfg.Log = LogConfig{Level: "warn", Format: "text"}
	cfg.Shutdown = "5s"
	cfg.Keeper = true
	cfg.Store.URL = "sqlite:" + filepath.Join(dir, "fieldvault.db")
	cfg.Store.AllowUnverified = true
	cfg.Ledger.File = filepath.Join(dir, "ledger")
	cfg.Audit.Export, cfg.Audit.ExportEvery = filepath.Join(dir, devAudit), "1s"
	if o.store != "" {
		cfg.Store.URL = o.store
		if o.dir == "" { // a ledger in a temporary folder would be missed by the next run
			cfg.Ledger = LedgerConfig{None: true}
		}
	}
	if o.vault == "" {
		cfg.KEK.Local = LocalConfig{File: filepath.Join(dir, "kek.json"), AllowClear: true}
		return cfg, nil
	}
	cfg.KEK.Vault.Address = o.vault
	cfg.KEK.Vault.Token = w.getenv("VAULT_TOKEN")
	cfg.KEK.Vault.CAFile = w.getenv("VAULT_CACERT")
	if cfg.KEK.Vault.Token == "" {
		return cfg, withHint(errors.New("--vault needs a token"), "set VAULT_TOKEN")
	}
	return cfg, nil
}

// devSigner reads the issuer's key, or makes one.
func devSigner(path string) (*jwtauth.Signer, error) {
	s, err := jwtauth.LoadSigner(path, now)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if s, err = jwtauth.NewSigner(devIssuer, now); err != nil {
		return nil, fmt.Errorf("making the issuer: %w", err)
	}
	return s, s.Save(path)
}

// A devReady is what dev --json prints, once ready.
type devReady struct {
	URL     string            `json:"url"`
	Metrics string            `json:"metrics_url"`
	Portal  string            `json:"portal_url"`
	Link    string            `json:"portal_link,omitempty"` // lets devPerson in, once
	Console string            `json:"console_url"`
	Dir     string            `json:"dir"`
	Tokens  map[string]string `json:"tokens"`
}

// devPerson is the customer of the sample who tries the control panel.
const devPerson = "c-17"

// devLink is a link that lets the customer in, or empty if there is no such customer.
func (p *parts) devLink(ctx context.Context, api string) (string, error) {
	ticket, _, err := p.vault.IssueTicket(ctx, operator(p.cfg.Tenant, "app"), devPerson, vault.TicketLink, "")
	switch {
	case errors.Is(err, vault.ErrNotFound), errors.Is(err, vault.ErrGone), errors.Is(err, vault.ErrDenied):
		return "", nil // another sample, or another policy
	case err != nil:
		return "", fmt.Errorf("making a link: %w", err)
	}
	return api + "/me/sign-in?token=" + url.QueryEscape(ticket), nil
}

// devTokens signs a token for each role of the sample, and one for devPerson.
func devTokens(signer *jwtauth.Signer, tenant string) (map[string]string, error) {
	tokens := map[string]string{}
	for _, role := range []string{"app", "support", "billing", "marketing", "dpo", "analyst", "operator", "subject"} {
		claims := jwtauth.Claims{Subject: "dev-" + role, Tenant: tenant, Roles: []string{role}, Lifetime: devLife}
		if role == "subject" {
			claims.Person = devPerson
		}
		t, err := signer.Sign(claims)
		if err != nil {
			return nil, fmt.Errorf("signing a token: %w", err)
		}
		tokens[role] = t
	}
	return tokens, nil
}

func announceDev(c *cobra.Command, cfg Config, signer *jwtauth.Signer, r devReady) error {
	tokens, err := devTokens(signer, cfg.Tenant)
	if err != nil {
		return err
	}
	r.Tokens = tokens
	if asJSON(c) {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	panel := ""
	if r.Link != "" {
		panel = "Another customer sees, switches and erases their own data in a browser (once, within a quarter of an hour):\n" + r.Link + "\n\n"
	}
	record := r.URL + "/v1/subjects/c-1/records/customer/self?fields=email,phone,last_name"
	curl := func(role, purpose, rest string) string {
		s := "curl -sS -H 'Authorization: Bearer " + tokens[role] + "' "
		if purpose != "" {
			s += "-H 'Fieldvault-Purpose: " + purpose + "' "
		}
		return s + rest
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), `Fieldvault is ready at %s (try %s/docs); metrics at %s
Data, keys and the tokens' issuer are in %s

Support sees a customer masked:
%s

Billing sees the customer:
%s

The data-protection officer erases the customer; then repeat the two above:
%s

%sOfficers and operators sign in to the console at %s with one of these tokens:
dpo: %s
operator: %s

Tokens are valid for an hour. More: fieldvault token --issuer-file %s --role billing
Ctrl-C ends it.
`, r.URL, r.URL, r.Metrics, r.Dir,
		curl("support", "support", "'"+record+"'"),
		curl("billing", "billing", "'"+record+"'"),
		curl("dpo", "", "-X POST -H 'Content-Type: application/json' -d '{\"reason\":\"asked for it\"}' '"+r.URL+"/v1/subjects/c-1/erasure'"),
		panel, r.Console, tokens["dpo"], tokens["operator"],
		filepath.Join(r.Dir, "issuer.jwk"))
	return err
}
