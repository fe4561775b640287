package main

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/alarms"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/localkek"
	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/notify"
	"github.com/fieldvault/fieldvault/vault/pgstore"
	"github.com/fieldvault/fieldvault/vault/sqlitestore"
)

// A kek is a key-encryption key of either kind, with its administration.
type kek interface {
	keyring.KEK
	vault.KeyMaker
	Ping(ctx context.Context) error
	Requests() int64
	Items() int64
}

// parts are what a process works with: store, keys and the core. Every verb that
// does not ask a server opens them here.
type parts struct {
	cfg   Config
	log   *slog.Logger
	store vault.Store
	kek   kek
	ring  *keyring.Ring
	vault *vault.Vault
	load  *traffic

	ledger vault.Ledger // nil: none
	alarms *alarms.Alarms
	late   prometheus.Histogram // of what retention removes; nil before openVault

	reminders atomic.Pointer[notify.Sender]    // nil: none
	senders   []func() (*notify.Sender, error) // of recipients, opened when first used

	runs   []func(context.Context) error
	closes []func() error
}

// openParts opens store and keys as the settings say, and makes the files of an
// embedded installation if they are to be made: only migrate and dev do that, for
// elsewhere a misspelt path would be an empty vault. The caller closes the parts.
func openParts(ctx context.Context, cfg Config, log *slog.Logger, create bool) (_ *parts, err error) {
	if fips140.Enforced() {
		return nil, withHint(errors.New("GODEBUG=fips140=only refuses the encryption that is used here"), "use GODEBUG=fips140=on")
	}
	p := &parts{cfg: cfg, log: log, load: &traffic{now: now}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.store, err = openStore(ctx, cfg.Store, log, create); err != nil {
		return nil, err
	}
	p.closes = append(p.closes, p.store.Close)
	if err := p.openKEK(ctx, create); err != nil {
		return nil, err
	}
	if err := p.openRing(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// openVault makes the core; tenants and signing key must have been made.
func (p *parts) openVault(ctx context.Context) (err error) {
	if p.ledger, err = p.openLedger(ctx); err != nil {
		return err
	}
	horizon, err := p.cfg.Erasure.settings()
	if err != nil {
		return err
	}
	if err := p.newAlarms(); err != nil {
		return err
	}
	p.late = newLateness()
	rights, err := p.rights()
	if err != nil {
		return err
	}
	p.vault, err = vault.New(ctx, vault.Config{
		Store: p.store, Ring: p.ring, Now: now, NewID: newID, Logger: p.log, Ledger: p.ledger,
		Breaker: p.cfg.Erasure.limits(), Deletions: int64(p.cfg.Erasure.DeletionsPerHour), Horizon: horizon,
		Keys: keeper(p.kek), ReadLimit: p.cfg.Alarms.limit(),
		Log:     vault.LogConfig{Origin: p.cfg.Audit.Origin, Seen: p.alarms.Seen, Refused: p.alarms.Refused},
		Rights:  rights,
		Busy:    p.load.busy,
		Expired: func(late time.Duration) { p.late.Observe(late.Seconds()) },
	})
	if err != nil {
		return withHint(fmt.Errorf("opening the vault: %w", err), "check that the database answers and that `fieldvault migrate` has run")
	}
	p.closes = append(p.closes, func() error {
		p.vault.Close(context.WithoutCancel(ctx))
		return nil
	})
	return nil
}

// close frees everything, last opened first.
func (p *parts) close() error {
	var errs []error
	for i := len(p.closes) - 1; i >= 0; i-- {
		errs = append(errs, p.closes[i]())
	}
	p.closes = nil
	return errors.Join(errs...)
}

// openStore opens PostgreSQL or SQLite, by the URL. It refuses one whose schema
// is not that of this program.
func openStore(ctx context.Context, cfg StoreConfig, log *slog.Logger, create bool) (vault.Store, error) {
	if path, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		if _, err := os.Stat(path); !create && errors.Is(err, fs.ErrNotExist) {
			return nil, withHint(errors.New("the SQLite file of store.url does not exist"), "check the path, or make the file with `fieldvault migrate`")
		}
		s, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: path, Now: now, Logger: log})
		if err != nil {
			return nil, withHint(fmt.Errorf("opening the SQLite file: %w", err), "check that the folder exists, that the file may be written, and that it is one of this program")
		}
		return s, nil
	}
	if err := checkStoreURL(cfg); err != nil {
		return nil, err
	}
	s, err := pgstore.Open(ctx, pgstore.Config{
		URL: cfg.URL, MaxConns: cfg.MaxConns, TransactionPooler: cfg.TransactionPooler, Logger: log,
	})
	if err != nil {
		return nil, withHint(fmt.Errorf("opening PostgreSQL: %w", err), "check store.url, that the server runs, and that the role may connect")
	}
	if err := s.Ping(ctx); err != nil {
		err = withHint(fmt.Errorf("opening PostgreSQL: %w", err), "run `fieldvault migrate` as the owner of the database; store.url must lead to the primary")
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// checkStoreURL refuses a database whose connection anybody between could read.
func checkStoreURL(cfg StoreConfig) error {
	if cfg.URL == "" {
		return withHint(errors.New("store.url is not set"), "set FIELDVAULT_STORE_URL to postgres://... or sqlite:PATH, or name a file that holds it with store.url_file")
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return withHint(errors.New("store.url is neither postgres://... nor sqlite:PATH"), "write it as postgres://user@host/database?sslmode=verify-full")
	}
	hosts := u.Hostname()
	if h := u.Query().Get("host"); h != "" {
		hosts = h
	}
	if allLocal(hosts) || u.Query().Get("sslmode") == "verify-full" || cfg.AllowUnverified {
		return nil
	}
	return withHint(errors.New("the connection to PostgreSQL would not be verified"),
		"add sslmode=verify-full to store.url (and sslrootcert), or set store.allow_unverified if the network is yours alone")
}

// allLocal says whether each host of a comma-separated list is this machine or a
// socket on it; none at all is a socket too.
func allLocal(hosts string) bool {
	for h := range strings.SplitSeq(hosts, ",") {
		if h != "" && !strings.HasPrefix(h, "/") && !local(h) {
			return false
		}
	}
	return true
}

// local says whether a host is this machine. A name other than localhost is not,
// whatever it resolves to.
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// openKEK opens Vault's Transit engine or the file.
func (p *parts) openKEK(ctx context.Context, create bool) error {
	v, l := p.cfg.KEK.Vault, p.cfg.KEK.Local
	switch {
	case v.Address != "" && l.File != "":
		return withHint(errors.New("both kek.vault.address and kek.local.file are set"), "keep one of them")
	case v.Address != "":
		return p.openTransit(ctx, v)
	case l.File != "":
		return p.openLocal(l, create)
	}
	return withHint(errors.New("no key-encryption key is configured"), "set kek.vault.address for production, or kek.local.file for a single node")
}

func (p *parts) openTransit(ctx context.Context, v VaultConfig) error {
	timeout, err := duration("kek.vault.timeout", v.Timeout)
	if err != nil {
		return err
	}
	c := transit.Config{
		Address: v.Address, Mount: v.Mount, Namespace: v.Namespace, KeyPrefix: v.KeyPrefix,
		CACertFile: v.CAFile, ServerName: v.ServerName, ClientCertFile: v.ClientCertFile, ClientKeyFile: v.ClientKeyFile,
		Timeout: timeout, Unwraps: v.UnwrapsAtOnce, Logger: p.log, Now: now,
		Auth: transit.Auth{Token: v.Token, TokenFile: v.TokenFile},
	}
	if a := v.AppRole; a != (AppRoleConfig{}) {
		c.Auth.AppRole = &transit.AppRole{RoleID: a.RoleID, SecretID: a.SecretID, SecretIDFile: a.SecretIDFile, Mount: a.Mount}
	}
	if k := v.Kubernetes; k != (KubernetesConfig{}) {
		c.Auth.Kubernetes = &transit.Kubernetes{Role: k.Role, JWTFile: k.JWTFile, Mount: k.Mount}
	}
	k, err := transit.New(ctx, c)
	if err != nil {
		return vaultHint(err)
	}
	p.kek = k
	p.runs = append(p.runs, k.Run)
	p.closes = append(p.closes, k.Close)
	return nil
}

// vaultHint says what to do when the login at Vault fails. The process ends
// then, rather than wait: whoever supervises it starts it again, and a wrong login
// is seen at once. A Vault that stops later ends nothing.
func vaultHint(err error) error {
	next := "check kek.vault: address (https), ca_file, and exactly one login: token_file, approle or kubernetes"
	switch {
	case errors.Is(err, transit.ErrDenied):
		next = "Vault refused the login: check the role, its secret (it may have expired) and the mount of the method"
	case errors.Is(err, transit.ErrUnavailable):
		next = "check that Vault runs, is unsealed and reachable at kek.vault.address, and that kek.vault.ca_file vouches for it; then start again"
	}
	return withHint(fmt.Errorf("connecting to Vault: %w", err), next)
}

func (p *parts) openLocal(l LocalConfig, create bool) error {
	var passphrase []byte
	switch {
	case l.PassphraseFile != "":
		b, err := os.ReadFile(l.PassphraseFile)
		if err != nil {
			return withHint(fmt.Errorf("reading kek.local.passphrase_file: %w", err), "it must name a file that holds the passphrase and nothing else")
		}
		passphrase = []byte(strings.TrimRight(string(b), "\r\n"))
		if len(passphrase) == 0 {
			return withHint(errors.New("kek.local.passphrase_file is empty"), "write the passphrase into it")
		}
	case !l.AllowClear:
		return withHint(errors.New("the key-encryption key would stand in clear in its file"),
			"set kek.local.passphrase_file, or kek.local.allow_clear if the file may be read by nobody else")
	}
	openFile := localkek.Open
	if create {
		openFile = localkek.OpenOrCreate
	}
	k, err := openFile(l.File, passphrase)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return withHint(errors.New("the file of kek.local.file, or its folder, does not exist"), "check the path, or make the file with `fieldvault migrate`")
	case err != nil:
		return withHint(fmt.Errorf("opening the key-encryption key's file: %w", err), "check the path, its mode (0600) and the passphrase")
	}
	p.kek = k
	return nil
}

func (p *parts) openRing(ctx context.Context) error {
	age, err := duration("cache.age", p.cfg.Cache.Age)
	if err != nil {
		return err
	}
	entries := p.cfg.Cache.Entries
	if age == 0 {
		age = -1
	}
	if entries == 0 {
		entries = -1
	}
	meter := vault.NewMeter(p.store)
	p.closes = append(p.closes, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if err := meter.Close(ctx); err != nil {
			p.log.WarnContext(ctx, "uses of the key-encryption key that were not made stay counted", "error", err)
		}
		return nil
	})
	p.ring, err = keyring.New(keyring.Config{KEK: p.kek, Meter: meter, MaxEntries: entries, MaxAge: age, Now: now})
	if err != nil {
		return fmt.Errorf("making the key ring: %w", err)
	}
	p.closes = append(p.closes, func() error { p.ring.Close(); return nil })
	return nil
}

// operator is whoever runs the program on this machine, with the role that the
// verb needs; events name them local:<user>.
func operator(tenant string, role accessctl.Role) accessctl.Caller {
	return accessctl.Caller{
		Principal: accessctl.Principal{Tenant: tenant, Subject: localUser(), Roles: []accessctl.Role{role}},
		RequestID: newID(),
	}
}

// keeperHint says what to do about an action of the keeper that failed.
const keeperHint = "with Vault, this needs the keeper's rights (deploy/vault/keeper.hcl); with a file, that it can be written"

// setUp makes what a new installation needs: schema, system keys, the tenant.
func (p *parts) setUp(ctx context.Context, tenant string) error {
	if err := vault.EnsureSystem(ctx, p.store, p.ring, p.kek); err != nil {
		return withHint(fmt.Errorf("making the system's keys: %w", err), keeperHint)
	}
	if err := p.openVault(ctx); err != nil {
		return err
	}
	_, err := p.vault.CreateTenant(ctx, operator(tenant, "operator"), p.kek, tenant)
	return withHint(err, keeperHint)
}
