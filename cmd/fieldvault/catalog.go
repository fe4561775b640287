package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
)

// group makes a command that only has sub-commands.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(subs...)
	return c
}

func newCatalog(w world) *cobra.Command {
	return group("catalog", "Apply, compare and check catalogs: what is collected, and why",
		catalogChange(w, &cobra.Command{
			Use:   "apply FILE",
			Short: "Make FILE the tenant's catalog, and say what changes for people",
			Long: `Makes FILE the tenant's catalog, in force on every node from the next request on,
and says what changes for people. It opens the store itself and acts as
local:<user>, in events. Applying the catalog in force changes nothing.

A higher version of an index (index: {kind: equality, version: 2}) exchanges its
key: a job indexes the records again while searches go on, and destroys the old
key. The service does it; without one, run fieldvault catalog reindex.`,
			Example: `  fieldvault catalog apply catalog.yaml --config serve.yaml`,
		}, false),
		catalogChange(w, &cobra.Command{
			Use:   "diff FILE",
			Short: "Say what applying FILE would change for people, without applying it",
			Long: `Compares FILE with the catalog in force. Changes by which people's data are used
for more than they were told are marked with an exclamation mark.`,
			Example: `  fieldvault catalog diff catalog.yaml --config serve.yaml`,
		}, true),
		catalogReindex(w), catalogUnused(w), catalogCheck())
}

func catalogReindex(w world) *cobra.Command {
	var role string
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Make stored records follow the catalog's indexes, here, with progress",
		Long: `Works on the job that an exchanged, new or dropped index asks for, until it is
done: it indexes the records that were there before, then destroys the key that
is no longer used. The service does the same by itself while it runs: one of the
two does the work. It may be stopped and run again, and goes on where it was. Run
it also after such a job failed and its cause was repaired. Needs a node's rights.`,
		Example: `  fieldvault catalog reindex --config serve.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			job, needed, err := p.vault.Reindex(c.Context(), operator(cfg.Tenant, accessctl.Role(role)))
			switch {
			case errors.Is(err, vault.ErrNotFound):
				return withHint(errors.New("there is no catalog"), "apply one with `fieldvault catalog apply`")
			case err != nil:
				return deniedHint(err, role, accessctl.ActionConfigure)
			case !needed:
				return answer(c, map[string]any{"job": nil}, "Nothing is left to do: every index covers all records, under one key.")
			}
			done, err := watch(c.Context(), w, p, job, "indexing")
			if err != nil {
				return err
			}
			return answer(c, map[string]any{"job": done.ID, "note": done.Note}, "Done: "+done.Note+".")
		})
	}
	return c
}

// A leak is what catalog check --json prints of an index beyond equality.
type leak struct {
	Path string `json:"path"`
	Text string `json:"text"` // what a thief of the database learns
}

func catalogCheck() *cobra.Command {
	return &cobra.Command{
		Use:     "check FILE",
		Short:   "Check FILE without a store: every problem, by line",
		Long:    "Checks that FILE is a catalog and lists every problem, by line.\nPurposes past their review date are a warning. Of every index beyond equality it\nsays what a thief of the database learns from it. No store is needed.",
		Example: `  fieldvault catalog check catalog.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cat, err := readCatalog(args[0])
			if err != nil {
				return err
			}
			words, past := "The catalog is valid.", []string{}
			for _, p := range cat.PastReview(now()) {
				past = append(past, p.ID)
				words += fmt.Sprintf("\nWarning: the purpose %s was to be reviewed by %s.", p.ID, p.ReviewBy)
			}
			leaks := []leak{}
			for _, l := range cat.Leaks() {
				leaks = append(leaks, leak{l.Path, l.Text})
				words += fmt.Sprintf("\n%s: %s.", l.Path, l.Text)
			}
			return answer(c, map[string]any{"valid": true, "review_overdue": past, "leaks": leaks}, words)
		},
	}
}

func catalogChange(w world, c *cobra.Command, dry bool) *cobra.Command {
	var role string
	c.Args = cobra.ExactArgs(1)
	storeFlags(c)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		source, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("reading the catalog: %w", err)
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error {
			done, err := p.vault.ApplyCatalog(c.Context(), operator(cfg.Tenant, accessctl.Role(role)), source, dry)
			var wrong *vault.InvalidError
			if errors.As(err, &wrong) {
				return withHint(fmt.Errorf("%s: %w", args[0], err), "correct what is named; nothing was applied")
			}
			var waits *vault.KeyError
			if errors.As(err, &waits) {
				return withHint(errors.New(waits.Why), waits.Next)
			}
			if err != nil {
				return deniedHint(err, role, accessctl.ActionConfigure)
			}
			return showChanges(c, done, dry)
		})
	}
	return c
}

// A catalogChanged is what the catalog verbs print of one change with --json.
type catalogChanged struct {
	Path   string `json:"path"`
	Text   string `json:"text"`
	Widens bool   `json:"widens"` // data are used for more than people were told

	Material []string `json:"material"` // purposes about which people were told something else
}

func showChanges(c *cobra.Command, done vault.Applied, dry bool) error {
	changes, version := done.Changes, done.Version
	list, widens := make([]catalogChanged, len(changes)), 0
	var b strings.Builder
	for i, ch := range changes {
		list[i] = catalogChanged{Path: ch.Path, Text: ch.Text, Widens: ch.Widens, Material: append([]string{}, ch.Purposes...)}
		mark := " "
		if ch.Widens {
			mark = "!"
			widens++
		}
		fmt.Fprintf(&b, "%s %s: %s\n", mark, ch.Path, ch.Text)
	}
	if widens > 0 {
		fmt.Fprintf(&b, "! By %d of these, people's data are used for more than they were told: they must be told first.\n", widens)
	}
	for _, p := range done.AskAgain {
		fmt.Fprintf(&b, "! Whoever agreed to %s has to be asked again: until then that consent opens nothing.\n", p)
	}
	applied := !dry && len(changes) > 0
	switch {
	case len(changes) == 0:
		fmt.Fprintf(&b, "Nothing changes; the catalog in force is version %d.", version)
	case applied:
		fmt.Fprintf(&b, "%d changes are applied; the catalog in force is version %d.", len(changes), version)
	case version == 0:
		fmt.Fprintf(&b, "%d changes, not applied; no catalog is in force.", len(changes))
	default:
		fmt.Fprintf(&b, "%d changes, not applied; the catalog in force is version %d.", len(changes), version)
	}
	return answer(c, map[string]any{"version": version, "changes": list, "ask_again": append([]string{}, done.AskAgain...), "applied": applied}, b.String())
}

func readCatalog(path string) (*catalog.Catalog, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	cat, err := catalog.Parse(b)
	if err == nil {
		cat, err = cat.Assign(nil)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %w", path, err), "correct the lines that are named; deploy/sample/catalog.yaml is an example")
	}
	return cat, nil
}
