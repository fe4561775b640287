package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/cmd/fieldvault/bench"
)

// benchOptions are bench's flags.
type benchOptions struct {
	bench.Options
	suite, store, vault, mount, url, metrics, svg string
	growth                                        int64
}

func newBench(w world) *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure a service, beside Vault Transit and raw Tink",
		Long: `Measures workloads on a service that it starts itself: embedded, or with
--store and --vault on PostgreSQL and Vault (the token is taken from
VAULT_TOKEN); or with --url on one that runs, with the token of
FIELDVAULT_TOKEN, which must be allowed to do what is measured. Take a database
and a service that are for this alone: people who do not exist are stored,
read, and left there. They are the same for one --seed.

Without --rate each workload is driven twice: with --concurrency requests at
once as fast as can be, and then at 7/10 of that, for its latency. With a rate
a request's latency counts from when it was due, so that one that waits its
turn pays for it.

The workloads transit and tink do the same work without Fieldvault, and ratios
are printed. All figures name the CPU time that the load generator itself took.
The suite headline measures the figures of deploy/docs/performance.md, at its
own scale; it needs --store and --vault, and takes most of an hour.

Workloads:
` + benchWorkloads(),
		Example: `  fieldvault bench --workload reveal,reveal-batch,tink
  VAULT_TOKEN=... fieldvault bench --suite headline --json \
    --store postgres://bench@127.0.0.1/bench --vault http://127.0.0.1:8200`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	f.StringSliceVar(&o.Workloads, "workload", []string{"reveal", "reveal-person", "reveal-batch", "search"}, "what to measure, separated by commas")
	f.StringVar(&o.suite, "suite", "", "headline: all published figures; brief: the same with too little of everything")
	f.StringVar(&o.store, "store", "", "postgres://... of an empty database; default: an SQLite file")
	f.StringVar(&o.vault, "vault", "", "http(s)://... of a Vault; default: a key file")
	f.StringVar(&o.mount, "mount", "transit", "path of the Transit engine")
	f.StringVar(&o.url, "url", "", "a service that runs, instead of one that is started")
	f.StringVar(&o.metrics, "metrics", "", "its metrics, for its CPU time")
	f.Int64Var(&o.People, "people", 10_000, "how many people are stored first")
	f.Int64Var(&o.growth, "growth", -1, "the most people of the headline's measurements of growth; 0: none")
	f.IntVar(&o.Workers, "concurrency", 16, "requests at once")
	f.IntVar(&o.Fields, "fields", 10, "fields that are read of each person, 1 to 10")
	f.IntVar(&o.Size, "size", 0, "bytes of each value; 0: names, addresses, telephone numbers and so on")
	f.IntVar(&o.Batch, "batch", 100, "people of a batch, at most 1000")
	f.DurationVar(&o.For, "for", 5*time.Second, "how long each workload is driven")
	f.Float64Var(&o.Rate, "rate", 0, "requests a second; 0: as many as can be")
	f.IntVar(&o.Rounds, "rounds", 1, "how often each workload is measured")
	f.Uint64Var(&o.Seed, "seed", 1, "of the people")
	f.StringVar(&o.svg, "svg", "", "file for a plot of the latencies")
	c.RunE = func(c *cobra.Command, _ []string) error { return runBench(c, w, &o) }
	return c
}

func benchWorkloads() string {
	var b strings.Builder
	for _, x := range bench.Workloads() {
		fmt.Fprintf(&b, "  %-14s %s\n", x[0], x[1])
	}
	return b.String()
}

// check refuses what cannot be measured.
func (o *benchOptions) check() error {
	known := bench.Workloads()
	for _, name := range o.Workloads {
		if !slices.ContainsFunc(known, func(x [2]string) bool { return x[0] == name }) {
			return wrongUsage("there is no workload %s; --help lists them", name)
		}
	}
	switch {
	case o.suite != "" && o.suite != "headline" && o.suite != "brief":
		return wrongUsage("--suite is headline or brief")
	case o.suite != "" && (o.store == "" || o.vault == ""):
		return wrongUsage("--suite needs --store and --vault")
	case o.url != "" && (o.store != "" || o.vault != "" || o.suite != ""):
		return wrongUsage("--url is of a service that runs: it goes with none of --store, --vault and --suite")
	case o.Fields < 1 || o.Fields > 10, o.Batch < 1 || o.Batch > 1000, o.Workers < 1, o.Rounds < 1, o.For <= 0, o.Rate < 0, o.Size < 0 || o.Size > 60_000:
		return wrongUsage("--fields is 1 to 10, --batch 1 to 1000, --size at most 60000, --concurrency and --rounds at least 1, --for more than 0")
	case o.People < int64(o.Batch):
		return wrongUsage("--people is less than one --batch")
	}
	return nil
}

// runBench measures, and prints what came of it.
func runBench(c *cobra.Command, w world, o *benchOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	bar := newProgress(w.stderr, "measuring", 0)
	defer func() { bar.end(err) }()
	o.Say = bar.report
	o.At = func(step string, done, all int) {
		bar.say(step)
		bar.resize(all)
		bar.at(done)
	}
	report, err := o.measure(c.Context(), w)
	if err != nil {
		return withHint(err, "a database and a key store that are for this alone, and empty, are the safest ground; what was stored stays there")
	}
	if o.svg != "" {
		plot, err := report.Plot()
		if err == nil {
			err = os.WriteFile(o.svg, plot, 0o644) //nolint:gosec // a picture without secrets
		}
		if err != nil {
			return fmt.Errorf("plotting: %w", err)
		}
	}
	return answer(c, report, benchTable(report))
}

func (o *benchOptions) measure(ctx context.Context, w world) (*bench.Report, error) {
	if o.url != "" {
		auth := w.getenv("FIELDVAULT_TOKEN")
		if auth == "" {
			return nil, withHint(errors.New("--url needs a token"), "set FIELDVAULT_TOKEN; `fieldvault token` signs one for development")
		}
		o.Service = bench.Elsewhere(o.url, o.metrics, auth)
		return bench.Run(ctx, o.Options)
	}
	g, remove, err := o.ground(w)
	if err != nil {
		return nil, err
	}
	defer remove()
	if o.suite == "" {
		o.Ground = g
		return bench.Run(ctx, o.Options)
	}
	scale := bench.Full()
	if o.suite == "brief" {
		scale = bench.Brief()
	}
	if o.growth >= 0 {
		scale.Growth = o.growth
	}
	return bench.Headline(ctx, g, scale, o.Seed, o.Say)
}

// ground is what the service that is measured stands on, in a folder of its own.
func (o *benchOptions) ground(w world) (g *bench.Ground, remove func(), err error) {
	if o.store != "" {
		if u, err := url.Parse(o.store); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return nil, nil, wrongUsage("--store must be postgres://...")
		}
	}
	auth := w.getenv("VAULT_TOKEN")
	if o.vault != "" && auth == "" {
		return nil, nil, withHint(errors.New("--vault needs a token"), "set VAULT_TOKEN: it must be allowed to make keys in the Transit engine")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("finding this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "fieldvault-bench-") // of mode 0700
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder: %w", err)
	}
	return &bench.Ground{
		Program: program, Dir: dir, Store: o.store, Vault: o.vault, Auth: auth, Mount: o.mount,
		Prefix: fmt.Sprintf("bench-%d-", now().Unix()),
	}, func() { _ = os.RemoveAll(dir) }, nil
}

// benchTable is a report for people.
func benchTable(r *bench.Report) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"workload", "at once", "due/s", "requests/s", "units/s", "unit", "p50 ms", "p90", "p99", "p99.9", "max", "generator us", "service us"})
	for _, f := range r.Figures {
		t.AppendRow(table.Row{
			f.Workload, f.Workers, blankZero(f.Rate, "%.0f"), fmt.Sprintf("%.0f", f.PerSecond), fmt.Sprintf("%.0f", f.Units), f.Unit,
			fmt.Sprintf("%.2f", f.P50), fmt.Sprintf("%.2f", f.P90), fmt.Sprintf("%.2f", f.P99), fmt.Sprintf("%.2f", f.P999), fmt.Sprintf("%.1f", f.Max),
			fmt.Sprintf("%.0f", f.Generator), blankZero(f.Service, "%.0f"),
		})
	}
	text := t.Render() + fmt.Sprintf("\n%d cores, %s, %s; generator and service: CPU time of one request\n", r.Machine.Cores, r.Machine.CPU, r.Machine.Go)
	for _, key := range slices.Sorted(maps.Keys(r.Keys)) {
		text += fmt.Sprintf("%-34s %.3f", key, r.Keys[key])
		if x, ok := r.Ratios[key]; ok && x.Low != x.High {
			text += fmt.Sprintf("   (%.3f to %.3f)", x.Low, x.High)
		}
		text += "\n"
	}
	return strings.TrimRight(text, "\n")
}

func blankZero(v float64, format string) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf(format, v)
}
