package main

import (
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
)

func auditHoney(w world) *cobra.Command {
	var role string
	var off bool
	c := &cobra.Command{
		Use:   "honey SUBJECT",
		Short: "Make a made-up person bait: whoever reads them raises an alarm",
		Long: `Store someone who does not exist, then lay them out as bait: nobody has a
reason to read them, so whoever is shown anything of theirs raises an alarm in
seconds. No answer tells that they are bait; the audit log does.
It opens the store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault audit honey c-9001 --config serve.yaml
  fieldvault audit honey c-9001 --off --config serve.yaml`,
		Args: cobra.ExactArgs(1),
	}
	storeFlags(c)
	c.Flags().BoolVar(&off, "off", false, "end it")
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			err := p.vault.SetHoney(c.Context(), operator(cfg.Tenant, accessctl.Role(role)), args[0], !off)
			if err != nil {
				return personHint(err, role, accessctl.ActionHoney)
			}
			words := "The person is bait."
			if off {
				words = "The person is bait no more."
			}
			return answer(c, map[string]bool{"honey": !off}, words)
		})
	}
	return c
}
