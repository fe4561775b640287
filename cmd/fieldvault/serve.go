package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl/jwtauth"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

func newServe(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the service in production: PostgreSQL, Vault, tokens of your issuers",
		Long: `Runs the service until it is told to stop (SIGTERM or Ctrl-C), then lets
requests under way finish. Settings come from flags, FIELDVAULT_* variables and
the file, in that order; secrets are never flags. Several processes on one
database are a cluster.

Before the first start, as the keeper: fieldvault migrate, then
fieldvault tenant create NAME, then apply a catalog and a policy.

Once it serves it says so in its log, and with --json on standard output, as one
line {"url","metrics_url"}. deploy/docs/operate.md has a whole configuration.`,
		Example: `  FIELDVAULT_STORE_URL='postgres://fieldvault@db.example.org/fieldvault?sslmode=verify-full' \
    fieldvault serve --config serve.yaml`,
		Args: cobra.NoArgs,
	}
	configFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return serve(c, w, cfg)
	}
	return c
}

// serve runs the service with the given settings.
func serve(c *cobra.Command, w world, cfg Config) (err error) {
	ctx := c.Context()
	out := &lineBuffer{to: w.stderr}
	defer out.Flush()
	log, err := out.logger(cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	if err := checkListen(cfg); err != nil {
		return err
	}
	w.collectLess()
	issuers, err := issuersOf(cfg.Auth)
	if err != nil {
		return err
	}
	on, err := bind(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.close()) }()
	p, err := openParts(ctx, cfg, log, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.openVault(ctx); err != nil {
		return err
	}
	if _, lent := p.ledger.(*lentLedger); lent {
		return withHint(errors.New("another process holds the ledger's file"), "a file is the ledger of one node: end the other process, or set ledger.url_file for several nodes")
	}
	return p.serve(ctx, on, issuers, func(api, metrics string) error {
		log.InfoContext(ctx, "serving", "url", api, "metrics", metrics, "version", version, "fips140", fipsMode())
		out.Flush()
		if !asJSON(c) {
			return nil
		}
		return answer(c, map[string]string{"url": api, "metrics_url": metrics}, "")
	})
}

// checkListen refuses plain HTTP to other machines.
func checkListen(cfg Config) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return withHint(fmt.Errorf("listen is no address: %w", err), "write it as 127.0.0.1:8420 or :8420")
	}
	if cfg.TLS.CertFile != "" || cfg.AllowHTTP || local(host) {
		return nil
	}
	return withHint(errors.New("plain HTTP would be served to other machines"),
		"set tls.cert_file and tls.key_file, or allow_http behind a proxy that ends TLS, or listen on 127.0.0.1")
}

// issuersOf turns the settings into issuers.
func issuersOf(a AuthConfig) ([]jwtauth.Issuer, error) {
	if len(a.Issuers) == 0 {
		return nil, withHint(errors.New("no issuer of tokens is configured"),
			"list them under auth.issuers: name, tenants, jwks_url or jwks_file, algorithms")
	}
	list := make([]jwtauth.Issuer, len(a.Issuers))
	for i, s := range a.Issuers {
		list[i] = jwtauth.Issuer{Name: s.Name, Tenants: s.Tenants, JWKSURL: s.JWKSURL, JWKSFile: s.JWKSFile, Algorithms: s.Algorithms}
	}
	return list, nil
}

// serve is the one wiring of store, keys, core, tokens and HTTP: dev and serve
// both use it. ready is told both URLs (the second empty for none) once they answer.
func (p *parts) serve(ctx context.Context, on addresses, issuers []jwtauth.Issuer, ready func(api, metrics string) error) error {
	leeway, err := duration("auth.leeway", p.cfg.Auth.Leeway)
	if err != nil {
		return err
	}
	grace, err := duration("shutdown", p.cfg.Shutdown)
	if err != nil {
		return err
	}
	cert, err := tlsConfig(p.cfg.TLS, p.log)
	if err != nil {
		return err
	}
	auth, err := jwtauth.New(ctx, jwtauth.Config{
		Audience: p.cfg.Auth.Audience, Issuers: issuers, Leeway: leeway, Now: now, Logger: p.log,
	})
	if err != nil {
		return withHint(fmt.Errorf("reading the issuers' keys: %w", err), "check auth.audience and each entry of auth.issuers: name, tenants, jwks_url (https) or jwks_file, algorithms")
	}
	defer auth.Close() //nolint:errcheck // it returns nil
	sender, err := p.cfg.Alarms.webhook(p)
	if err != nil {
		return err
	}
	p.alarms.Deliver(sender)
	reminders, err := p.rightsSender()
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.measure(metrics)
	api, err := httpapi.New(httpapi.Config{
		Vault: p.vault, Auth: auth, Logger: p.log, Now: now, NewID: newID, DefaultTenant: p.cfg.Tenant,
		Rate: p.cfg.Limits.Rate, Burst: p.cfg.Limits.Burst, MaxInFlight: p.cfg.Limits.InFlight,
		Registerer: metrics, Version: version, Ready: p.readiness(auth), Keys: keeper(p.kek),
		PortalURL: strings.TrimSuffix(p.cfg.Portal.URL, "/"),
	})
	if err != nil {
		return fmt.Errorf("making the HTTP API: %w", err)
	}
	pages, err := p.withPages(api, auth)
	if err != nil {
		return err
	}
	listeners := []*listener{{name: "the API", server: httpapi.NewServer(p.load.count(pages), p.log), net: withTLS(on.api, cert), tls: cert != nil}}
	metricsURL := ""
	if on.metrics != nil {
		side := &listener{name: "metrics", server: httpapi.NewServer(metricsHandler(metrics), p.log), net: on.metrics}
		listeners, metricsURL = append(listeners, side), side.url()+"/metrics"
	}
	if err := ready(listeners[0].url(), metricsURL); err != nil {
		return err
	}
	work, err := p.runner(p.cfg.Keeper)
	if err != nil {
		return err
	}
	keep, err := p.retention()
	if err != nil {
		return err
	}
	runs := append(p.runs, p.vault.Run, p.alarms.Run, auth.Run, work.Run, keep)
	if reminders != nil {
		p.reminders.Store(reminders)
		runs = append(runs, reminders.Run)
	}
	if p.cfg.Audit.Export != "" {
		runs = append(runs, p.exports)
	}
	return serveAll(ctx, p.log, grace, listeners, runs)
}
