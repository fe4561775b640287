package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

func newHold(w world) *cobra.Command {
	var reason, role string
	var lift bool
	c := &cobra.Command{
		Use:   "hold SUBJECT",
		Short: "Put a person under legal hold, or lift it",
		Long: `Under a hold nothing of the person can be destroyed: no erasure, no deletion, no
overwriting. The reason is kept sealed. It opens the store itself and acts as
local:<user>, in events.`,
		Example: `  fieldvault hold c-17 --reason 'case 4711' --config serve.yaml
  fieldvault hold c-17 --lift --config serve.yaml`,
		Args: cobra.ExactArgs(1),
	}
	storeFlags(c)
	c.Flags().StringVar(&reason, "reason", "", "why, in words")
	c.Flags().BoolVar(&lift, "lift", false, "end the hold")
	roleFlag(c, &role, "dpo")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			err := p.vault.SetHold(c.Context(), operator(cfg.Tenant, accessctl.Role(role)), args[0], !lift, reason)
			if err != nil {
				return personHint(err, role, accessctl.ActionHold)
			}
			words := "The person is under hold."
			if lift {
				words = "The hold is lifted."
			}
			return answer(c, map[string]bool{"held": !lift}, words)
		})
	}
	return c
}

// personHint says what to do about an action on a person that failed.
func personHint(err error, role string, a accessctl.Action) error {
	var wrong *vault.InvalidError
	switch {
	case errors.As(err, &wrong):
		return &usageError{err}
	case errors.Is(err, vault.ErrHeld):
		return withHint(err, "lift the hold first (fieldvault hold SUBJECT --lift), if whoever ordered it agrees")
	case errors.Is(err, vault.ErrNotFound):
		return withHint(err, "check the name, and the tenant (--tenant)")
	case errors.Is(err, vault.ErrGone):
		return withHint(err, "there is nothing left of this person that could be acted on")
	}
	return deniedHint(err, role, a)
}
