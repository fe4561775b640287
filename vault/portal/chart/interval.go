package chart

import (
	"errors"
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// How an error bar and a point are drawn, in pixels.
const (
	capWidth  = 8 // the widest end of an error bar
	pointSize = 4
)

// interval says whether the series has intervals: such a value may be below zero.
func (l *Line) interval() bool { return l.Low != nil || l.High != nil }

// checkInterval says whether each value of a series stands in its interval.
func (l *Line) checkInterval() error {
	if !l.interval() {
		return nil
	}
	if len(l.Low) != len(l.Values) || len(l.High) != len(l.Values) {
		return fmt.Errorf("a series has %d values, %d lower and %d upper ends", len(l.Values), len(l.Low), len(l.High))
	}
	for i, v := range l.Values {
		if !(l.Low[i] <= v && v <= l.High[i]) || math.IsInf(l.Low[i], 0) || math.IsInf(l.High[i], 0) {
			return errors.New("a value of a chart is not in its interval, or the interval has no end")
		}
	}
	return nil
}

// intervals says whether any series has them.
func (c Chart) intervals() bool {
	for i := range c.Series {
		if c.Series[i].interval() {
			return true
		}
	}
	return false
}

// reach is from the lowest to the highest number on the scale; zero is in it.
func (c Chart) reach() (low, high float64) {
	low, high = math.Min(0, c.Least), math.Max(0, c.Most)
	for i := range c.Series {
		s := &c.Series[i]
		for _, list := range [][]float64{s.Values, s.Low, s.High} {
			for _, v := range list {
				low, high = math.Min(low, v), math.Max(high, v)
			}
		}
	}
	return low, high
}

// Points draws a point at each value, with its error bar: for values that are places on a
// scale and no amounts, such as quantiles. Zero need not be on the scale.
func (c Chart) Points() (template.HTML, error) {
	low, high := math.Inf(1), math.Inf(-1)
	if c.Least < c.Most {
		low, high = c.Least, c.Most
	}
	for i := range c.Series {
		s := &c.Series[i]
		for _, list := range [][]float64{s.Values, s.Low, s.High} {
			for _, v := range list {
				low, high = math.Min(low, v), math.Max(high, v)
			}
		}
	}
	if low > high {
		low, high = 0, 0 // there are none: draw refuses it
	}
	return c.draw(low, high, func(b *strings.Builder, y scale) {
		slot := float64(plotWidth) / float64(len(c.Labels))
		each := slot * 0.7 / float64(len(c.Series))
		for s := range c.Series {
			for i, v := range c.Series[s].Values {
				x := left + slot*(float64(i)+0.15) + each*(float64(s)+0.5)
				c.errorBar(b, s, i, x, each, y)
				fmt.Fprintf(b, `<circle class="chart-%d" cx="%.1f" cy="%.1f" r="%d"><title>%s</title></circle>`, s+1, x, y(v), pointSize, c.says(s, i))
			}
		}
	})
}

// errorBar draws the interval of a value, upright about x, if it has one: room is the
// width that is its own.
func (c Chart) errorBar(b *strings.Builder, series, i int, x, room float64, y scale) {
	l := &c.Series[series]
	if !l.interval() {
		return
	}
	half := math.Min(capWidth, room*0.6) / 2
	low, high := y(l.Low[i]), y(l.High[i])
	fmt.Fprintf(b, `<path class="chart-error" d="M%.1f %.1fH%.1fM%.1f %.1fV%.1fM%.1f %.1fH%.1f"/>`,
		x-half, high, x+half, x, high, low, x-half, low, x+half)
}

// rowError draws the interval of a row, lying about y.
func (c Chart) rowError(b *strings.Builder, i int, y float64, x scale) {
	l := &c.Series[0]
	if !l.interval() {
		return
	}
	const half = capWidth / 2
	low, high := x(l.Low[i]), x(l.High[i])
	fmt.Fprintf(b, `<path class="chart-error" d="M%.1f %.1fV%.1fM%.1f %.1fH%.1fM%.1f %.1fV%.1f"/>`,
		low, y-half, y+half, low, y, high, high, y-half, y+half)
}

// span writes the interval of a number, as it stands beside the number in texts: "" if
// there is none.
func (c Chart) span(series, i int) string {
	l := &c.Series[series]
	if !l.interval() {
		return ""
	}
	return html.EscapeString(" [") + c.number(l.Low[i]) + html.EscapeString(" … ") + c.number(l.High[i]) + html.EscapeString("]")
}
