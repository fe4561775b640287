package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
)

func newErase(w world) *cobra.Command {
	var reason, out, role string
	c := &cobra.Command{
		Use:   "erase SUBJECT",
		Short: "Make a person unreadable for ever, and print the certificate",
		Long: `Destroys every key of the person in one transaction; from then on no node reads
any value of theirs. It cannot be undone. It opens the store itself and acts as
local:<user>, in events. Doing it again prints the same certificate.

Keep the certificate: fieldvault certificate verify checks it offline.`,
		Example: `  fieldvault erase c-17 --reason 'asked for it by letter' --certificate c-17.json --config serve.yaml`,
		Args:    cobra.ExactArgs(1),
	}
	storeFlags(c)
	c.Flags().StringVar(&reason, "reason", "", "why, in words")
	c.Flags().StringVar(&out, "certificate", "", "file to write the certificate to (default: standard output)")
	roleFlag(c, &role, "dpo")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			write, err := certificateFile(out)
			if err != nil {
				return err
			}
			cert, err := p.vault.Erase(c.Context(), operator(cfg.Tenant, accessctl.Role(role)), args[0], reason)
			if err != nil {
				return errors.Join(personHint(err, role, accessctl.ActionErase), write(nil))
			}
			if out == "" {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n", cert)
				return err
			}
			if err := write(cert); err != nil {
				return withHint(fmt.Errorf("the person is erased, but the certificate could not be written: %w", err), "run the same command again: the certificate stays the same")
			}
			return answer(c, map[string]any{"erased": true, "certificate": out}, "The person is erased; the certificate is in "+out+".")
		})
	}
	return c
}

// certificateFile makes the file before anything is erased: what cannot be
// written is better known then. write fills it and puts it in its place; without
// a certificate it takes it away.
func certificateFile(path string) (write func(json.RawMessage) error, err error) {
	if path == "" {
		return func(json.RawMessage) error { return nil }, nil
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, withHint(fmt.Errorf("making the certificate's file: %w", err), "name a file in a folder that you may write to; nothing was erased")
	}
	return func(cert json.RawMessage) error {
		if cert == nil {
			return errors.Join(f.Close(), os.Remove(f.Name()))
		}
		_, err := f.Write(append(cert, '\n'))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}, nil
}

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
