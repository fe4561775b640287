package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/api"
	"github.com/fieldvault/fieldvault/vault/httpapi"
)

func newAggregate(w world) *cobra.Command {
	var role, purpose string
	var epsilon float64
	var q vault.AggregateRequest
	c := &cobra.Command{
		Use:   "aggregate COLLECTION",
		Short: "Learn about many people without looking at anyone, however many they are",
		Long: `Asks what POST /v1/aggregates asks, without its limit of 30 seconds: a count, a
sum, a mean, a histogram or quantiles, with noise that hides each person. What it
costs is taken from the same budget, before any data are read, also if it fails
or is interrupted then. It opens the store itself and acts as local:<user>, in
events.`,
		Example: `  fieldvault aggregate customer --purpose analytics --measure count --group-by country \
    --epsilon 0.5 --config serve.yaml
  fieldvault aggregate invoice --purpose analytics --measure quantiles --field total \
    --quantiles 250,500,750 --epsilon 1`,
		Args: cobra.ExactArgs(1),
	}
	storeFlags(c)
	roleFlag(c, &role, "analyst")
	f := c.Flags()
	f.StringVar(&purpose, "purpose", "", "purpose, of which the catalog declares a budget (required)")
	f.StringVar(&q.Measure, "measure", "count", "count, sum, mean, histogram or quantiles")
	f.StringVar(&q.Field, "field", "", "field that is measured; a count by groups needs none")
	f.StringSliceVar(&q.GroupBy, "group-by", nil, "field that groups; up to two")
	f.Float64Var(&epsilon, "epsilon", 0, "what it takes from the budget, 0.001 to 10: twice as much is half the noise (required)")
	f.IntSliceVar(&q.Quantiles, "quantiles", nil, "thousandths, ascending: 500 is the median")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !(epsilon >= 0.001 && epsilon <= 10) {
			return wrongUsage("--epsilon is from 0.001 to 10")
		}
		q.Collection, q.Epsilon = args[0], int64(math.Round(epsilon*1e6))
		return withPeople(c, w, role, accessctl.Purpose(purpose), func(p *parts, by accessctl.Caller, progress func(int)) error {
			q.Progress = progress
			a, err := p.vault.Aggregate(c.Context(), by, q)
			if err != nil {
				return spentHint(err, role)
			}
			out := httpapi.StatisticOf(a)
			return answer(c, out, statisticTable(&q, &out))
		})
	}
	return c
}

// withPeople runs work that reads many people, as local:<user> for a purpose.
func withPeople(c *cobra.Command, w world, role string, purpose accessctl.Purpose, f func(*parts, accessctl.Caller, func(int)) error) error {
	if purpose == "" {
		return wrongUsage("--purpose is required: nobody's data are used without one")
	}
	cfg, err := loadConfig(c, w)
	if err != nil {
		return err
	}
	return withParts(c.Context(), w, cfg, func(p *parts) error {
		by := operator(p.cfg.Tenant, accessctl.Role(role))
		by.Purpose = purpose
		bar := newProgress(w.stderr, "reading records", 0)
		err := f(p, by, bar.at)
		bar.end(err)
		var wrong *vault.InvalidError
		switch {
		case errors.As(err, &wrong):
			return &usageError{err}
		case err != nil && c.Context().Err() != nil:
			return withHint(errors.New("interrupted: what it took from the budget, or the try, stays taken"), "run it again, which costs again")
		}
		return err
	})
}

// spentHint says what to do about a statistic that was not made.
func spentHint(err error, role string) error {
	var spent *vault.BudgetError
	switch {
	case errors.As(err, &spent):
		return withHint(err, "ask with a smaller --epsilon; GET /v1/budgets says what is left")
	case errors.Is(err, vault.ErrConflict):
		return withHint(err, "run it again; what it took from the budget stays spent")
	case errors.Is(err, vault.ErrIntegrity):
		return withHint(err, "run `fieldvault fsck`: the budget was changed outside the service")
	}
	return deniedHint(err, role, accessctl.ActionAggregate)
}

// statisticTable is a statistic for people.
func statisticTable(q *vault.AggregateRequest, a *api.AggregateAnswer) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	head := strings.ToUpper(strings.Join(q.GroupBy, "\t"))
	if head == "" {
		head = "EVERYONE"
	}
	fmt.Fprintf(t, "%s\tOF\t%s\tFROM\tTO\tERROR\n", head, strings.ToUpper(q.Measure))
	for _, g := range a.Groups {
		key := make([]string, max(1, len(g.Key)))
		for i := range g.Key {
			key[i] = printable(g.Key[i])
		}
		for i, e := range g.Values {
			of := q.Field
			switch {
			case len(a.Bins) > 0:
				of = a.Bins[i]
			case len(q.Quantiles) > 0:
				of = fmt.Sprintf("%g %%", float64(q.Quantiles[i])/10)
			}
			fmt.Fprintf(t, "%s\t%s\t%.6g\t%.6g\t%.6g\t%.3g\n", strings.Join(key, "\t"), orDash(of), e.Value, e.Low, e.High, e.Error)
		}
	}
	_ = t.Flush() // to a strings.Builder, which takes everything
	fmt.Fprintf(&b, "Each interval covers the true number with probability %g. ", a.Confidence)
	if a.Threshold > 0 {
		fmt.Fprintf(&b, "Groups of fewer than about %d people are not shown. ", a.Threshold)
	}
	fmt.Fprintf(&b, "\nIt took epsilon %g; one more answer may have at most %.3g.", a.Epsilon, a.Budget.LeftEpsilon)
	return b.String()
}
