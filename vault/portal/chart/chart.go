package chart

import (
	"errors"
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Series are the colours that a stylesheet knows: more series than these are an error.
const Series = 6

// A Chart is what is drawn.
type Chart struct {
	// ID makes the ids of this chart, which must be its own within the page: letters,
	// digits and hyphens.
	ID string
	// Title names the chart, Summary says in a sentence what it shows.
	Title, Summary string
	// Axis names what the labels are.
	Axis   string
	Labels []string
	Series []Line
	// Least and Most are numbers that the scale reaches in any case, as where several
	// charts are to be compared.
	Least, Most float64
	// Format writes a number; nil: as few digits as tell it.
	Format func(float64) string
}

// A Line is one series of values.
type Line struct {
	Name string
	// Values has one for each label, finite. One may be negative where there are intervals.
	Values []float64
	// Low and High are, of each value, the ends of an interval that it stands in: the
	// error bar. Both or neither; piles and lines cannot show them.
	Low, High []float64
}

// The drawing is made for the width of a phone and grows with the page.
const (
	width, height             = 400, 230
	left, right, top, bottom  = 44, 8, 10, 30
	plotWidth, plotHeight     = width - left - right, height - top - bottom
	labelEvery, letters       = 56, 7.0 // pixels: room of a label, width of a letter
	gridLines, legendRow, dot = 4, 20, 10
)

// Bars draws the series side by side for each label.
func (c Chart) Bars() (template.HTML, error) {
	low, high := c.reach()
	return c.draw(low, high, func(b *strings.Builder, y scale) {
		slot := float64(plotWidth) / float64(len(c.Labels))
		each := slot * 0.7 / float64(len(c.Series))
		for s, line := range c.Series {
			for i, v := range line.Values {
				x := left + slot*(float64(i)+0.15) + each*float64(s)
				c.rect(b, s, box{x, y(math.Max(0, v)), each, math.Abs(y(0) - y(v))}, i)
				c.errorBar(b, s, i, x+each/2, each, y)
			}
		}
	})
}

// Stacked draws the series on top of each other for each label.
func (c Chart) Stacked() (template.HTML, error) {
	if c.intervals() {
		return "", errors.New("a pile has no error bars")
	}
	return c.draw(0, c.highestSum(), func(b *strings.Builder, y scale) {
		slot := float64(plotWidth) / float64(len(c.Labels))
		sums := make([]float64, len(c.Labels))
		for s, line := range c.Series {
			for i, v := range line.Values {
				c.rect(b, s, box{left + slot*(float64(i)+0.15), y(sums[i] + v), slot * 0.7, y(sums[i]) - y(sums[i]+v)}, i)
				sums[i] += v
			}
		}
	})
}

// Lines draws each series as a line with a point at each label.
func (c Chart) Lines() (template.HTML, error) {
	if c.intervals() {
		return "", errors.New("a line has no error bars")
	}
	_, high := c.reach()
	return c.draw(0, high, func(b *strings.Builder, y scale) {
		slot := float64(plotWidth) / float64(len(c.Labels))
		for s, line := range c.Series {
			var points []string
			for i, v := range line.Values {
				points = append(points, fmt.Sprintf("%.1f,%.1f", left+slot*(float64(i)+0.5), y(v)))
			}
			fmt.Fprintf(b, `<polyline class="chart-line chart-%d" points="%s"/>`, s+1, strings.Join(points, " "))
			for i, v := range line.Values {
				fmt.Fprintf(b, `<circle class="chart-%d" cx="%.1f" cy="%.1f" r="3"><title>%s</title></circle>`,
					s+1, left+slot*(float64(i)+0.5), y(v), c.says(s, i))
			}
		}
	})
}

// scale gives the place of a value from the top.
type scale func(float64) float64

type box struct{ x, y, w, h float64 }

// draw checks the chart and draws what all kinds share around the shapes. The scale has
// round ends at or beyond the lowest and the highest number.
func (c Chart) draw(lowest, highest float64, shapes func(*strings.Builder, scale)) (template.HTML, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	step := niceStep(highest - lowest)
	floor := step * math.Floor(lowest/step)
	ceiling := step * math.Max(math.Ceil(highest/step), math.Floor(lowest/step)+1)
	y := func(v float64) float64 { return top + plotHeight*(ceiling-v)/(ceiling-floor) }
	var b strings.Builder
	c.open(&b, height+c.legendHeight())
	for i := range int(math.Round((ceiling-floor)/step)) + 1 {
		v := floor + step*float64(i)
		fmt.Fprintf(&b, `<line class="chart-grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, y(v), width-right, y(v))
		fmt.Fprintf(&b, `<text class="chart-text" x="%d" y="%.1f" text-anchor="end">%s</text>`, left-6, y(v)+4, c.number(v))
	}
	shapes(&b, y)
	fmt.Fprintf(&b, `<line class="chart-axis" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, y(math.Min(math.Max(0, floor), ceiling)), width-right, y(math.Min(math.Max(0, floor), ceiling)))
	c.labels(&b)
	c.legend(&b)
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil //nolint:gosec // every text in it is escaped here
}

// open begins a drawing that is so many pixels tall.
func (c Chart) open(b *strings.Builder, tall int) {
	fmt.Fprintf(b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-title %s-desc">`, width, tall, c.ID, c.ID)
	fmt.Fprintf(b, `<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`,
		c.ID, html.EscapeString(c.Title), c.ID, html.EscapeString(c.Summary))
}

func (c Chart) check() error {
	if c.ID == "" || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return errors.New("a chart needs an id of letters, digits and hyphens")
	}
	if len(c.Labels) == 0 || len(c.Series) == 0 || len(c.Series) > Series {
		return fmt.Errorf("a chart needs labels and 1 to %d series: there are %d and %d", Series, len(c.Labels), len(c.Series))
	}
	for _, s := range c.Series {
		if len(s.Values) != len(c.Labels) {
			return fmt.Errorf("a series has %d values for %d labels", len(s.Values), len(c.Labels))
		}
		for _, v := range s.Values {
			if !(v >= 0 || s.interval()) || math.IsNaN(v) || math.IsInf(v, 0) {
				return errors.New("a value of a chart is negative or no number")
			}
		}
		if err := s.checkInterval(); err != nil {
			return err
		}
	}
	return nil
}

func (c Chart) highestSum() (most float64) {
	for i := range c.Labels {
		sum := 0.0
		for _, s := range c.Series {
			if i < len(s.Values) {
				sum += s.Values[i]
			}
		}
		most = math.Max(most, sum)
	}
	return most
}

// niceStep is the distance of grid lines: 1, 2 or 5 times a power of ten, at most
// gridLines of them to the highest value, and whole where that is above 1.
func niceStep(highest float64) float64 {
	if highest <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest/gridLines)))
	for _, m := range []float64{1, 2, 5, 10} {
		if step := m * power; highest/step <= gridLines {
			if highest >= 1 && step < 1 {
				return 1
			}
			return step
		}
	}
	return 10 * power
}

// number writes a value, escaped.
func (c Chart) number(v float64) string {
	if c.Format != nil {
		return html.EscapeString(c.Format(v))
	}
	return fmt.Sprintf("%g", math.Round(v*100)/100)
}

// says is the value of a shape in words, escaped.
func (c Chart) says(series, i int) string {
	return html.EscapeString(c.Labels[i]+", "+c.Series[series].Name+": ") + c.number(c.Series[series].Values[i]) + c.span(series, i)
}

func (c Chart) rect(b *strings.Builder, series int, r box, i int) {
	fmt.Fprintf(b, `<rect class="chart-%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
		series+1, r.x, r.y, r.w, r.h, c.says(series, i))
}

// labels writes the labels under the axis: as many as have room.
func (c Chart) labels(b *strings.Builder) {
	slot := float64(plotWidth) / float64(len(c.Labels))
	every := int(math.Ceil(labelEvery / slot))
	for i := 0; i < len(c.Labels); i += every {
		text := shorten(c.Labels[i], max(2, int(slot*float64(every)/letters)))
		x, anchor := left+slot*(float64(i)+0.5), "middle"
		if x+float64(len([]rune(text)))*letters/2 > width { // the last one
			x, anchor = width-1, "end"
		}
		fmt.Fprintf(b, `<text class="chart-text" x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, height-bottom+18, anchor, html.EscapeString(text))
	}
}

// shorten cuts a text to n letters.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n || n < 2 {
		return s
	}
	return string(r[:n-1]) + "…"
}

// legendHeight is the room of the names of series, of which one alone needs none.
func (c Chart) legendHeight() int {
	if len(c.Series) < 2 {
		return 0
	}
	return legendRow * len(c.Series)
}

// legend names the colours.
func (c Chart) legend(b *strings.Builder) {
	if len(c.Series) < 2 {
		return
	}
	for i, s := range c.Series {
		y := height + legendRow*i
		fmt.Fprintf(b, `<rect class="chart-%d" x="%d" y="%d" width="%d" height="%d"/>`, i+1, left, y, dot, dot)
		fmt.Fprintf(b, `<text class="chart-text" x="%d" y="%d">%s</text>`, left+dot+8, y+dot, html.EscapeString(shorten(s.Name, 44)))
	}
}

// Table writes the numbers: a row for each label, a column for each series.
func (c Chart) Table() (template.HTML, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<table class="chart-table"><caption>%s</caption><thead><tr><th scope="col">%s</th>`,
		html.EscapeString(c.Title), html.EscapeString(c.Axis))
	for _, s := range c.Series {
		fmt.Fprintf(&b, `<th scope="col">%s</th>`, html.EscapeString(s.Name))
	}
	b.WriteString("</tr></thead><tbody>")
	for i, label := range c.Labels {
		fmt.Fprintf(&b, `<tr><th scope="row">%s</th>`, html.EscapeString(label))
		for at, s := range c.Series {
			fmt.Fprintf(&b, "<td>%s</td>", c.number(s.Values[i])+c.span(at, i))
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</tbody></table>")
	return template.HTML(b.String()), nil //nolint:gosec // every text in it is escaped here
}
