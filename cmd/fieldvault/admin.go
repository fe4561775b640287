package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/audit/evidence"
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
database and with the keeper's login at Vault, before serve of a new version.`,
		Args: cobra.NoArgs,
	}
	configFlags(c)
	c.Flags().StringVar(&grant, "grant", "", "database role that serve uses: it gets what it needs and no more")
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
	if !strings.HasPrefix(cfg.Store.URL, "sqlite:") {
		if err := checkStoreURL(cfg.Store); err != nil {
			return err
		}
		if err := pgstore.Migrate(ctx, cfg.Store.URL, func(line string) { fmt.Fprintln(w.stderr, line) }); err != nil {
			return withHint(fmt.Errorf("migrating: %w", err), "connect as the owner of the database")
		}
		if grant != "" {
			if err := pgstore.Grant(ctx, cfg.Store.URL, grant); err != nil {
				return withHint(fmt.Errorf("granting: %w", err), "the role must exist: CREATE ROLE ... LOGIN")
			}
		}
	}
	p, err := openParts(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close() //nolint:errcheck // the process ends
	if err := vault.EnsureSystem(ctx, p.store, p.ring, p.kek); err != nil {
		return withHint(fmt.Errorf("making the system's keys: %w", err), "this needs the keeper's rights in Vault (deploy/vault/keeper.hcl)")
	}
	return answer(c, map[string]bool{"migrated": true}, "The schema is up to date and the system's keys exist.")
}

func newTenant(w world) *cobra.Command {
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a tenant: its key-encryption key, its row and its keys",
		Long: `Makes a tenant, as the keeper. Doing it again completes what is missing. Then
apply a catalog and a policy: the tenant serves nobody before it has both.`,
		Args: cobra.ExactArgs(1),
	}
	configFlags(create)
	create.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			made, err := p.vault.CreateTenant(c.Context(), operator(args[0], "operator"), p.kek, args[0])
			if err != nil {
				return withHint(err, "this needs the keeper's rights in Vault (deploy/vault/keeper.hcl)")
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

func newErase(w world) *cobra.Command {
	var reason, out string
	c := &cobra.Command{
		Use:   "erase SUBJECT",
		Short: "Make a person unreadable for ever, and print the certificate",
		Long: `Destroys every key of the person in one transaction; from then on no node reads
any value of theirs. It opens the store itself and acts as local:<user> with the
role dpo, in events. It cannot be undone.`,
		Args: cobra.ExactArgs(1),
	}
	configFlags(c)
	c.Flags().StringVar(&reason, "reason", "", "why, in words")
	c.Flags().StringVar(&out, "certificate", "", "file to write the certificate to (default: standard output)")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			cert, err := p.vault.Erase(c.Context(), operator(cfg.Tenant, "dpo"), args[0], reason)
			if err != nil {
				return eraseHint(err)
			}
			if out != "" {
				return os.WriteFile(out, append(cert, '\n'), 0o600)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", cert)
			return err
		})
	}
	return c
}

func eraseHint(err error) error {
	switch {
	case errors.Is(err, vault.ErrHeld):
		return withHint(err, "lift the hold first, if whoever ordered it agrees")
	case errors.Is(err, vault.ErrNotFound):
		return withHint(err, "check the name, and the tenant (--tenant)")
	case errors.Is(err, vault.ErrDenied):
		return withHint(err, "the tenant's policy must let the role dpo erase")
	}
	return err
}

func newFsck(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check the whole store against itself and the log",
		Long: `Opens every value in memory and checks that it stands where it was sealed, that
index entries, states and consents are genuine, that nothing is left of unknown
people, and that no record is older than the log says. It shows no value. Run it
while nothing writes. Exit code 1: something was found.`,
		Args: cobra.NoArgs,
	}
	configFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return fsck(c, w, p) })
	}
	return c
}

func fsck(c *cobra.Command, w world, p *parts) error {
	show := func(n int) {
		if terminal(w.stderr) {
			fmt.Fprintf(w.stderr, "\rchecked %d records", n)
		}
	}
	r, err := p.vault.Fsck(c.Context(), operator(p.cfg.Tenant, "operator"), show)
	if terminal(w.stderr) {
		fmt.Fprintln(w.stderr)
	}
	if err != nil {
		return err
	}
	if asJSON(c) {
		err = json.NewEncoder(c.OutOrStdout()).Encode(r)
	} else {
		for _, f := range r.Findings {
			fmt.Fprintf(c.OutOrStdout(), "tenant %s, person %s, row %s: %s\n", f.Tenant, f.UID, f.Row, f.What)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d people, %d records, %d values checked: %d findings\n", r.People, r.Records, r.Fields, len(r.Findings))
	}
	if err == nil && len(r.Findings) > 0 {
		return errFailed
	}
	return err
}

func newCertificate(world) *cobra.Command {
	var key string
	verify := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a certificate of erasure or a receipt of consent, offline",
		Long: `Checks the signature of FILE with nothing but the service's public key, as
GET /v1/audit/key gives it ("ed25519:..."), or a file that holds it.`,
		Args: cobra.ExactArgs(1),
	}
	verify.Flags().StringVar(&key, "key", "", "the public key, or a file that holds it (required)")
	verify.RunE = func(c *cobra.Command, args []string) error {
		if key == "" {
			return &usageError{errors.New("--key is required: the service's public key, or a file that holds it")}
		}
		if b, err := os.ReadFile(key); err == nil {
			key = string(b)
		}
		pub, err := evidence.ParseKey(key)
		if err != nil {
			return withHint(err, "the key reads ed25519:<base64>, as GET /v1/audit/key gives it")
		}
		b, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("reading the document: %w", err)
		}
		if err := evidence.Verify(b, pub); err != nil {
			return err
		}
		return answer(c, map[string]bool{"valid": true}, "The document is genuine and unchanged.")
	}
	return group("certificate", "Check certificates and receipts", verify)
}
