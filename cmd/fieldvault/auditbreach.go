package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
)

// breachOptions are the flags of audit breach.
type breachOptions struct {
	actors, purposes         []string
	from, to, aware          string
	format, role             string
	masked                   bool
	since, until, awareSince time.Time
}

func auditBreach(w world) *cobra.Command {
	var o breachOptions
	c := &cobra.Command{
		Use:   "breach",
		Short: "Report exactly which people and fields were shown in a window",
		Long: `Reads the log of a window and lists who was shown what of whom, and for which
purpose: as JSON, as CSV, or as a draft of the notification (GDPR Art. 33(3)).
What is read is compared with the signed log; the report says whether it fits.
Names of people are not in the log: the report names them by uid. It opens the
store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault audit breach --from 2026-11-02T00:00:00Z --to 2026-11-03T00:00:00Z \
    --actor 'https://id.example.org#support-4' --format draft --config serve.yaml`,
		Args: cobra.NoArgs,
	}
	storeFlags(c)
	c.Flags().StringSliceVar(&o.actors, "actor", nil, "who acted, as events spell it; may be repeated (default: everybody)")
	c.Flags().StringSliceVar(&o.purposes, "purpose", nil, "for which purpose; may be repeated (default: any)")
	c.Flags().StringVar(&o.from, "from", "", "begin of the window, RFC 3339 (required)")
	c.Flags().StringVar(&o.to, "to", "", "end of the window (default: now)")
	c.Flags().StringVar(&o.aware, "aware", "", "when you became aware of it, for the 72 hours of Art. 33(1)")
	c.Flags().StringVar(&o.format, "format", "json", "json, csv or draft")
	c.Flags().BoolVar(&o.masked, "masked", false, "count what was shown masked, too")
	roleFlag(c, &o.role, "operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		cfg, err := loadConfig(c, w)
		if err != nil {
			return err
		}
		return withParts(c.Context(), w, cfg, func(p *parts) error { return breach(c, w, p, o) })
	}
	return c
}

// check reads the times.
func (o *breachOptions) check() (err error) {
	for _, f := range []struct {
		name, text string
		into       *time.Time
	}{{"from", o.from, &o.since}, {"to", o.to, &o.until}, {"aware", o.aware, &o.awareSince}} {
		if f.text == "" {
			continue
		}
		if *f.into, err = time.Parse(time.RFC3339, f.text); err != nil {
			return wrongUsage("--%s is no time; write it as 2026-11-02T15:04:05Z", f.name)
		}
	}
	switch {
	case o.since.IsZero():
		return wrongUsage("--from is required")
	case o.format != "json" && o.format != "csv" && o.format != "draft":
		return wrongUsage("--format is json, csv or draft")
	}
	if o.until.IsZero() {
		o.until = now()
	}
	return nil
}

func breach(c *cobra.Command, w world, p *parts, o breachOptions) error {
	q := report.Query{Actors: o.actors, From: o.since.UTC(), To: o.until.UTC(), MaskedToo: o.masked}
	for _, id := range o.purposes {
		q.Purposes = append(q.Purposes, accessctl.Purpose(id))
	}
	bar := newProgress(w.stderr, "reading events", 0)
	r, err := p.vault.Breach(c.Context(), operator(p.cfg.Tenant, accessctl.Role(o.role)), q, func(n int64) { bar.at(int(n)) })
	bar.end(err)
	var wrong *vault.InvalidError
	switch {
	case errors.As(err, &wrong):
		return &usageError{err}
	case errors.Is(err, vault.ErrNotFound):
		return withHint(fmt.Errorf("the log is empty: %w", err), "events are in the log within a second of a running service")
	case err != nil:
		return deniedHint(err, o.role, accessctl.ActionAudit)
	}
	switch o.format {
	case "csv":
		return r.WriteCSV(c.OutOrStdout())
	case "draft":
		return r.WriteDraft(c.OutOrStdout(), o.awareSince)
	}
	return r.WriteJSON(c.OutOrStdout())
}
