package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/crypto/keyring"
	"github.com/fieldvault/fieldvault/crypto/localkek"
	"github.com/fieldvault/fieldvault/crypto/transit"
	"github.com/fieldvault/fieldvault/vault"
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

	runs   []func(context.Context) error
	closes []func() error
}

// openParts opens store, key-encryption key and core. The caller closes them.
func openParts(ctx context.Context, cfg Config, log *slog.Logger) (_ *parts, err error) {
	p := &parts{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.store, err = openStore(ctx, cfg.Store, log); err != nil {
		return nil, err
	}
	p.closes = append(p.closes, p.store.Close)
	if err := p.openKEK(ctx); err != nil {
		return nil, err
	}
	if err := p.openRing(); err != nil {
		return nil, err
	}
	return p, nil
}

// openVault makes the core; tenants and signing key must have been made.
func (p *parts) openVault(ctx context.Context) (err error) {
	p.vault, err = vault.New(ctx, vault.Config{Store: p.store, Ring: p.ring, Now: now, NewID: newID, Logger: p.log})
	if err != nil {
		return withHint(fmt.Errorf("opening the vault: %w", err), "check that the database answers and that `fieldvault migrate` has run")
	}
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

// openStore opens PostgreSQL or SQLite, by the URL.
func openStore(ctx context.Context, cfg StoreConfig, log *slog.Logger) (vault.Store, error) {
	if path, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		s, err := sqlitestore.Open(ctx, sqlitestore.Config{Path: path, Now: now, Logger: log})
		if err != nil {
			return nil, withHint(fmt.Errorf("opening the SQLite file: %w", err), "check that the folder exists and that no other program keeps the file")
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
	host := u.Hostname()
	if h := u.Query().Get("host"); h != "" {
		host = h
	}
	if local(host) || strings.HasPrefix(host, "/") || u.Query().Get("sslmode") == "verify-full" || cfg.AllowUnverified {
		return nil
	}
	return withHint(errors.New("the connection to PostgreSQL would not be verified"),
		"add sslmode=verify-full to store.url (and sslrootcert), or set store.allow_unverified if the network is yours alone")
}

// local says whether a host is this machine.
func local(host string) bool {
	return host == "" || host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// openKEK opens Vault's Transit engine or the file.
func (p *parts) openKEK(ctx context.Context) error {
	v, l := p.cfg.KEK.Vault, p.cfg.KEK.Local
	switch {
	case v.Address != "" && l.File != "":
		return withHint(errors.New("both kek.vault and kek.local are set"), "keep one of them")
	case v.Address != "":
		return p.openTransit(ctx, v)
	case l.File != "":
		return p.openLocal(l)
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
		Timeout: timeout, Logger: p.log, Now: now,
		Auth: transit.Auth{Token: v.Token, TokenFile: v.TokenFile},
	}
	if v.AppRole.RoleID != "" {
		c.Auth.AppRole = &transit.AppRole{RoleID: v.AppRole.RoleID, SecretID: v.AppRole.SecretID, SecretIDFile: v.AppRole.SecretIDFile, Mount: v.AppRole.Mount}
	}
	if v.Kubernetes.Role != "" {
		c.Auth.Kubernetes = &transit.Kubernetes{Role: v.Kubernetes.Role, JWTFile: v.Kubernetes.JWTFile, Mount: v.Kubernetes.Mount}
	}
	k, err := transit.New(ctx, c)
	if err != nil {
		return withHint(fmt.Errorf("connecting to Vault: %w", err), "check kek.vault.address, its certificate authority (kek.vault.ca_file) and one login: token_file, approle or kubernetes")
	}
	p.kek = k
	p.runs = append(p.runs, k.Run)
	p.closes = append(p.closes, k.Close)
	return nil
}

func (p *parts) openLocal(l LocalConfig) error {
	var passphrase []byte
	switch {
	case l.PassphraseFile != "":
		b, err := os.ReadFile(l.PassphraseFile)
		if err != nil {
			return fmt.Errorf("reading kek.local.passphrase_file: %w", err)
		}
		passphrase = []byte(strings.TrimRight(string(b), "\r\n"))
		if len(passphrase) == 0 {
			return errors.New("kek.local.passphrase_file is empty")
		}
	case !l.AllowClear:
		return withHint(errors.New("the key-encryption key would stand in clear in its file"),
			"set kek.local.passphrase_file, or kek.local.allow_clear if the file may be read by nobody else")
	}
	k, err := localkek.OpenOrCreate(l.File, passphrase)
	if err != nil {
		return withHint(fmt.Errorf("opening the key-encryption key's file: %w", err), "check the path, its mode (0600) and the passphrase")
	}
	p.kek = k
	return nil
}

func (p *parts) openRing() error {
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
	if age > time.Hour {
		return withHint(errors.New("cache.age is over an hour"), "opened keys are kept at most an hour; 5m is usual")
	}
	p.ring, err = keyring.New(keyring.Config{KEK: p.kek, MaxEntries: entries, MaxAge: age, Now: now})
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

// setUp makes what a new installation needs: schema, system keys, the tenant.
func (p *parts) setUp(ctx context.Context, tenant string) error {
	if err := vault.EnsureSystem(ctx, p.store, p.ring, p.kek); err != nil {
		return withHint(fmt.Errorf("making the system's keys: %w", err), "this needs the keeper's rights in Vault (deploy/vault/keeper.hcl)")
	}
	if err := p.openVault(ctx); err != nil {
		return err
	}
	_, err := p.vault.CreateTenant(ctx, operator(tenant, "operator"), p.kek, tenant)
	return withHint(err, "this needs the keeper's rights in Vault (deploy/vault/keeper.hcl)")
}
