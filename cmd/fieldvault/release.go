package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

// releaseOptions are the flags of the verb.
type releaseOptions struct {
	role, purpose, out string
	t, suppression     float64
	q                  vault.ReleaseQuery
}

func newRelease(w world) *cobra.Command {
	var o releaseOptions
	c := &cobra.Command{
		Use:   "release COLLECTION",
		Short: "Release a table in which many people look alike, however many they are",
		Long: `Makes what POST /v1/releases makes, without its limits: a table with one row for
each person whose data may be used for the purpose now, so coarse that it meets
the k, l and t that the catalog declares, or stricter ones; or it says why there
is none. One table of a collection and purpose in the time that the catalog
declares. The file is made before people are read, for its owner alone, and is
there whole or not at all; one that is there already is not replaced. It opens
the store itself and acts as local:<user>, in events.`,
		Example: `  fieldvault release customer --purpose analytics -o customers.csv --config serve.yaml
  fieldvault release customer --purpose analytics -o customers.parquet --k 20`,
		Args: cobra.ExactArgs(1),
	}
	storeFlags(c)
	roleFlag(c, &o.role, "analyst")
	f := c.Flags()
	f.StringVar(&o.purpose, "purpose", "", "purpose, for which the catalog declares releases (required)")
	f.StringVarP(&o.out, "out", "o", "", "file to write (required)")
	f.StringVar(&o.q.Format, "format", "", "csv or parquet (default: by the file's name)")
	f.StringSliceVar(&o.q.Columns, "columns", nil, "fields of the table (default: all that the catalog declares)")
	f.IntVar(&o.q.K, "k", 0, "least number of people who look alike (default: the catalog's)")
	f.IntVar(&o.q.L, "l", 0, "least diversity of sensitive values (default: the catalog's)")
	f.Float64Var(&o.t, "t", 0, "greatest distance of sensitive values from those of all (default: the catalog's)")
	f.Float64Var(&o.suppression, "max-suppression", 0, "greatest share of people left out (default: the catalog's)")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.q.Collection = args[0]
		if err := o.settle(c); err != nil {
			return err
		}
		return withPeople(c, w, o.role, accessctl.Purpose(o.purpose), func(p *parts, by accessctl.Caller, progress func(int)) error {
			o.q.Progress = progress
			return o.release(c, p, by)
		})
	}
	return c
}

// settle checks the flags and fills in what they leave open.
func (o *releaseOptions) settle(c *cobra.Command) error {
	if o.out == "" {
		return wrongUsage("-o is required: the file to write")
	}
	if o.q.Format == "" {
		o.q.Format = strings.TrimPrefix(filepath.Ext(o.out), ".")
	}
	if o.q.Format != vault.FormatCSV && o.q.Format != vault.FormatParquet {
		return wrongUsage("--format is csv or parquet, where the file's name does not say it")
	}
	const rounding = 1e-6 // what a thousandth that was written in decimals may lack
	if o.q.T = int64(math.Floor(o.t*1000 + rounding)); c.Flags().Changed("t") && !(o.t <= 1 && o.q.T >= 1) {
		return wrongUsage("--t is from 0.001 to 1")
	}
	if c.Flags().Changed("max-suppression") {
		if !(o.suppression >= 0 && o.suppression <= 1) {
			return wrongUsage("--max-suppression is from 0 to 1")
		}
		most := int64(math.Floor(o.suppression*1000 + rounding))
		o.q.Suppression = &most
	}
	return nil
}

// release makes the file first: what cannot be written is better known before the one
// table of its time is made.
func (o *releaseOptions) release(c *cobra.Command, p *parts, by accessctl.Caller) error {
	if _, err := os.Lstat(o.out); !errors.Is(err, fs.ErrNotExist) { // a folder or link, too, and a name that cannot be
		return withHint(fmt.Errorf("%s: %w", o.out, cmp.Or(err, fs.ErrExist)), "name a file that is not there yet; nothing was released")
	}
	f, err := os.CreateTemp(filepath.Dir(o.out), ".new-*") // mode 0600
	if err != nil {
		return withHint(fmt.Errorf("making the file: %w", err), "name a file in a folder that you may write to; nothing was released")
	}
	out, err := p.vault.Release(c.Context(), by, o.q)
	if err != nil {
		return errors.Join(releaseHint(err, o.role), f.Close(), os.Remove(f.Name()))
	}
	err = out.Write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), o.out)
	}
	if err != nil {
		return withHint(fmt.Errorf("writing %s: %w", o.out, errors.Join(err, os.Remove(f.Name()))),
			"the table is lost, and the next may be made from "+out.Report.Next.Format(time.RFC3339)+" on")
	}
	report := httpapi.ReportOf(&out.Report)
	return answer(c, map[string]any{"file": o.out, "format": o.q.Format, "report": report}, releaseWords(o.out, &out.Report))
}

// releaseHint says what to do about a table that was not made.
func releaseHint(err error, role string) error {
	var none *vault.ReleaseRefusedError
	var soon *vault.TooSoonError
	switch {
	case errors.As(err, &none):
		return withHint(err, "change what you ask for (--columns, --k, --l, --t, --max-suppression), or what the catalog declares; ten requests are read in the time of one table")
	case errors.As(err, &soon):
		return withHint(err, "wait until then")
	case errors.Is(err, vault.ErrConflict):
		return withHint(err, "run it again; it takes another of the tries until the next table")
	case errors.Is(err, vault.ErrIntegrity):
		return withHint(err, "run `fieldvault fsck`: the record of releases was changed outside the service")
	}
	return deniedHint(err, role, accessctl.ActionRelease)
}

// releaseWords is a report for people.
func releaseWords(file string, r *vault.ReleaseReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Released: %s, %d people of %d (%d left out), in %d classes; %s\n",
		file, r.People-r.Suppressed, r.People, r.Suppressed, r.Classes, r.Asked)
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, c := range r.Columns {
		fmt.Fprintf(t, "  %s\t%s\n", c.Name, c.Words)
	}
	_ = t.Flush() // to a strings.Builder, which takes everything
	fmt.Fprintf(&b, "The smallest class has k = %d people", r.K)
	if r.L > 0 {
		fmt.Fprintf(&b, ", l = %.3g, t = %.3g", r.L, r.T)
	}
	fmt.Fprintf(&b, "; loss %.3g of 1.\nThe next table of it may be made from %s on.", r.Penalty, r.Next.Format(time.RFC3339))
	return b.String()
}
