package console

import (
	"cmp"
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/catalog"
	"github.com/fieldvault/fieldvault/vault/portal/page"
)

const (
	// askTime is how long a question may take, askWait how long it waits for those before it.
	// With the rest of the request they are less than requestTime.
	askTime = 35 * time.Second
	askWait = 5 * time.Second

	// mostNumbers is how many numbers an answer may have, of which the page draws those of so
	// many groups as charts, with so many in a chart.
	mostNumbers    = 1000
	mostCharts     = 12
	mostInChart    = 60
	mostRows       = 30 // beyond, bars stand upright
	confidenceMost = 950
)

// statistics shows the budgets.
func (v *visit) statistics() (page.Page, error) {
	budgets, err := v.vault.Budgets(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	offers, err := v.vault.Statistics(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	var out page.ConsoleStatistics
	for i := range budgets {
		b := &budgets[i]
		p := page.ConsoleBudget{
			Collection: v.collectionTitle(b.Collection), Purpose: v.purpose(b.Purpose), Spent: spentOf(b),
			Epsilon: float64(b.Epsilon) / millionths, SpentEpsilon: float64(b.Spent) / millionths, LeftEpsilon: float64(b.Left) / millionths,
			OneIn: math.Round(1e15 / float64(b.Delta)), Answers: b.Answers,
		}
		if v.open(b.Collection) {
			p.MinPeople, p.OpenLeft = b.MinPeople, b.OpenLeft
		}
		if b.Left > 0 && slices.ContainsFunc(offers, func(o vault.StatisticsOffer) bool {
			return o.Budget.Collection == b.Collection && o.Budget.Purpose == b.Purpose
		}) {
			p.Ask = page.PathConsoleAsk + "?" + url.Values{page.FieldOf: {b.Collection + "." + string(b.Purpose)}}.Encode()
		}
		out.Budgets = append(out.Budgets, p)
	}
	return out, nil
}

// millionths is how the vault counts an epsilon.
const millionths = 1e6

// spentOf is the part of the whole budget that is spent, of what adds up.
func spentOf(b *vault.BudgetState) float64 {
	if b.Left == 0 {
		return 1 // what is left suffices for nothing
	}
	return float64(b.SpentRho) / float64(b.Rho)
}

// collectionTitle is the title of a collection; its name if the catalog has it no more.
func (v *visit) collectionTitle(name string) string {
	if c, ok := v.cat.Collection(name); ok {
		return c.TitleIn(v.lang())
	}
	return name
}

// open says whether groups of the collection come from its data.
func (v *visit) open(collection string) bool {
	c, ok := v.cat.Collection(collection)
	if !ok || c.Statistics == nil {
		return false
	}
	for i := range c.Statistics.Fields {
		if m, ok := c.Measured(c.Statistics.Fields[i].Field); ok {
			if _, open, _ := m.Grouping(); open {
				return true
			}
		}
	}
	return false
}

// An inquiry is a question on its way: what was sent, and what it means.
type inquiry struct {
	form  url.Values
	offer *vault.StatisticsOffer
	coll  *catalog.Collection
	q     vault.AggregateRequest
	own   string
}

// inquire reads what is asked. It is ErrNotFound if it is about nothing that the caller
// may ask about.
func (v *visit) inquire(form url.Values) (*inquiry, error) {
	offers, err := v.vault.Statistics(v.r.Context(), v.caller)
	if err != nil {
		return nil, err
	}
	q := &inquiry{form: form, own: strings.TrimSpace(form.Get(page.FieldEpsilon))}
	for i := range offers {
		b := &offers[i].Budget
		if b.Collection+"."+string(b.Purpose) == form.Get(page.FieldOf) {
			q.offer = &offers[i]
		}
	}
	var ok bool
	if q.offer == nil {
		return nil, vault.ErrNotFound
	}
	if q.coll, ok = v.cat.Collection(q.offer.Budget.Collection); !ok {
		return nil, vault.ErrNotFound
	}
	measure, field, _ := strings.Cut(form.Get(page.FieldWhat), ":")
	q.q = vault.AggregateRequest{Collection: q.coll.Name, Measure: measure, Field: field, Confidence: confidenceMost}
	if n, err := strconv.Atoi(form.Get(page.FieldConfidence)); err == nil && slices.Contains(confidences(), n) {
		q.q.Confidence = n
	}
	if measure == string(page.MeasureQuantiles) {
		q.q.Quantiles = quantilesAsked()
	}
	for _, key := range []string{page.FieldGroup, page.FieldGroup2} {
		if g := form.Get(key); g != "" {
			q.q.GroupBy = append(q.q.GroupBy, g)
		}
	}
	return q, nil
}

func confidences() []int      { return []int{800, 950, 990} }
func quantilesAsked() []int   { return []int{100, 250, 500, 750, 900} }
func (q *inquiry) asks() bool { return q.form.Get(page.FieldWhat) != "" }

// ownEpsilon is the epsilon that the asker wrote, in millionths; 0: none.
func (q *inquiry) ownEpsilon() (int64, bool) {
	if q.own == "" {
		return 0, true
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(q.own, ",", "."), 64)
	if err != nil || !(f >= 0.001 && f <= 10) {
		return 0, false
	}
	return int64(math.Round(f * millionths)), true
}

// check says what lacks of a question.
func (q *inquiry) check() page.ConsoleAskFault {
	_, ok := q.ownEpsilon()
	switch {
	case !ok:
		return page.AskBadOwn
	case q.q.Field == "" && len(q.q.GroupBy) == 0:
		return page.AskNoGroup
	case len(q.q.GroupBy) == 2 && q.q.GroupBy[0] == q.q.GroupBy[1]:
		return page.AskSameGroup
	}
	return ""
}

// whats are the questions that the fields allow.
func (v *visit) whats(q *inquiry) (list []page.ConsoleWhat) {
	add := func(m page.ConsoleMeasure, field string) {
		w := v.what(q.coll, string(m), field)
		w.Chosen = w.Value == q.form.Get(page.FieldWhat)
		list = append(list, w)
	}
	for _, m := range q.offer.Fields {
		if _, _, ok := m.Grouping(); ok {
			add(page.MeasureCount, "")
			break
		}
	}
	for _, m := range q.offer.Fields {
		edges, _ := m.Edges()
		if edges != nil {
			add(page.MeasureHistogram, m.Field)
		}
		if m.Summed() {
			add(page.MeasureSum, m.Field)
			add(page.MeasureMean, m.Field)
			if edges != nil {
				add(page.MeasureQuantiles, m.Field)
			}
		}
		add(page.MeasureCount, m.Field)
	}
	return list
}

func (v *visit) what(coll *catalog.Collection, measure, field string) page.ConsoleWhat {
	w := page.ConsoleWhat{Value: measure + ":" + field, Measure: page.ConsoleMeasure(measure)}
	if f, ok := coll.Field(field); ok {
		w.Field = f.TitleIn(v.lang())
	}
	return w
}

// titles are those of fields.
func (v *visit) titles(coll *catalog.Collection, fields []string) (list []string) {
	for _, name := range fields {
		title := name
		if f, ok := coll.Field(name); ok {
			title = f.TitleIn(v.lang())
		}
		list = append(list, title)
	}
	return list
}

// groups are the fields that group.
func (v *visit) groups(q *inquiry, key string) (list []page.Choice) {
	for _, m := range q.offer.Fields {
		if _, _, ok := m.Grouping(); ok {
			list = append(list, page.Choice{Value: m.Field, Title: v.titles(q.coll, []string{m.Field})[0], Chosen: q.form.Get(key) == m.Field})
		}
	}
	return list
}

// ask shows the form that asks and, once the question is clear, what the answer costs.
func (v *visit) ask() (page.Page, error) {
	q, err := v.inquire(v.r.URL.Query())
	if err != nil {
		return nil, err
	}
	return v.askPage(q, "", "")
}

// askPage draws the form. A mark that came with the question is kept: it is paid for once.
func (v *visit) askPage(q *inquiry, mark string, refused page.ConsoleRefusal) (page.Page, error) {
	out := page.ConsoleAsk{
		Of: q.form.Get(page.FieldOf), Collection: v.collectionTitle(q.coll.Name), Purpose: v.purpose(q.offer.Budget.Purpose),
		What: v.whats(q), Groups: v.groups(q, page.FieldGroup), Groups2: v.groups(q, page.FieldGroup2), Own: q.own,
	}
	for _, n := range confidences() {
		out.Confidences = append(out.Confidences, page.ConsoleConfidence{Thousandths: n, Chosen: n == q.q.Confidence})
	}
	if !q.asks() {
		return out, nil
	}
	if !slices.ContainsFunc(out.What, func(w page.ConsoleWhat) bool { return w.Chosen }) {
		return nil, vault.ErrNotFound // what no form of ours asks
	}
	if out.Wrong = q.check(); out.Wrong != "" {
		return out, nil
	}
	offer, err := v.offer(q, mark)
	var bad *vault.InvalidError
	switch {
	case errors.As(err, &bad) && slices.ContainsFunc(bad.Problems, func(p vault.Problem) bool { return p.Field == "group_by" }):
		out.Wrong = page.AskTooMany
		return out, nil
	case err != nil:
		return nil, err
	case offer == nil:
		out.Wrong = page.AskTooMany
		return out, nil
	}
	offer.Refused, out.Offer = refused, offer
	return out, nil
}

// level is a level of precision: the share of the whole budget that it takes.
type level struct {
	name  page.ConsolePrecision
	share float64
}

func levels() []level {
	return []level{{page.PrecisionRough, 0.005}, {page.PrecisionNormal, 0.02}, {page.PrecisionPrecise, 0.1}}
}

// epsilonOf is the epsilon of a level, in millionths; 0: there is no such level.
func (q *inquiry) epsilonOf(name page.ConsolePrecision) int64 {
	if name == page.PrecisionOwn {
		e, _ := q.ownEpsilon()
		return e
	}
	for _, l := range levels() {
		if l.name == name {
			return max(1_000, q.offer.Budget.EpsilonOf(l.share))
		}
	}
	return 0
}

// offer says what the answer costs, by precision; nil: it has more numbers than a page.
func (v *visit) offer(q *inquiry, mark string) (*page.ConsoleOffer, error) {
	caller, b := v.under(q.offer.Budget.Purpose), &q.offer.Budget
	names := []page.ConsolePrecision{page.PrecisionRough, page.PrecisionNormal, page.PrecisionPrecise}
	if q.own != "" {
		names = append(names, page.PrecisionOwn)
	}
	epsilons := make([]int64, len(names))
	for i, n := range names {
		epsilons[i] = q.epsilonOf(n)
	}
	list, err := v.vault.ForecastAggregate(v.r.Context(), caller, q.q, epsilons...)
	if err != nil {
		return nil, err
	}
	if list[0].Numbers > mostNumbers {
		return nil, nil
	}
	if mark == "" {
		if mark, err = v.vault.MarkQuestion(v.r.Context(), caller); err != nil {
			return nil, err
		}
	}
	out := &page.ConsoleOffer{
		Mark: mark, What: v.what(q.coll, q.q.Measure, q.q.Field), Groups: v.titles(q.coll, q.q.GroupBy),
		Threshold: list[0].Threshold, Confidence: q.q.Confidence, Spent: spentOf(b),
	}
	for _, key := range []string{page.FieldOf, page.FieldWhat, page.FieldGroup, page.FieldGroup2, page.FieldConfidence, page.FieldEpsilon} {
		if value := q.form.Get(key); value != "" {
			out.Sent = append(out.Sent, page.Choice{Title: key, Value: value})
		}
	}
	chosen := page.ConsolePrecision(q.form.Get(page.FieldPrecision))
	switch {
	case chosen != "":
	case q.own != "":
		chosen = page.PrecisionOwn
	default:
		chosen = page.PrecisionNormal
	}
	for i, f := range list {
		l := page.ConsoleLevel{
			Level: names[i], Epsilon: float64(epsilons[i]) / millionths, Share: f.Share, Decimals: v.decimals(q.coll, &q.q), Error: f.Width,
			Beyond: epsilons[i] > b.Left || f.Threshold > 0 && b.OpenLeft == 0,
		}
		switch page.ConsoleMeasure(q.q.Measure) {
		case page.MeasureMean:
			l.Error = f.Error / 1000
		case page.MeasureQuantiles:
			l.Error, l.Decimals = f.Error, 0
		case page.MeasureCount, page.MeasureSum, page.MeasureHistogram:
		}
		l.Chosen = names[i] == chosen && !l.Beyond
		out.Levels = append(out.Levels, l)
	}
	if !slices.ContainsFunc(out.Levels, func(l page.ConsoleLevel) bool { return l.Chosen }) { // it is beyond
		for i := len(out.Levels) - 1; i >= 0; i-- {
			if l := &out.Levels[i]; !l.Beyond {
				l.Chosen = true
				break
			}
		}
	}
	return out, nil
}

// asked sends a question. The answer has a page of its own, so that loading it again asks
// nothing; and the question a mark, so that sending it again pays nothing.
func (v *visit) asked() (page.Page, error) {
	q, err := v.inquire(v.r.PostForm)
	if err != nil {
		return nil, err
	}
	mark, level := v.r.PostForm.Get(page.FieldMark), page.ConsolePrecision(v.r.PostForm.Get(page.FieldPrecision))
	if q.q.Epsilon = q.epsilonOf(level); q.q.Epsilon == 0 || q.check() != "" {
		return nil, vault.ErrNotFound // what no form of ours sends
	}
	list, err := v.vault.ForecastAggregate(v.r.Context(), v.under(q.offer.Budget.Purpose), q.q, q.q.Epsilon)
	if err != nil || list[0].Numbers > mostNumbers {
		return nil, cmp.Or(err, vault.ErrNotFound)
	}
	id, err := v.question(q, mark)
	if err == nil {
		return v.to(page.PathConsoleAnswer+id, "")
	}
	why, status := refusalOf(err)
	if why == "" {
		return nil, err
	}
	if why == page.RefusedOld {
		mark = ""
	}
	if q, err = v.inquire(v.r.PostForm); err != nil { // the budget as it is now
		return nil, err
	}
	pg, err := v.askPage(q, mark, why)
	if err != nil {
		return nil, err
	}
	v.show(status, pg)
	return nil, nil
}
