package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

func auditReindex(w world) *cobra.Command {
	var role string
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Make anew what finds events by person",
		Long: `Makes the table audit_run anew from the leaves of the log, for when "audit
verify --store" has found that events by person cannot be found as they
should. An event says that it was done. It may take minutes, half an hour at
most: requests go on, but nothing is put into any log meanwhile, and rotations
and changes of the catalog wait. It needs the database as the owner of its
tables. Nodes that had ceased to put events into the log have to be started
again afterwards. In an embedded store the database has an index of its own,
and nothing is to do. It opens the store itself and acts as local:<user>.`,
		Example: `  fieldvault audit reindex --config owner.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return reindexLog(c, w, p, role) })
	}
	return c
}

func reindexLog(c *cobra.Command, w world, p *parts, role string) error {
	bar, covered := newProgress(w.stderr, "indexing events", 0), int64(0)
	err := p.vault.ReindexLog(c.Context(), operator(p.cfg.Tenant, accessctl.Role(role)), func(done, total int64) {
		covered = done
		bar.resize(int(total))
		bar.at(int(done))
	})
	bar.end(err)
	switch {
	case errors.Is(err, vault.ErrDenied):
		return deniedHint(fmt.Errorf("indexing: %w", err), role, accessctl.ActionAudit)
	case errors.Is(err, vault.ErrIntegrity):
		return withHint(fmt.Errorf("indexing: %w", err), "the log itself was altered: run `fieldvault audit verify --store`, which names where")
	case err != nil:
		return withHint(fmt.Errorf("indexing: %w", err), "it needs the database as the owner of its tables, and that nobody else works on audit_run for a minute; it may be repeated")
	}
	return answer(c, map[string]any{"covered": covered}, fmt.Sprintf("%d events of the log are found by person in the table again; later ones are looked through.", covered))
}
