package console

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/audit/report"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// windows are the days that a report can be of.
func windows() []int { return []int{7, 30, 90, 365} }

// stepsOf is how many steps the charts over time have of a window: whole days each.
func stepsOf(days int) int {
	switch days {
	case 90:
		return 30
	case 365:
		return 73
	}
	return days
}

const (
	standardWindow = 30
	mostBars       = 8 // of a chart: what is beyond is taken together
	mostLines      = 6
)

// reportPage draws what the log says of a window.
func (v *visit) reportPage() (page.Page, error) {
	days, err := strconv.Atoi(v.r.URL.Query().Get("days"))
	if err != nil || !slices.Contains(windows(), days) {
		days = standardWindow
	}
	if !v.reports.TryAcquire(1) { // another one reads the log
		return nil, vault.ErrUnavailable
	}
	defer v.reports.Release(1)
	trend, m, err := v.vault.Trend(v.r.Context(), v.caller, days, stepsOf(days))
	if err != nil {
		return nil, err
	}
	check := m.Usage.Checkpoint
	out := page.ConsoleReports{
		Days: days, Windows: windows(),
		Log: page.ConsoleCheckpoint{Events: check.Size, Signed: v.here(check.Time), Verified: check.Verified, Whole: true},
	}
	out.Charts = append(v.usageCharts(m.Usage, trend), v.timeCharts(trend)...)
	if v.frame.May.Requests {
		c, whole, err := v.requestChart(trend)
		if err != nil {
			return nil, err
		}
		if whole { // of a part a chart would say what is not so
			out.Charts = append(out.Charts, c)
		}
	}
	for _, f := range m.Fields {
		title := f.TitleIn(v.lang())
		if coll, ok := v.cat.Collection(f.Collection()); ok { // else the catalog has changed just now
			title = coll.TitleIn(v.lang()) + ": " + title
		}
		out.Unused = append(out.Unused, title)
	}
	for _, p := range m.Purposes {
		out.Idle = append(out.Idle, v.purpose(accessctl.Purpose(p.ID)))
	}
	for _, p := range m.Review {
		out.Review = append(out.Review, v.purpose(accessctl.Purpose(p.ID)))
	}
	return out, nil
}

// usageCharts say how many values were shown, by what. What people saw of themselves is
// not in them.
func (v *visit) usageCharts(u *report.UsageReport, t *report.TrendReport) []page.ConsoleChart {
	purposes, fields := map[string]int64{}, map[string]int64{}
	for i := range u.Rows {
		r := &u.Rows[i]
		if r.CollectionID == 0 || r.Caller == "self" || r.Values == 0 { // a statistic shows none
			continue
		}
		purposes[v.purpose(r.Purpose)] += r.Values
		title := v.field(r.CollectionID, r.FieldID)
		fields[cmp.Or(title, r.Name())] += r.Values
	}
	roles := map[string]int64{}
	for _, r := range t.Roles {
		roles[cmp.Or(strings.ReplaceAll(r.Roles, "+", ", "), "–")] += r.Values
	}
	return []page.ConsoleChart{
		bars(page.ChartByPurpose, purposes), bars(page.ChartByField, fields), bars(page.ChartByRole, roles),
	}
}

// bars is a chart of the highest sums; further ones are taken together as "…".
func bars(kind page.ConsoleChartKind, sums map[string]int64) page.ConsoleChart {
	names := slices.SortedFunc(maps.Keys(sums), func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
	})
	out := page.ConsoleChart{Kind: kind, Series: []page.ConsoleSeries{{Name: string(kind)}}}
	for i, n := range names {
		s := &out.Series[0]
		if i >= mostBars {
			s.Values[mostBars-1] += float64(sums[n])
			out.Labels[mostBars-1] = "…"
			continue
		}
		out.Labels, s.Values = append(out.Labels, n), append(s.Values, float64(sums[n]))
	}
	return out
}

// timeCharts say how things went, step by step.
func (v *visit) timeCharts(t *report.TrendReport) []page.ConsoleChart {
	denied, erased := page.ConsoleSeries{Name: string(page.ChartDenials)}, page.ConsoleSeries{Name: string(page.ChartErasures)}
	for i := range t.Steps {
		denied.Values = append(denied.Values, float64(t.Steps[i].Denied))
		erased.Values = append(erased.Values, float64(t.Steps[i].Erased))
	}
	return []page.ConsoleChart{
		{Kind: page.ChartDenials, Days: v.days(t), Series: []page.ConsoleSeries{denied}},
		{Kind: page.ChartErasures, Days: v.days(t), Series: []page.ConsoleSeries{erased}},
		{Kind: page.ChartConsent, Days: v.days(t), Series: v.consentSeries(t)},
	}
}

func (v *visit) days(t *report.TrendReport) (days []time.Time) {
	for i := range t.Steps {
		days = append(days, v.here(t.Steps[i].Begin))
	}
	return days
}

// consentSeries is the share of yes among all decisions of the window up to each step, for
// the purposes that rest on consent and about which somebody decided.
func (v *visit) consentSeries(t *report.TrendReport) (list []page.ConsoleSeries) {
	for i := range v.cat.Purposes {
		p := &v.cat.Purposes[i]
		if p.Basis != catalog.BasisConsent || len(list) == mostLines {
			continue
		}
		var sum report.Decided
		s := page.ConsoleSeries{Name: v.purpose(accessctl.Purpose(p.ID))}
		for j := range t.Steps {
			d := t.Steps[j].Decided[accessctl.Purpose(p.ID)]
			sum.Yes, sum.All = sum.Yes+d.Yes, sum.All+d.All
			s.Values = append(s.Values, float64(sum.Yes)/float64(max(1, sum.All)))
		}
		if sum.All > 0 {
			list = append(list, s)
		}
	}
	return list
}

// requestChart says how many requests were open, and late, at the end of each step.
func (v *visit) requestChart(t *report.TrendReport) (c page.ConsoleChart, whole bool, err error) {
	all, whole, err := v.allRequests(false)
	open, late := page.ConsoleSeries{Key: "console.series.open"}, page.ConsoleSeries{Key: "console.series.late"}
	for i := range t.Steps {
		at := t.Steps[i].Begin.Add(t.Step)
		var n, over float64
		for j := range all {
			switch standing(&all[j], at) {
			case page.ClockLate:
				over++
			case page.ClockRuns:
				n++
			case page.ClockSoon, page.ClockPaused, page.ClockStopped:
			}
		}
		open.Values, late.Values = append(open.Values, n), append(late.Values, over)
	}
	return page.ConsoleChart{Kind: page.ChartRequests, Days: v.days(t), Series: []page.ConsoleSeries{open, late}}, whole, err
}

// standing says how a request stood at an instant: open, late, or not there.
func standing(q *vault.Request, at time.Time) page.RequestClock {
	if q.Entered.After(at) || !q.Ended.IsZero() && !q.Ended.After(at) {
		return page.ClockStopped
	}
	due := q.Due
	if !q.ExtendedTo.IsZero() && !q.ExtendedAt.After(at) {
		due = q.ExtendedTo
	}
	if !due.IsZero() && !at.Before(due) {
		return page.ClockLate
	}
	return page.ClockRuns
}
