package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/pgstore"
)

func newMigrate(w world) *cobra.Command {
	var grant string
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date, and make the system's keys",
		Long: `Brings the schema of store.url up to date and makes the system's key-encryption
key and the service's signing key, unless they exist. Run it as the owner of the
database and with the keeper's login at Vault, before serve of a new version.
With sqlite: and kek.local.file it makes the files.`,
		Example: `  fieldvault migrate --config keeper.yaml --grant fieldvault_node
  FIELDVAULT_STORE_URL=sqlite:fieldvault.db fieldvault migrate \
    --kek-local-file kek.json --kek-local-passphrase-file passphrase`,
		Args: cobra.NoArgs,
	}
	storeFlags(c)
	c.Flags().StringVar(&grant, "grant", "", "PostgreSQL role that serve uses: it gets what it needs and no more")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return migrate(c, w, cfg, grant)
	}
	return c
}

func migrate(c *cobra.Command, w world, cfg Config, grant string) error {
	ctx := c.Context()
	log, err := newLogger(w.stderr, "warn", "text")
	if err != nil {
		return err
	}
	if strings.HasPrefix(cfg.Store.URL, "sqlite:") {
		if grant != "" {
			return wrongUsage("--grant is for PostgreSQL: an SQLite file has no roles")
		}
	} else if err := migratePostgres(c, w, cfg.Store, grant); err != nil {
		return err
	}
	if err := makeLedger(ctx, cfg.Ledger, grant); err != nil {
		return err
	}
	p, err := openParts(ctx, cfg, log, true)
	if err != nil {
		return err
	}
	if err := vault.EnsureSystem(ctx, p.store, p.ring, p.kek); err != nil {
		err = withHint(fmt.Errorf("making the system's keys: %w", err), keeperHint)
		return errors.Join(err, p.close())
	}
	if err := p.close(); err != nil {
		return err
	}
	return answer(c, map[string]bool{"migrated": true}, "The schema is up to date and the system's keys exist.")
}

func migratePostgres(c *cobra.Command, w world, cfg StoreConfig, grant string) error {
	if err := checkStoreURL(cfg); err != nil {
		return err
	}
	if err := pgstore.Migrate(c.Context(), cfg.URL, func(line string) { fmt.Fprintln(w.stderr, line) }); err != nil {
		return withHint(fmt.Errorf("migrating: %w", err), "check that the server runs, and connect as the owner of the database")
	}
	if grant == "" {
		return nil
	}
	err := pgstore.Grant(c.Context(), cfg.URL, grant)
	return withHint(err, "the role must exist (CREATE ROLE name LOGIN), and store.url must name the owner of the tables")
}

func newTenant(w world) *cobra.Command {
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a tenant: its key-encryption key, its row and its keys",
		Long: `Makes a tenant, as the keeper. Doing it again completes what is missing. Then
apply a catalog and a policy: the tenant serves nobody before it has both.`,
		Example: `  fieldvault tenant create default --config keeper.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	storeFlags(create)
	create.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			made, err := p.vault.CreateTenant(c.Context(), operator(args[0], "operator"), p.kek, args[0])
			var wrong *vault.InvalidError
			if errors.As(err, &wrong) {
				return &usageError{err}
			}
			if err != nil {
				return withHint(err, keeperHint)
			}
			words := "The tenant existed; nothing was missing or it was completed."
			if made {
				words = "The tenant is made. Now apply a catalog and a policy."
			}
			return answer(c, map[string]any{"tenant": args[0], "created": made}, words)
		})
	}
	return group("tenant", "Make tenants", create)
}

// roleFlag adds --role: the role of the local operator, which the tenant's own
// policy must let do what the verb does.
func roleFlag(c *cobra.Command, role *string, usual string) {
	c.Flags().StringVar(role, "role", usual, "role to act in, as the tenant's policy names it; events say local:<user>")
}

// deniedHint says what to do when the policy refuses the local operator.
func deniedHint(err error, role string, a accessctl.Action) error {
	if errors.Is(err, vault.ErrDenied) {
		return withHint(err, fmt.Sprintf("the tenant must exist, and its policy must let the role %s %s; --role names another", role, a))
	}
	if errors.Is(err, vault.ErrUnavailable) {
		return withHint(err, "check that the key-encryption key answers, that this login may open keys (a node's may, deploy/vault/node.hcl; the keeper's may not), and that the tenant has a catalog and a policy")
	}
	return err
}
