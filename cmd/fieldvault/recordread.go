package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/client"
	"github.com/fieldvault/fieldvault/vault/processing"
)

// recordFrom are the flags that say where catalog and policy are read from.
type recordFrom struct {
	policy, catalog *string
	store           bool
	url, tokenFile  string
	role            string
}

func (f *recordFrom) flags(c *cobra.Command) {
	f.policy, f.catalog = policyFiles(c)
	c.Flags().BoolVar(&f.store, "store", false, "read what is in force from the store, as --config says")
	c.Flags().StringVar(&f.url, "url", "", "service to ask for what is in force, such as https://vault.example.org")
	c.Flags().StringVar(&f.tokenFile, "token-file", "", "file with a token for --url (default: FIELDVAULT_TOKEN)")
	roleFlag(c, &f.role, "operator")
	configFlags(c, "kek.", "store.", "ledger.", "erasure.", "tls.", "audit.export", "allow_http", "tenant")
}

// check refuses two sources.
func (f *recordFrom) check(c *cobra.Command) error {
	files := c.Flags().Changed("policy") || c.Flags().Changed("catalog")
	ways := 0
	for _, given := range []bool{files, f.store, f.url != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return wrongUsage("say one way where catalog and policy are: --catalog and --policy, --store, or --url")
	}
	return nil
}

// read reads catalog, policy and the facts of the installation.
func (f *recordFrom) read(c *cobra.Command, w world) (in processing.Input, err error) {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return in, err
	}
	if in.Facts, err = factsOf(cfg); err != nil {
		return in, err
	}
	switch {
	case f.store:
		err = withParts(c.Context(), w, cfg, func(p *parts) error { return f.inForce(c.Context(), p, &in) })
	case f.url != "":
		err = f.service(c.Context(), w, cfg.Tenant, &in)
	default:
		in.Policy, in.Catalog, err = readPolicy(*f.policy, *f.catalog)
	}
	return in, err
}

// inForce reads the store.
func (f *recordFrom) inForce(ctx context.Context, p *parts, in *processing.Input) (err error) {
	if in.Catalog, err = p.vault.Catalog(ctx, p.cfg.Tenant); err != nil {
		return withHint(fmt.Errorf("reading the catalog: %w", err), "the tenant must exist, with a catalog and a policy")
	}
	v, err := p.vault.Policy(ctx, operator(p.cfg.Tenant, accessctl.Role(f.role)))
	if errors.Is(err, vault.ErrNotFound) {
		return withHint(fmt.Errorf("there is no policy: %w", err), "apply one with `fieldvault policy apply`")
	}
	if err != nil {
		return deniedHint(err, f.role, accessctl.ActionInspect)
	}
	in.Policy, err = accessctl.ParsePolicy(v.Version, v.Source)
	return err
}

// service asks over HTTP.
func (f *recordFrom) service(ctx context.Context, w world, tenant string, in *processing.Input) error {
	token := w.getenv("FIELDVAULT_TOKEN")
	if f.tokenFile != "" {
		b, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return withHint(fmt.Errorf("reading --token-file: %w", err), "it must hold a token and nothing else")
		}
		token = strings.TrimSpace(string(b))
	}
	if token == "" {
		return withHint(errors.New("--url needs a token"), "set FIELDVAULT_TOKEN, or name a file with --token-file; its role needs the action inspect")
	}
	c, err := client.New(client.Config{URL: f.url, Token: client.StaticToken(token)})
	if err != nil {
		return wrongUsage("--url: %v", err)
	}
	p, err := c.Policy(ctx)
	if err != nil {
		return withHint(fmt.Errorf("asking for the policy: %w", err), "the service must answer, and the token's role needs the action inspect")
	}
	k, err := c.Catalog(ctx, tenant)
	if err != nil {
		return withHint(fmt.Errorf("asking for the catalog: %w", err), "the service must answer; --tenant is that of the token")
	}
	if in.Policy, err = accessctl.ParsePolicy(p.Version, []byte(p.Policy)); err != nil {
		return err
	}
	in.Catalog, err = catalogFrom(&k)
	return err
}

// catalogFrom makes a catalog of what the service says of its own: all that a record
// needs. What the service does not say (schemas, regions, bits of indexes) is left out.
func catalogFrom(k *api.Catalog) (*catalog.Catalog, error) {
	purposes, collections, groups := yaml.MapSlice{}, yaml.MapSlice{}, yaml.MapSlice{}
	for i := range k.Purposes {
		purposes = append(purposes, yaml.MapItem{Key: k.Purposes[i].ID, Value: purposeSource(&k.Purposes[i])})
	}
	seen := map[string]bool{catalog.GroupDefault: true}
	for i := range k.Collections {
		c, fields := &k.Collections[i], yaml.MapSlice{}
		for j := range c.Fields {
			f := &c.Fields[j]
			fields = append(fields, yaml.MapItem{Key: f.Name, Value: fieldSource(f)})
			if !seen[f.Group] {
				seen[f.Group] = true
				groups = append(groups, yaml.MapItem{Key: f.Group, Value: map[string]string{"title": f.Group}})
			}
		}
		collections = append(collections, yaml.MapItem{Key: c.Name, Value: yaml.MapSlice{{Key: "title", Value: c.Title}, {Key: "fields", Value: fields}}})
	}
	source := yaml.MapSlice{{Key: "title", Value: k.Title}, {Key: "language", Value: k.Language}}
	if k.Controller != nil {
		source = append(source, yaml.MapItem{Key: "controller", Value: map[string]string{"name": k.Controller.Name, "contact": k.Controller.Contact}})
	}
	if len(groups) > 0 {
		source = append(source, yaml.MapItem{Key: "groups", Value: groups})
	}
	source = append(source, yaml.MapItem{Key: "purposes", Value: purposes}, yaml.MapItem{Key: "collections", Value: collections})
	text, err := yaml.MarshalWithOptions(source, yaml.JSON())
	if err != nil {
		return nil, fmt.Errorf("reading the service's catalog: %w", err)
	}
	c, err := catalog.Parse(text)
	if err != nil {
		return nil, withHint(fmt.Errorf("the service's catalog is not one of this program: %w", err), "use the program of the service's version")
	}
	return c, nil
}

func purposeSource(p *api.Purpose) yaml.MapSlice {
	s := yaml.MapSlice{
		{Key: "title", Value: p.Title},
		{Key: "text", Value: p.Text},
		{Key: "benefit", Value: p.Benefit},
		{Key: "basis", Value: p.Basis},
		{Key: "version", Value: p.Version},
	}
	for _, m := range []struct {
		key   string
		given bool
		value any
	}{
		{"consequence", p.Consequence != "", p.Consequence},
		{"recipients", len(p.Recipients) > 0, p.Recipients},
		{"retention", p.RetentionDays > 0, p.RetentionDays},
		{"expires", p.ExpiresDays > 0, p.ExpiresDays},
		{"despite_restriction", p.DespiteRestriction, true},
		{"direct_marketing", p.DirectMarketing, true},
		{"sells", p.Sells, true},
		{"min_age", p.MinAge > 0, p.MinAge},
		{"review_by", p.ReviewBy != "", p.ReviewBy},
	} {
		if m.given {
			s = append(s, yaml.MapItem{Key: m.key, Value: m.value})
		}
	}
	return s
}

// indexSource is an index as a catalog declares it.
func indexSource(x *api.FieldIndex) yaml.MapSlice {
	s := yaml.MapSlice{{Key: "kind", Value: x.Kind}}
	if x.Bits != 0 {
		s = append(s, yaml.MapItem{Key: "bits", Value: x.Bits})
	}
	if p := x.Prefix; p != nil {
		s = append(s, yaml.MapItem{Key: "prefix", Value: map[string]int{"min": p.Min, "max": p.Max, "bits": p.Bits}})
	}
	if n := x.NGrams; n != nil {
		s = append(s, yaml.MapItem{Key: "ngrams", Value: map[string]int{"n": n.N, "bits": n.Bits}})
	}
	if r := x.Range; r != nil {
		of := map[string]any{"bits": r.Bits}
		if r.By != "" {
			of["by"] = r.By
		} else {
			of["low"], of["high"], of["width"] = r.Low, r.High, r.Width
		}
		s = append(s, yaml.MapItem{Key: "range", Value: of})
	}
	return s
}

func fieldSource(f *api.CollectionField) yaml.MapSlice {
	s := yaml.MapSlice{
		{Key: "type", Value: f.Type},
		{Key: "title", Value: f.Title},
		{Key: "classification", Value: f.Classification},
		{Key: "purposes", Value: f.Purposes},
		{Key: "group", Value: f.Group},
		{Key: "mask", Value: f.Mask},
	}
	switch {
	case f.Index != nil:
		s = append(s, yaml.MapItem{Key: "index", Value: indexSource(f.Index)})
	case f.Searchable: // a service that does not say how
		s = append(s, yaml.MapItem{Key: "index", Value: map[string]string{"kind": catalog.IndexEquality}})
	}
	if f.RetentionDays > 0 {
		s = append(s, yaml.MapItem{Key: "retention", Value: f.RetentionDays})
	}
	return s
}

// factsOf are the facts of the installation that is configured; none where there is no
// store, for then the rest are mere defaults.
func factsOf(cfg Config) (f processing.Facts, err error) {
	if cfg.Store.URL == "" {
		return f, nil
	}
	horizon, err := cfg.Erasure.settings()
	if err != nil {
		return f, err
	}
	f = processing.Facts{
		Store: processing.StorePostgreSQL, Log: processing.LogInStore, Approval: processing.ApprovalBeyondLimit,
		Horizon: processing.NoHorizon, KEK: kekFact(cfg.KEK), Ledger: ledgerFact(cfg.Ledger), Transport: transportFact(cfg),
	}
	if strings.HasPrefix(cfg.Store.URL, "sqlite:") {
		f.Store = processing.StoreSQLite
	}
	if cfg.Audit.Export != "" {
		f.Log = processing.LogExported
	}
	if cfg.Erasure.PerHour < 0 && cfg.Erasure.PerMille < 0 {
		f.Approval = processing.ApprovalNever
	}
	erased := time.Unix(0, 0)
	if h := horizon.Horizon(erased); !h.At.IsZero() {
		f.Horizon = h.At.Sub(erased)
	}
	return f, nil
}

func kekFact(k KEKConfig) processing.KEK {
	switch {
	case k.Vault.Address != "":
		return processing.KEKVault
	case k.Local.File != "" && k.Local.PassphraseFile != "":
		return processing.KEKFile
	case k.Local.File != "":
		return processing.KEKFileClear
	}
	return ""
}

func ledgerFact(l LedgerConfig) processing.Ledger {
	switch {
	case l.File != "":
		return processing.LedgerFile
	case l.URL != "":
		return processing.LedgerDatabase
	case l.None:
		return processing.LedgerNone
	}
	return ""
}

func transportFact(cfg Config) processing.Transport {
	switch {
	case cfg.TLS.CertFile != "" && cfg.TLS.ClientCAFile != "":
		return processing.TransportMutualTLS
	case cfg.TLS.CertFile != "":
		return processing.TransportTLS
	case cfg.AllowHTTP:
		return processing.TransportProxy
	}
	return processing.TransportLocal // serve refuses anything else
}
