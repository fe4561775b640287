package main

import (
	"context"
	"errors"
	"fmt"
	"net"

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
fieldvault tenant create NAME, then apply a catalog and a policy.`,
		Args: cobra.NoArgs,
	}
	configFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return serve(c.Context(), w, cfg)
	}
	return c
}

// serve runs the service with the given settings.
func serve(ctx context.Context, w world, cfg Config) error {
	log, err := newLogger(w.stderr, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	if err := checkListen(cfg); err != nil {
		return err
	}
	issuers, err := issuersOf(cfg.Auth)
	if err != nil {
		return err
	}
	p, err := openParts(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close() //nolint:errcheck // the process ends
	if err := p.openVault(ctx); err != nil {
		return err
	}
	return p.serve(ctx, issuers, func(api, metrics *listener) error {
		log.InfoContext(ctx, "serving", "url", api.url(), "metrics", urlOf(metrics), "version", version, "fips140", fipsMode())
		return nil
	})
}

func urlOf(l *listener) string {
	if l == nil {
		return ""
	}
	return l.url()
}

// checkListen refuses plain HTTP to other machines.
func checkListen(cfg Config) error {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return withHint(fmt.Errorf("listen is no address: %w", err), "write it as 127.0.0.1:8420 or :8420")
	}
	if cfg.TLS.CertFile != "" || cfg.AllowHTTP || host != "" && local(host) {
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
// both use it. ready is called once both addresses answer.
func (p *parts) serve(ctx context.Context, issuers []jwtauth.Issuer, ready func(api, metrics *listener) error) error {
	leeway, err := duration("auth.leeway", p.cfg.Auth.Leeway)
	if err != nil {
		return err
	}
	grace, err := duration("shutdown", p.cfg.Shutdown)
	if err != nil {
		return err
	}
	auth, err := jwtauth.New(ctx, jwtauth.Config{
		Audience: p.cfg.Auth.Audience, Issuers: issuers, Leeway: leeway, Now: now, Logger: p.log,
	})
	if err != nil {
		return withHint(fmt.Errorf("reading the issuers' keys: %w", err), "check auth.issuers")
	}
	defer auth.Close() //nolint:errcheck // it returns nil
	cert, err := tlsConfig(p.cfg.TLS, p.log)
	if err != nil {
		return err
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.measure(metrics)
	api, err := httpapi.New(httpapi.Config{
		Vault: p.vault, Auth: auth, Logger: p.log, Now: now, NewID: newID, DefaultTenant: p.cfg.Tenant,
		Rate: p.cfg.Limits.Rate, Burst: p.cfg.Limits.Burst, MaxInFlight: p.cfg.Limits.InFlight,
		Registerer: metrics, Version: version, Ready: p.readiness(auth),
	})
	if err != nil {
		return fmt.Errorf("making the HTTP API: %w", err)
	}
	front, err := listen(ctx, "the API", p.cfg.Listen, httpapi.NewServer(api, p.log), cert)
	if err != nil {
		return err
	}
	listeners := []*listener{front}
	var side *listener
	if p.cfg.MetricsListen != "" {
		side, err = listen(ctx, "metrics", p.cfg.MetricsListen, httpapi.NewServer(metricsHandler(metrics), p.log), nil)
		if err != nil {
			return errors.Join(err, front.net.Close())
		}
		listeners = append(listeners, side)
	}
	if err := ready(front, side); err != nil {
		return err
	}
	return serveAll(ctx, p.log, grace, listeners, append(p.runs, p.vault.Run, auth.Run))
}
