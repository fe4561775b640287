package page

import (
	"math"
	"strconv"
	"strings"

	textmessage "golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/fieldvault/fieldvault/vault/portal/chart"
)

// decimal writes a number with so many digits behind the point, at most.
func (w *words) decimal(f float64, digits int) string {
	if f == 0 {
		f = 0 // and not -0
	}
	return textmessage.NewPrinter(w.lang.tag()).Sprint(number.Decimal(f, number.MaxFractionDigits(digits)))
}

// loss writes an epsilon: with two digits behind the point, or three that count.
func (w *words) loss(epsilon float64) string {
	digits := 2
	if epsilon > 0 && epsilon < 0.1 {
		digits = 1 - int(math.Floor(math.Log10(epsilon)))
	}
	return w.decimal(epsilon, digits)
}

// part writes a part of the whole in words: never nothing for something, and never all
// for nearly all.
func (w *words) part(share float64) (string, error) {
	p := textmessage.NewPrinter(w.lang.tag())
	switch {
	case share <= 0:
		return w.text("console.part.none")
	case share < 0.001:
		return w.text("console.part.below", "share", p.Sprint(number.Percent(0.001, number.MaxFractionDigits(1))))
	case share >= 1:
		return w.text("console.part.all")
	case share > 0.99:
		return w.text("console.part.above", "share", p.Sprint(number.Percent(0.99)))
	case share < 0.1:
		return w.text("console.part.about", "share", p.Sprint(number.Percent(share, number.MaxFractionDigits(1))))
	}
	return w.text("console.part.about", "share", p.Sprint(number.Percent(share, number.MaxFractionDigits(0))))
}

// thousandths writes a probability.
func (w *words) thousandths(n int) string {
	return textmessage.NewPrinter(w.lang.tag()).Sprint(number.Percent(float64(n)/1000, number.MaxFractionDigits(1)))
}

func (m ConsoleMeasure) key() string {
	return keyOf(m, "console.measure.sum", "console.measure.mean", "console.measure.histogram", "console.measure.quantiles", "console.measure.count")
}

// asks is a question in words.
func (w *words) asks(q ConsoleWhat) (string, error) {
	if q.Field == "" {
		return w.text("console.measure.people")
	}
	return w.text(q.Measure.key(), "field", q.Field)
}

func (f ConsoleAskFault) key() string {
	return keyOf(f, "console.ask_fault.same_group", "console.ask_fault.too_many", "console.ask_fault.bad_own", "console.ask_fault.no_group")
}

// Lacks is the id of what is to be mended.
func (a ConsoleAsk) Lacks() string {
	switch a.Wrong {
	case AskSameGroup:
		return "group2"
	case AskBadOwn:
		return "epsilon"
	case AskNoGroup, AskTooMany:
	}
	return "group"
}

// OwnOpen says that the field of the asker's own epsilon is unfolded.
func (a ConsoleAsk) OwnOpen() bool { return a.Own != "" || a.Wrong == AskBadOwn }

func (p ConsolePrecision) key() string {
	return keyOf(p, "console.precision.rough", "console.precision.precise", "console.precision.own", "console.precision.normal")
}

func (r ConsoleRefusal) key() string {
	return keyOf(r, "console.refused.budget", "console.refused.groups", "console.refused.busy", "console.refused.old", "console.refused.changed")
}

// explanation is what to do.
func (r ConsoleRefusal) explanation() string {
	return keyOf(r, "console.refused_text.budget", "console.refused_text.groups", "console.refused_text.busy", "console.refused_text.old", "console.refused_text.changed")
}

// expects says how far off an answer of a level will be.
func (w *words) expects(o ConsoleOffer, l ConsoleLevel) (string, error) {
	off := w.decimal(l.Error, digitsFor(l.Error, l.Decimals))
	switch o.What.Measure {
	case MeasureMean:
		return w.text("console.expects.mean", "error", off)
	case MeasureQuantiles:
		return w.text("console.expects.quantiles", "error", off)
	case MeasureCount, MeasureSum, MeasureHistogram:
	}
	return w.text("console.expects.number", "error", off, "probability", w.thousandths(o.Confidence))
}

// digitsFor is with how many digits an error is written: no more than two that count.
func digitsFor(f float64, most int) int {
	if f <= 0 || f >= 10 {
		return 0
	}
	return min(most, 1-int(math.Floor(math.Log10(f))))
}

// quantile names a quantile.
func (w *words) quantile(thousandths int) (string, error) {
	if thousandths == 500 {
		return w.text("console.quantile.median")
	}
	return w.text("console.quantile.below", "share", w.thousandths(thousandths))
}

// drawEstimates draws a chart of an answer, of which it is number i; empty if there is
// nothing to draw.
func (w *words) drawEstimates(s ConsoleStatistic, c ConsoleEstimates, i int) (d drawing, err error) {
	if len(c.Labels)+len(c.Quantiles) == 0 || len(c.Values) == 0 {
		return drawing{}, nil
	}
	out := chart.Chart{
		ID: "chart-" + strconv.Itoa(i), Labels: c.Labels, Format: func(f float64) string { return w.decimal(f, s.Decimals) },
		Series: []chart.Line{{Values: c.Values, Low: c.Low, High: c.High}},
	}
	out.Least, out.Most = s.reach()
	if out.Title, err = w.asks(s.What); err != nil {
		return d, err
	}
	out.Series[0].Name = out.Title
	if len(c.Group) > 0 {
		out.Title += ": " + strings.Join(c.Group, ", ")
	}
	if out.Summary, err = w.text("console.statistic.bars_text", "probability", w.thousandths(s.Confidence)); err != nil {
		return d, err
	}
	if len(c.Quantiles) > 0 {
		out.Labels = nil
	}
	for _, q := range c.Quantiles {
		out.Labels = append(out.Labels, w.thousandths(q))
	}
	switch c.Shape {
	case ShapePoints:
		d.SVG, err = out.Points()
	case ShapeBars:
		d.SVG, err = out.Bars()
	case ShapeRows:
		d.SVG, err = out.Rows()
	default:
		d.SVG, err = out.Rows()
	}
	return d, err
}

// reach is the scale of all charts of an answer, so that they can be compared.
func (s ConsoleStatistic) reach() (least, most float64) {
	for i, c := range s.Charts {
		for j := range c.Low {
			if i+j == 0 {
				least, most = c.Low[0], c.High[0]
			}
			least, most = min(least, c.Low[j]), max(most, c.High[j])
		}
	}
	return least, most
}

// Open says that the budget suffices for one of the levels.
func (o ConsoleOffer) Open() bool {
	for _, l := range o.Levels {
		if !l.Beyond {
			return true
		}
	}
	return false
}
