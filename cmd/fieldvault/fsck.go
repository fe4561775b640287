package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
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
	Person string `json:"person,omitempty"` // uid
	Row    string `json:"row,omitempty"`    // id of the record in the log
	What   string `json:"what"`
}

func fsck(c *cobra.Command, w world, p *parts) error {
	bar := newProgress(w.stderr, "checking records", 0)
	r, err := p.vault.Fsck(c.Context(), operator(p.cfg.Tenant, "operator"), bar.at)
	bar.end(err)
	if err != nil {
		return withHint(fmt.Errorf("checking: %w", err), "not everything was checked: see that database and key-encryption key answer, and run it again")
	}
	list := make([]finding, len(r.Findings))
	for i, f := range r.Findings {
		list[i] = finding{Tenant: f.Tenant, Person: id(f.UID), Row: id(f.Row), What: f.What}
	}
	if asJSON(c) {
		err = json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
			"people": r.People, "records": r.Records, "fields": r.Fields, "findings": list,
		})
	} else {
		for _, f := range list {
			fmt.Fprintln(c.OutOrStdout(), f)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d people, %d records, %d values checked: %d findings\n", r.People, r.Records, r.Fields, len(list))
	}
	switch {
	case err != nil:
		return err
	case len(list) > 0:
		return withHint(errors.New("the store is not as the service left it, or not all of it could be checked"),
			"keep a copy of it and find out who wrote to it; what was not checked needs its key-encryption key, a catalog and a policy")
	}
	return nil
}

// id is a uid or a record's id as text; none is empty.
func id(u uuid.UUID) string {
	if u == uuid.Nil {
		return ""
	}
	return u.String()
}

// String says it in one line.
func (f finding) String() string {
	s := "tenant " + f.Tenant
	if f.Person != "" {
		s += ", person " + f.Person
	}
	if f.Row != "" {
		s += ", row " + f.Row
	}
	return s + ": " + f.What
}
