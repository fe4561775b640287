package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

func auditUsage(w world) *cobra.Command {
	var role, purpose string
	var days int
	c := &cobra.Command{
		Use:   "usage",
		Short: "Say what was read under a purpose, by field and caller, for its review",
		Long: `Reads the log of the last days and lists under which purpose who read which
field, how often, of how many people, and when last. What is read is compared
with the signed log. It opens the store itself and acts as local:<user>, in
events.`,
		Example: `  fieldvault audit usage --purpose support --days 90 --config serve.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	c.Flags().StringVar(&purpose, "purpose", "", "purpose to review (default: all)")
	daysFlag(c, &days)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withUsage(c, w, role, func(p *parts, progress func(int64)) error {
			r, err := p.vault.Usage(c.Context(), operator(p.cfg.Tenant, accessctl.Role(role)), accessctl.Purpose(purpose), days, progress)
			if err != nil {
				return err
			}
			u := httpapi.UsageOf(r)
			return answer(c, u, usageTable(&u))
		})
	}
	return c
}

func catalogUnused(w world) *cobra.Command {
	var role string
	var days int
	c := &cobra.Command{
		Use:   "unused",
		Short: "List fields and purposes that nobody uses, and purposes past review",
		Long: `Compares the catalog in force with the log of the last days: fields that nobody
read, purposes under which nothing was read, fields that do without one of their
purposes, and purposes past their review date. Reading one's own data is no use.
It opens the store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault catalog unused --days 90 --config serve.yaml`,
		Args:    cobra.NoArgs,
	}
	storeFlags(c)
	daysFlag(c, &days)
	roleFlag(c, &role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withUsage(c, w, role, func(p *parts, progress func(int64)) error {
			m, err := p.vault.Minimise(c.Context(), operator(p.cfg.Tenant, accessctl.Role(role)), days, progress)
			if err != nil {
				return err
			}
			out := httpapi.MinimisationOf(m)
			return answer(c, out, unusedTable(&out))
		})
	}
	return c
}

func daysFlag(c *cobra.Command, days *int) {
	c.Flags().IntVar(days, "days", 90, "how many days back, up to 3660")
}

// withUsage runs a report over the log, and says what to do where it fails.
func withUsage(c *cobra.Command, w world, role string, f func(p *parts, progress func(int64)) error) error {
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		bar := newProgress(w.stderr, "reading events", 0)
		err := f(p, func(n int64) { bar.at(int(n)) })
		bar.end(err)
		var wrong *vault.InvalidError
		switch {
		case errors.As(err, &wrong):
			return &usageError{err}
		case errors.Is(err, vault.ErrNotFound):
			return withHint(fmt.Errorf("there is no such purpose, no catalog, or nothing in the log: %w", err),
				"events are in the log within a second of a running service")
		}
		return deniedHint(err, role, accessctl.ActionAudit)
	})
}

// usageTable is a report of usage for people.
func usageTable(u *api.PurposeUsage) string {
	var b strings.Builder
	b.WriteString(windowWords(&u.UsageWindow))
	if len(u.Rows) == 0 {
		return b.String() + "\nNothing was read."
	}
	b.WriteString("\n\n")
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "PURPOSE\tFIELD\tCALLER\tSHOWN\tEVENTS\tVALUES\tPEOPLE\tLAST")
	for i := range u.Rows {
		r := &u.Rows[i]
		about := ""
		if r.About {
			about = "about "
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s%d\t%s\n", orDash(r.Purpose), orDash(r.Field), printable(r.Caller), r.How,
			r.Events, r.Values, about, r.People, r.Last.Format(time.DateOnly))
	}
	_ = t.Flush() // to a strings.Builder, which takes everything
	return strings.TrimRight(b.String(), "\n")
}

// unusedTable is a minimisation for people.
func unusedTable(m *api.Minimisation) string {
	var b strings.Builder
	b.WriteString(windowWords(&m.UsageWindow))
	section := func(title string, n int, line func(i int) string) {
		fmt.Fprintf(&b, "\n\n%s: %d", title, n)
		for i := range n {
			b.WriteString("\n  " + line(i))
		}
	}
	section("Fields that nobody read", len(m.Fields), func(i int) string {
		return m.Fields[i].Field + " (" + strings.Join(m.Fields[i].Purposes, ", ") + ")"
	})
	section("Purposes under which nothing was read", len(m.Purposes), func(i int) string { return m.Purposes[i].Purpose })
	section("Fields that were not read for one of their purposes", len(m.Unread), func(i int) string {
		return m.Unread[i].Field + " for " + m.Unread[i].Purpose
	})
	section("Purposes past their review date", len(m.Review), func(i int) string {
		return m.Review[i].Purpose + ", since " + m.Review[i].ReviewBy
	})
	return b.String()
}

// windowWords say what a report was made from.
func windowWords(w *api.UsageWindow) string {
	words := fmt.Sprintf("%d events from %s to %s.", w.Events, w.From.Format(time.DateOnly), w.To.Format(time.DateOnly))
	if w.First != nil {
		words += " The earliest is of " + w.First.Format(time.DateOnly) + "."
	}
	if !w.Verified {
		words += "\nThey do NOT fit the signed log: run `fieldvault audit verify`."
	}
	return words
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable is text of whoever issues tokens, with nothing that a terminal would obey.
func printable(s string) string {
	q := strconv.QuoteToGraphic(s)
	return q[1 : len(q)-1]
}
