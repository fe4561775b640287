package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/tiledir"
	"github.com/fieldvault/fieldvault/audit/trail"
	"github.com/fieldvault/fieldvault/audit/tree"
	"github.com/fieldvault/fieldvault/vault"
)

// devAudit is the folder of dev's exported logs.
const devAudit = "audit"

func auditExport(w world) *cobra.Command {
	var from auditFrom
	var to string
	c := &cobra.Command{
		Use:   "export",
		Short: "Copy a log into a folder that verifies by itself",
		Long: `Writes what the log has grown by since the last time: tiles and bundles of events
as C2SP tlog-tiles describes them, and the newest signed checkpoint. The log must
continue what is in the folder; otherwise nothing is written, and it exits with
1. A service with audit.export does the same by itself every few seconds.`,
		Example: `  fieldvault audit export --url https://vault.example.org --key key.txt --to export/default
  fieldvault audit export --store --config serve.yaml --key key.txt --to export/default`,
		Args: cobra.NoArgs,
	}
	from.flags(c, true)
	c.Flags().StringVar(&to, "to", "", "folder of the log; made if it does not exist (required)")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if to == "" {
			return wrongUsage("--to is required: the folder to write to")
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		log, err := from.open(c.Context(), w, cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.close()) }()
		bar := newProgress(w.stderr, "copying tiles", 0)
		size, err := tiledir.Export{
			To: tiledir.Dir{Path: to}, Source: log.Source, Origin: log.origin, Key: log.key,
			Progress: func(done, total int) { bar.resize(total); bar.at(done) },
		}.Run(c.Context())
		bar.end(err)
		if err != nil {
			return exportHint(err)
		}
		return answer(c, map[string]any{"log": log.origin, "size": size}, fmt.Sprintf("%s holds %d events of %s.", to, size, log.origin))
	}
	return c
}

func exportHint(err error) error {
	next := "see that the log can be read and the folder written, and run it again: it goes on"
	switch {
	case errors.Is(err, tree.ErrFork), errors.Is(err, tree.ErrRollback), errors.Is(err, tree.ErrSignature):
		next = "keep the folder: it holds a signed checkpoint that the log no longer fits"
	case errors.Is(err, tiledir.ErrPruned):
		next = "continue a folder that holds the events which are gone"
	}
	return withHint(fmt.Errorf("exporting the log: %w", err), next)
}

// exports copies every tenant's log into its folder while this process sequences.
func (p *parts) exports(ctx context.Context) error {
	every, err := duration("audit.export_every", p.cfg.Audit.ExportEvery)
	if err != nil {
		return err
	}
	if every <= 0 {
		return withHint(errors.New("audit.export_every is not positive"), "write it as 10s")
	}
	if _, err := exportTo(p.cfg.Audit, p.cfg.Tenant); err != nil {
		return err
	}
	failing := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		if p.vault.LogStats().Leads {
			p.exportAll(ctx, failing)
		}
	}
}

// exportAll exports once. failing keeps which logs could not be exported, so that each is
// reported once.
func (p *parts) exportAll(ctx context.Context, failing map[string]bool) {
	var tenants []vault.Tenant
	err := p.store.View(ctx, func(tx vault.Tx) (err error) {
		tenants, err = tx.Tenants(ctx)
		return err
	})
	if err != nil || p.vault.VerifierKey() == nil {
		return // the service says so by itself
	}
	for _, t := range tenants {
		origin := trail.Origin(p.cfg.Audit.Origin, t.Name)
		log := trail.Log{Store: vault.LogStore(p.store), Tenant: t.ID, Origin: origin, Key: p.vault.VerifierKey()}
		to, err := exportTo(p.cfg.Audit, t.Name)
		if err == nil {
			_, err = tiledir.Export{To: to, Source: log, Origin: origin, Key: log.Key}.Run(ctx)
		}
		switch {
		case err == nil || errors.Is(err, trail.ErrNone) || ctx.Err() != nil:
			failing[t.Name] = false
		case !failing[t.Name]:
			failing[t.Name] = true
			p.log.ErrorContext(ctx, "an audit log cannot be exported; trying again", "tenant", t.Name, "error", err)
		}
	}
}
