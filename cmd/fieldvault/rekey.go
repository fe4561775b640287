package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

// subjectKeyVerb is a verb on the data keys of one person.
func subjectKeyVerb(w world, use, short, long, example string, run func(c *cobra.Command, p *parts, by accessctl.Caller, subject string) error) *cobra.Command {
	var role string
	c := &cobra.Command{Use: use + " SUBJECT", Short: short, Long: long, Example: example, Args: cobra.ExactArgs(1)}
	storeFlags(c)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			err := run(c, p, operator(cfg.Tenant, accessctl.Role(role)), args[0])
			var refused *vault.KeyError
			if errors.As(err, &refused) {
				return withHint(errors.New(refused.Why), refused.Next)
			}
			var h *hint
			if err == nil || errors.As(err, &h) {
				return err
			}
			return personHint(err, role, accessctl.ActionKeys)
		})
	}
	return c
}

func newRotateSubject(w world) *cobra.Command {
	return subjectKeyVerb(w, "rotate-subject", "Give a person new data keys, after a compromise",
		`Gives every data key of the person a new primary, with which values are sealed
from then on, and seals anew what stands, with progress. It may be stopped and
run again. Earlier keys open what they sealed until fieldvault keys
retire-subject: move ciphertexts that applications keep first, with
POST /v1/reencrypt. Needs a node's rights. Reads and writes go on all the while.`,
		"  fieldvault keys rotate-subject c-17 --config serve.yaml",
		func(c *cobra.Command, p *parts, by accessctl.Caller, subject string) error {
			keys, job, err := p.vault.RotatePerson(c.Context(), by, subject)
			if err != nil {
				return err
			}
			done, err := watch(c.Context(), w, p, job, "sealing anew")
			if err != nil {
				return err
			}
			return answer(c, map[string]any{"keys": keyVersions(keys), "job": done.ID},
				fmt.Sprintf("%d data keys were rotated, and what stands is sealed with the new ones.", len(keys)))
		})
}

func newRetireSubject(w world) *cobra.Command {
	var yes bool
	c := subjectKeyVerb(w, "retire-subject", "Remove a person's earlier data keys for ever",
		`Removes all keys of the person but those that seal now. It cannot be undone:
ciphertexts that were sealed before the last rotation, and that applications did
not move with POST /v1/reencrypt, open no more. Refused under a hold, and while
values of the person are still sealed with earlier keys. Needs a node's rights.`,
		"  fieldvault keys retire-subject c-17 --yes --config serve.yaml",
		func(c *cobra.Command, p *parts, by accessctl.Caller, subject string) error {
			if !yes {
				return wrongUsage("retiring a person's keys cannot be undone: say --yes")
			}
			keys, err := p.vault.RetirePerson(c.Context(), by, subject)
			if err != nil {
				return err
			}
			return answer(c, map[string]any{"keys": keyVersions(keys)}, "Only the keys that seal now are left.")
		})
	c.Flags().BoolVar(&yes, "yes", false, "remove them")
	return c
}

// A subjectKey is what the verbs print of one data key, as JSON.
type subjectKey struct {
	Group   string `json:"group"`
	Version uint32 `json:"version"`
}

func keyVersions(list []vault.PersonKey) []subjectKey {
	out := make([]subjectKey, len(list))
	for i, k := range list {
		out[i] = subjectKey(k)
	}
	return out
}
