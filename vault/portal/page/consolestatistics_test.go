package page_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/fieldvault/fieldvault/deploy/sample"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// statisticsShots are the pages about statistics.
func statisticsShots(c *catalog.Catalog, in page.Frame) []shot {
	refused, wrong, cheap := asking(c), asking(c), asking(c)
	refused.Offer.Refused = page.RefusedBudget
	refused.Offer.Levels[2].Beyond = true
	wrong.Offer, wrong.Wrong, wrong.Own = nil, page.AskNoGroup, "1000"
	cheap.Offer.What = page.ConsoleWhat{Value: "mean:total", Measure: page.MeasureMean, Field: "Total"}
	shots := []shot{
		{"console-statistics", in, page.ConsoleStatistics{Budgets: []page.ConsoleBudget{budget(c, 0), budget(c, 0.4), budget(c, 1)}}},
		{"console-statistics-none", in, page.ConsoleStatistics{}},
		{"console-ask", in, asking(c)},
		{"console-ask-mean", in, cheap},
		{"console-ask-refused", in, refused},
		{"console-ask-wrong", in, wrong},
		{"console-statistic-bars", in, distribution(c)},
		{"console-statistic-rows", in, byCountry(c)},
		{"console-statistic-points", in, quantiles(c)},
		{"console-statistic-none", in, page.ConsoleStatistic{State: page.StatisticDone, Threshold: 18, Confidence: 950}},
	}
	for _, s := range []page.ConsoleStatisticState{page.StatisticWaits, page.StatisticSlow, page.StatisticFailed} {
		q := distribution(c)
		q.State = s
		shots = append(shots, shot{"console-statistic-" + string(s), in, q})
	}
	return shots
}

func budget(c *catalog.Catalog, spent float64) page.ConsoleBudget {
	return page.ConsoleBudget{
		Collection: c.Collections[1].Title, Purpose: c.Purposes[3].Title, Spent: spent, Epsilon: 8, SpentEpsilon: 8 * spent, LeftEpsilon: 1.3 * (1 - spent),
		OneIn: 1e6, MinPeople: 5, OpenLeft: 97, Answers: int64(40 * spent), Ask: page.PathConsoleAsk + "?of=invoice.analytics",
	}
}

func asking(c *catalog.Catalog) page.ConsoleAsk {
	return page.ConsoleAsk{
		Of: "invoice.analytics", Collection: c.Collections[1].Title, Purpose: c.Purposes[3].Title,
		What: []page.ConsoleWhat{
			{Value: "count:", Measure: page.MeasureCount},
			{Value: "histogram:total", Measure: page.MeasureHistogram, Field: "Total", Chosen: true},
			{Value: "sum:total", Measure: page.MeasureSum, Field: "Total"},
		},
		Groups:      []page.Choice{{Value: "country", Title: "Country"}, {Value: "date", Title: "Date"}},
		Groups2:     []page.Choice{{Value: "country", Title: "Country"}, {Value: "date", Title: "Date"}},
		Confidences: []page.ConsoleConfidence{{Thousandths: 800}, {Thousandths: 950, Chosen: true}, {Thousandths: 990}},
		Offer: &page.ConsoleOffer{
			Mark: "sealed", Sent: []page.Choice{{Title: "of", Value: "invoice.analytics"}, {Title: "what", Value: "histogram:total"}},
			What:   page.ConsoleWhat{Value: "histogram:total", Measure: page.MeasureHistogram, Field: "Total"},
			Groups: []string{"Country"}, Threshold: 18, Confidence: 950, Spent: 0.4,
			Levels: []page.ConsoleLevel{
				{Level: page.PrecisionRough, Epsilon: 0.09, Share: 0.005, Error: 61, Decimals: 0},
				{Level: page.PrecisionNormal, Epsilon: 0.19, Share: 0.02, Error: 30, Decimals: 0, Chosen: true},
				{Level: page.PrecisionPrecise, Epsilon: 0.42, Share: 0.1, Error: 13, Decimals: 0},
			},
		},
	}
}

// distribution is an answer whose last numbers are nothing but noise.
func distribution(c *catalog.Catalog) page.ConsoleStatistic {
	s := page.ConsoleStatistic{
		State: page.StatisticDone, Here: page.PathConsoleAnswer + "1", Again: page.PathConsoleAsk + "?of=invoice.analytics", Download: page.PathConsoleAnswer + "1/answer.csv",
		Collection: c.Collections[1].Title, Purpose: c.Purposes[3].Title, At: day(2026, time.November, 26), Parted: true, Confidence: 950, Share: 0.02, Spent: 0.42,
		Epsilon: 0.19, LeftEpsilon: 1.01, What: page.ConsoleWhat{Value: "histogram:total", Measure: page.MeasureHistogram, Field: "Total"},
		Charts: []page.ConsoleEstimates{{Shape: page.ShapeBars}},
	}
	for i, v := range []float64{212, 190, 71, 33, 0} {
		label := []string{"0–4.99", "5–9.99", "10–14.99", "15–19.99", "20–26"}[i]
		s.Rows = append(s.Rows, page.ConsoleEstimate{Part: label, Value: v, Low: max(0, v-30), High: v + 30})
		ch := &s.Charts[0]
		ch.Labels, ch.Values, ch.Low, ch.High = append(ch.Labels, label), append(ch.Values, v), append(ch.Low, max(0, v-30)), append(ch.High, v+30)
	}
	return s
}

// byCountry is a sum, some of which are below zero.
func byCountry(c *catalog.Catalog) page.ConsoleStatistic {
	s := distribution(c)
	s.What, s.Parted, s.People, s.Decimals, s.Threshold, s.Groups = page.ConsoleWhat{Measure: page.MeasureSum, Field: "Total"}, false, true, 2, 18, []string{"Country"}
	s.Rows, s.Charts = nil, []page.ConsoleEstimates{{Shape: page.ShapeRows}}
	for i, v := range []float64{523.06, 303.96, 195.1, -12.5} {
		label := []string{"USA", "Canada", "France", "Chile"}[i]
		s.Rows = append(s.Rows, page.ConsoleEstimate{Group: []string{label}, Value: v, Low: v - 80.25, High: v + 80.25, People: 24})
		ch := &s.Charts[0]
		ch.Labels, ch.Values, ch.Low, ch.High = append(ch.Labels, label), append(ch.Values, v), append(ch.Low, v-80.25), append(ch.High, v+80.25)
	}
	s.LeftEpsilon, s.Spent = 0, 1
	return s
}

func quantiles(c *catalog.Catalog) page.ConsoleStatistic {
	s := distribution(c)
	s.What, s.Decimals = page.ConsoleWhat{Measure: page.MeasureQuantiles, Field: "Total"}, 2
	s.Rows, s.Charts = nil, nil
	for _, group := range []string{"Canada", "USA"} {
		ch := page.ConsoleEstimates{Group: []string{group}, Shape: page.ShapePoints}
		for i, q := range []int{100, 250, 500, 750, 900} {
			v := 3 * float64(i+1)
			s.Rows = append(s.Rows, page.ConsoleEstimate{Group: []string{group}, Quantile: q, Value: v, Low: v - 1, High: v + 2})
			ch.Quantiles, ch.Values, ch.Low, ch.High = append(ch.Quantiles, q), append(ch.Values, v), append(ch.Low, v-1), append(ch.High, v+2)
		}
		s.Charts = append(s.Charts, ch)
	}
	s.Groups = []string{"Country"}
	return s
}

// TestChartsSayWhatTheTableSays: each number of a chart, and each end of an error bar,
// stands in the table below it; and each chart has a title and a sentence.
func TestChartsSayWhatTheTableSays(t *testing.T) {
	p := newPages(t)
	c, err := catalog.Parse(sample.Catalog())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]page.ConsoleStatistic{"bars": distribution(c), "rows": byCountry(c), "points": quantiles(c)} {
		var inTable, inChart []string
		for _, n := range elements(draw(t, p, page.Frame{SignedIn: true, Operator: officer}, s)) {
			switch {
			case n.Data == "td":
				inTable = append(inTable, textOf(n))
			case n.Data == "svg" && attr(n, "role") == "img":
				var words []string
				for _, e := range elements(n) {
					if e.Data == "title" || e.Data == "desc" {
						words = append(words, textOf(e))
					}
				}
				if len(words) < 3 || words[0] == "" || words[1] == "" {
					t.Fatalf("%s: a chart has no title or no sentence: %q", name, words)
				}
				inChart = append(inChart, words[2:]...)
			}
		}
		if len(inChart) != len(s.Rows) {
			t.Fatalf("%s: %d numbers in charts, %d rows", name, len(inChart), len(s.Rows))
		}
		per := len(inTable) / len(s.Rows)
		for i, said := range inChart {
			row := inTable[i*per : (i+1)*per]
			if want := row[0] + " [" + row[1] + " … " + row[2] + "]"; !strings.HasSuffix(said, want) {
				t.Errorf("%s: the chart says %q, the table %q", name, said, want)
			}
		}
	}
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// TestMeasuresHaveWords of their own, and so have the states of a question.
func TestMeasuresHaveWords(t *testing.T) {
	p := newPages(t)
	seen := map[string]bool{}
	for _, m := range []aggregate.Measure{aggregate.Count, aggregate.Sum, aggregate.Mean, aggregate.Histogram, aggregate.Quantiles} {
		seen[said(t, p, page.ConsoleStatistic{What: page.ConsoleWhat{Measure: page.ConsoleMeasure(m), Field: "x"}})] = true
	}
	if len(seen) != 5 {
		t.Errorf("five measures have %d names", len(seen))
	}
	clear(seen)
	for _, s := range []vault.AskedState{vault.AskedWaits, vault.AskedDone, vault.AskedSlow, vault.AskedFailed} {
		seen[said(t, p, page.ConsoleStatistic{State: page.ConsoleStatisticState(s), Rows: []page.ConsoleEstimate{{}}, Confidence: 950})] = true
	}
	if len(seen) != 4 {
		t.Errorf("four states have %d pages", len(seen))
	}
	clear(seen)
	for _, r := range []page.ConsoleRefusal{page.RefusedBudget, page.RefusedGroups, page.RefusedBusy, page.RefusedOld, page.RefusedMoved} {
		seen[said(t, p, page.ConsoleAsk{Offer: &page.ConsoleOffer{Refused: r}})] = true
	}
	for _, f := range []page.ConsoleAskFault{page.AskNoGroup, page.AskSameGroup, page.AskTooMany, page.AskBadOwn} {
		seen[said(t, p, page.ConsoleAsk{Wrong: f, Groups: []page.Choice{{}}})] = true
	}
	if len(seen) != 9 {
		t.Errorf("nine faults have %d pages", len(seen))
	}
}

// TestPartsAreNeverRoundedAway: something is never nothing, and nearly all is not all.
func TestPartsAreNeverRoundedAway(t *testing.T) {
	p := newPages(t)
	for spent, want := range map[float64]string{
		0: "learnt: nothing", 0.0001: "less than 0.1%", 0.0123: "about 1.2%", 0.4: "about 40%", 0.996: "more than 99%", 1: "all of it", 1.2: "all of it",
	} {
		b, err := p.Render(page.Frame{}, page.ConsoleStatistics{Budgets: []page.ConsoleBudget{{Spent: spent, LeftEpsilon: 1}}})
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%g does not read %q: %v", spent, want, err)
		}
	}
}
