package page

import (
	"html/template"
	"strconv"
	"time"

	textmessage "golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/fieldvault/fieldvault/vault/portal/chart"
)

// drawing is a chart as it is drawn. Both are empty if there is nothing to draw.
type drawing struct {
	SVG, Table template.HTML
}

// draw draws a chart of a page, of which it is number i.
func (w *words) draw(c ConsoleChart, i int) (drawing, error) {
	if c.nothing() {
		return drawing{}, nil
	}
	d, err := w.chart(c)
	if err != nil {
		return drawing{}, err
	}
	d.ID = "chart-" + strconv.Itoa(i)
	svg, err := c.Kind.shape(d)
	if err != nil {
		return drawing{}, err
	}
	if d.Labels, err = w.labels(c, w.date); err != nil { // in the table there is room for the year
		return drawing{}, err
	}
	table, err := d.Table()
	return drawing{svg, table}, err
}

// nothing says that no value is above zero.
func (c ConsoleChart) nothing() bool {
	for _, s := range c.Series {
		for _, v := range s.Values {
			if v > 0 {
				return false
			}
		}
	}
	return true
}

// shape draws a chart as charts of the kind are drawn.
func (k ConsoleChartKind) shape(c chart.Chart) (template.HTML, error) {
	switch k {
	case ChartConsent:
		return c.Lines()
	case ChartRequests:
		return c.Stacked()
	case ChartByPurpose, ChartByField, ChartByRole:
		return c.Rows()
	default:
		return c.Bars()
	}
}

// chart puts a chart into the words of the language.
func (w *words) chart(c ConsoleChart) (d chart.Chart, err error) {
	if d.Title, err = w.text(c.Kind.key()); err != nil {
		return d, err
	}
	if d.Summary, err = w.text(c.Kind.explanation()); err != nil {
		return d, err
	}
	if d.Axis, err = w.text(c.Kind.axis()); err != nil {
		return d, err
	}
	if d.Labels, err = w.labels(c, w.shortDay); err != nil {
		return d, err
	}
	for _, s := range c.Series {
		line := chart.Line{Name: s.Name, Values: s.Values}
		if key := s.key(); key != "" {
			if line.Name, err = w.text(key); err != nil {
				return d, err
			}
		}
		if line.Name == "" {
			line.Name = d.Title
		}
		d.Series = append(d.Series, line)
	}
	d.Format = func(v float64) string { return w.number(v) }
	if c.Kind == ChartConsent {
		d.Format = w.percent
	}
	return d, nil
}

// labels are those of the chart, or its days as that writes them.
func (w *words) labels(c ConsoleChart, that func(time.Time) (string, error)) ([]string, error) {
	if len(c.Days) == 0 {
		return c.Labels, nil
	}
	var list []string
	for _, day := range c.Days {
		s, err := that(day)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// percent writes a share of one.
func (w *words) percent(share float64) string {
	return textmessage.NewPrinter(w.lang.tag()).Sprint(number.Percent(share, number.MaxFractionDigits(0)))
}

// shortDay writes a day without its year, as in 3 Jan.
func (w *words) shortDay(t time.Time) (string, error) {
	month, err := w.text([...]string{
		"month.short.1", "month.short.2", "month.short.3", "month.short.4", "month.short.5", "month.short.6",
		"month.short.7", "month.short.8", "month.short.9", "month.short.10", "month.short.11", "month.short.12",
	}[t.Month()-1])
	if err != nil {
		return "", err
	}
	return w.text("date.short", "day", t.Day(), "month", month)
}

// key is that of the name in words; empty: it has a name of its own.
func (s ConsoleSeries) key() string {
	switch s.Key {
	case "console.series.open", "console.series.late", "console.series.people":
		return s.Key
	default:
		return ""
	}
}

func (k ConsoleChartKind) key() string {
	return keyOf(k, "console.chart.by_purpose", "console.chart.by_field", "console.chart.by_role", "console.chart.denials",
		"console.chart.erasures", "console.chart.consent", "console.chart.requests")
}

func (k ConsoleChartKind) explanation() string {
	return keyOf(k, "console.chart_text.by_purpose", "console.chart_text.by_field", "console.chart_text.by_role",
		"console.chart_text.denials", "console.chart_text.erasures", "console.chart_text.consent", "console.chart_text.requests")
}

// staffKey is what is said if there is nothing to draw.
func (k ConsoleChartKind) staffKey() string {
	return keyOf(k, "console.chart_none.by_purpose", "console.chart_none.by_field", "console.chart_none.by_role",
		"console.chart_none.denials", "console.chart_none.erasures", "console.chart_none.consent", "console.chart_none.requests")
}

// axis is what the labels are.
func (k ConsoleChartKind) axis() string {
	return keyOf(k, "console.axis.by_purpose", "console.axis.by_field", "console.axis.by_role", "console.axis.day")
}
