package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/vault"
)

func newFsck(w world) *cobra.Command {
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Check the whole store against itself and the log",
		Long: `Opens every value in memory and checks that it stands where it was sealed, that
index entries, states and consents are genuine, that nothing is left of unknown
people, and that no record is older than the log says. It shows no value. Run it
while nothing writes. Exit code 1: something was found, or not all was checked.`,
		Example: `  fieldvault fsck --config serve.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return fsck(c, w, p) })
	}
	return c
}

// A finding is what fsck prints of one fault.
type finding struct {
	Tenant string `json:"tenant"`
	Person string `json:"person"` // uid
	Row    string `json:"row"`    // random id of the record's row
	What   string `json:"what"`
}

func fsck(c *cobra.Command, w world, p *parts) error {
	if err := p.allOpen(c.Context()); err != nil {
		return err
	}
	bar := newProgress(w.stderr, "checking records", 0)
	r, err := p.vault.Fsck(c.Context(), operator(p.cfg.Tenant, "operator"), bar.at)
	bar.end(err)
	if err != nil {
		return withHint(fmt.Errorf("checking: %w", err), "not everything was checked: see that database and key-encryption key answer, and run it again")
	}
	list := make([]finding, len(r.Findings))
	for i, f := range r.Findings {
		list[i] = finding{Tenant: f.Tenant, Person: f.UID.String(), Row: f.Row.String(), What: f.What}
	}
	if asJSON(c) {
		err = json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
			"people": r.People, "records": r.Records, "fields": r.Fields, "findings": list,
		})
	} else {
		for _, f := range list {
			fmt.Fprintf(c.OutOrStdout(), "tenant %s, person %s, row %s: %s\n", f.Tenant, f.Person, f.Row, f.What)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d people, %d records, %d values checked: %d findings\n", r.People, r.Records, r.Fields, len(list))
	}
	switch {
	case err != nil:
		return err
	case len(list) > 0:
		return withHint(errors.New("the store was changed outside the service, or is damaged"), "keep a copy of it, find out who wrote to it, and restore the rows that are named; deploy/docs/operate.md says more")
	}
	return nil
}

// allOpen refuses to check a store part of which cannot be opened: what was not
// looked at would count as clean.
func (p *parts) allOpen(ctx context.Context) error {
	var tenants []vault.Tenant
	err := p.store.View(ctx, func(tx vault.Tx) (err error) {
		tenants, err = tx.Tenants(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading tenants: %w", err)
	}
	for _, t := range tenants {
		if _, err := p.vault.Policy(ctx, operator(t.Name, "operator")); errors.Is(err, vault.ErrUnavailable) {
			return withHint(fmt.Errorf("the tenant %s cannot be checked: its keys do not open", t.Name), "check that the key-encryption key is the one that made them, and that it answers")
		}
	}
	return nil
}
