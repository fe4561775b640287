package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/tree"
)

func auditPrune(w world) *cobra.Command {
	var before, exported, role string
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete events that are older than a time, and keep the tree",
		Long: `Deletes events from the store whose place in the log is before that of the first
one of --before or later. Their hashes stay, so the log still verifies, and an
event says what was pruned. Only what stands in a verified export (--exported) is
deleted, in whole bundles of 256, less up to 31 events that share a row of the
database with later ones of their request. It needs the database as the owner of
its tables: the service's own role can delete no event. It opens the store itself
and acts as local:<user>.`,
		Example: `  fieldvault audit prune --before 2025-11-01T00:00:00Z --exported export --config owner.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	c.Flags().StringVar(&before, "before", "", "keep events of this time and later, RFC 3339 (required)")
	c.Flags().StringVar(&exported, "exported", "", "folder of an export that holds the events (required)")
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, err := time.Parse(time.RFC3339, before)
		if err != nil || exported == "" {
			return wrongUsage("--before (as 2025-11-01T00:00:00Z) and --exported are required")
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return prune(c, w, p, at, exported, role) })
	}
	return c
}

func prune(c *cobra.Command, w world, p *parts, before time.Time, exported, role string) error {
	ctx := c.Context()
	pub := p.vault.VerifierKey()
	if pub == nil {
		return withHint(errors.New("the signing key is not open"), "see that the key-encryption key answers")
	}
	src, err := auditDir(exported, p.cfg.Tenant)
	if err != nil {
		return err
	}
	bar := newProgress(w.stderr, "verifying the export", 0)
	r, err := tree.Verification{
		Source: src, Origin: p.cfg.Audit.Origin + "/" + p.cfg.Tenant, Key: pub, Tenant: p.cfg.Tenant,
		Progress: func(done, total int64) { bar.resize(int(total)); bar.at(int(done)) },
	}.Run(ctx)
	bar.end(err)
	if err != nil {
		return withHint(fmt.Errorf("verifying the export: %w", err), "nothing was deleted; export the log anew, into another folder")
	}
	bar = newProgress(w.stderr, "pruning events", 0)
	below, err := p.vault.PruneLog(ctx, operator(p.cfg.Tenant, accessctl.Role(role)), before, r.Checkpoint.Size, bar.at)
	bar.end(err)
	if err != nil {
		return deniedHint(fmt.Errorf("pruning: %w", err), role, accessctl.ActionAudit)
	}
	return answer(c, map[string]any{"below": below}, fmt.Sprintf("Events below index %d are pruned; the log keeps their hashes.", below))
}
