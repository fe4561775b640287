package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

// errBusy: another question is being answered, and takes its time.
var errBusy = errors.New("another question is being answered")

// question has the vault answer, one question at a time. The browser that goes away, as
// it does when its user clicks twice, does not stop what is being paid for.
func (v *visit) question(q *inquiry, mark string) (id string, err error) {
	wait, cancel := context.WithTimeout(v.r.Context(), askWait)
	defer cancel()
	if v.questions.Acquire(wait, 1) != nil {
		return "", errBusy
	}
	defer v.questions.Release(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), askTime)
	defer cancel()
	n, err := v.vault.Ask(ctx, v.under(q.offer.Budget.Purpose), mark, q.q)
	return n.String(), err
}

// refusalOf says why a question was not answered, if its asker can do something about it.
func refusalOf(err error) (page.ConsoleRefusal, int) {
	var spent *vault.BudgetError
	var old *vault.TicketError
	switch {
	case errors.As(err, &spent) && spent.Left.Left > 0 && spent.Left.OpenLeft == 0:
		return page.RefusedGroups, http.StatusConflict
	case errors.As(err, &spent):
		return page.RefusedBudget, http.StatusConflict
	case errors.As(err, &old):
		return page.RefusedOld, http.StatusConflict
	case errors.Is(err, errBusy):
		return page.RefusedBusy, http.StatusServiceUnavailable
	case errors.Is(err, vault.ErrConflict):
		return page.RefusedMoved, http.StatusConflict
	}
	return "", 0
}

// answered is the question whose answer a page is about.
func (v *visit) answered() (*vault.Asked, *catalog.Collection, error) {
	id, err := uuid.Parse(v.param("id"))
	if err != nil || id.String() != v.param("id") {
		return nil, nil, vault.ErrNotFound
	}
	a, err := v.vault.Asked(v.r.Context(), v.caller, id)
	if err != nil {
		return nil, nil, err
	}
	coll, ok := v.cat.Collection(a.Request.Collection)
	if !ok {
		return nil, nil, vault.ErrNotFound
	}
	return a, coll, nil
}

// statistic shows what came of a question.
func (v *visit) statistic() (page.Page, error) {
	a, coll, err := v.answered()
	if err != nil {
		return nil, err
	}
	here := page.PathConsoleAnswer + v.param("id")
	out := page.ConsoleStatistic{
		State: page.ConsoleStatisticState(a.State), Here: here, Again: again(a), Collection: v.collectionTitle(coll.Name), Purpose: v.purpose(a.Purpose),
		What: v.what(coll, a.Request.Measure, a.Request.Field), Groups: v.titles(coll, a.Request.GroupBy), At: v.here(a.At),
	}
	if a.Answer == nil {
		return out, nil
	}
	s := a.Answer
	out.Decimals, out.Confidence, out.Threshold = v.decimals(coll, &a.Request), s.Confidence, s.Threshold
	out.Share, out.Spent = s.Budget.Share(s.Epsilon), spentOf(&s.Budget)
	out.Epsilon, out.LeftEpsilon = float64(s.Epsilon)/millionths, float64(s.Budget.Left)/millionths
	out.Download = here + "/answer.csv"
	out.Rows, out.People = rowsOf(coll, a)
	out.Parted = len(s.Bins)+len(a.Request.Quantiles) > 0
	out.Charts = chartsOf(out.Rows, out.Parted, len(s.Groups))
	return out, nil
}

// again leads to the form with the question filled in.
func again(a *vault.Asked) string {
	q := url.Values{
		page.FieldOf: {a.Request.Collection + "." + string(a.Purpose)}, page.FieldWhat: {a.Request.Measure + ":" + a.Request.Field},
		page.FieldConfidence: {strconv.Itoa(a.Request.Confidence)},
	}
	for i, g := range a.Request.GroupBy {
		q.Set([]string{page.FieldGroup, page.FieldGroup2}[i], g)
	}
	return page.PathConsoleAsk + "?" + q.Encode()
}

// decimals is how many digits behind the point the numbers of an answer have at most: a
// mean has one more than what it is of.
func (v *visit) decimals(coll *catalog.Collection, q *vault.AggregateRequest) int {
	m, ok := coll.Measured(q.Field)
	if !ok {
		return 0
	}
	switch page.ConsoleMeasure(q.Measure) {
	case page.MeasureSum, page.MeasureQuantiles:
		return m.Decimals
	case page.MeasureMean:
		return m.Decimals + 1
	case page.MeasureCount, page.MeasureHistogram:
	}
	return 0
}

// rowsOf are the numbers of an answer, in its order.
func rowsOf(coll *catalog.Collection, a *vault.Asked) (list []page.ConsoleEstimate, people bool) {
	counts := a.Request.Measure == string(page.MeasureCount) || a.Request.Measure == string(page.MeasureHistogram)
	for i := range a.Answer.Groups {
		g := &a.Answer.Groups[i]
		group := make([]string, len(g.Key))
		for j, label := range g.Key {
			group[j] = labelOf(coll, a.Request.GroupBy[j], label)
		}
		for j, e := range g.Values {
			row := page.ConsoleEstimate{Group: group, Value: e.Value, Low: min(e.Low, e.Value), High: max(e.High, e.Value)}
			if counts { // nobody is fewer than none: what is below zero is noise
				row.Low = max(0, row.Low)
			}
			switch {
			case len(a.Answer.Bins) > j:
				row.Part = labelOf(coll, a.Request.Field, a.Answer.Bins[j])
			case len(a.Request.Quantiles) > j:
				row.Quantile = a.Request.Quantiles[j]
			}
			if g.People != nil {
				row.People, people = g.People.Value, true
			}
			list = append(list, row)
		}
	}
	return list, people && a.Request.Field != ""
}

// labelOf writes a span of numbers or days as people do. Texts stay as they are.
func labelOf(coll *catalog.Collection, field, label string) string {
	if f, ok := coll.Field(field); ok && (f.Type == catalog.TypeNumber || f.Type == catalog.TypeDate) {
		return strings.Replace(label, "..", "–", 1)
	}
	return label
}

// chartsOf are the charts of an answer: one of all groups, or one for each group that has
// several numbers. What is too much for a chart is in the table.
func chartsOf(rows []page.ConsoleEstimate, parted bool, groups int) (list []page.ConsoleEstimates) {
	if len(rows) == 0 {
		return nil
	}
	size := len(rows)
	if parted {
		size = len(rows) / max(1, groups)
	}
	for i := 0; i+size <= len(rows) && len(list) < mostCharts && size > 0; i += size {
		c := page.ConsoleEstimates{Shape: page.ShapeBars}
		if parted {
			c.Group = rows[i].Group
		}
		for j := range rows[i : i+min(size, mostInChart)] {
			r := &rows[i+j]
			switch {
			case r.Quantile > 0:
				c.Shape, c.Quantiles = page.ShapePoints, append(c.Quantiles, r.Quantile)
			case parted:
				c.Labels = append(c.Labels, r.Part)
			default:
				c.Labels = append(c.Labels, strings.Join(r.Group, " · "))
			}
			c.Values, c.Low, c.High = append(c.Values, r.Value), append(c.Low, r.Low), append(c.High, r.High)
		}
		if !parted && len(c.Labels) <= mostRows {
			c.Shape = page.ShapeRows
		}
		list = append(list, c)
	}
	return list
}

// answerFile sends the answer as a file: all numbers, with a point before the decimals.
func (v *visit) answerFile() (page.Page, error) {
	a, coll, err := v.answered()
	if err != nil {
		return nil, err
	}
	if a.Answer == nil {
		return nil, vault.ErrNotFound
	}
	rows, _ := rowsOf(coll, a)
	parted := len(a.Answer.Bins)+len(a.Request.Quantiles) > 0
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	head := append([]string{}, a.Request.GroupBy...)
	if parted {
		head = append(head, "part")
	}
	lines := [][]string{append(head, "value", "low", "high")}
	for i := range rows {
		r := &rows[i]
		var line []string
		for _, g := range r.Group {
			line = append(line, safe(g))
		}
		switch {
		case r.Quantile > 0:
			line = append(line, strconv.FormatFloat(float64(r.Quantile)/1000, 'f', -1, 64))
		case parted:
			line = append(line, safe(r.Part))
		}
		lines = append(lines, append(line, plain(r.Value), plain(r.Low), plain(r.High)))
	}
	if err := w.WriteAll(lines); err != nil {
		return nil, fmt.Errorf("writing an answer: %w", err)
	}
	v.file("text/csv; charset=utf-8", "answer.csv", b.Bytes())
	return nil, nil
}

func plain(f float64) string {
	if f == 0 {
		return "0" // and not -0
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// safe keeps a spreadsheet from taking a label for a formula: such a one, and one that
// begins with an apostrophe, gets an apostrophe before it.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@＝＋－＠'\t\r\n", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
