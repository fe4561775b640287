package chart

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// The rows of a chart: the name above, the bar below it with its value behind.
const (
	rowHeight, rowBar, rowText = 38, 12, 15
	rowValue                   = 56 // room of the value
)

// Rows draws a bar for each label, one below the other, with room for long names, and its
// error bar. There must be one series.
func (c Chart) Rows() (template.HTML, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	if len(c.Series) != 1 {
		return "", fmt.Errorf("rows need one series: there are %d", len(c.Series))
	}
	low, high := c.reach()
	per := 0.0
	if high > low {
		per = (width - rowValue) / (high - low)
	}
	x := func(v float64) float64 { return math.Min((v-low)*per, width-rowValue) }
	var b strings.Builder
	c.open(&b, rowHeight*len(c.Labels))
	for i, v := range c.Series[0].Values {
		y, end := float64(rowHeight*i), v
		if c.Series[0].interval() {
			end = c.Series[0].High[i]
		}
		fmt.Fprintf(&b, `<text class="chart-text" x="0" y="%.1f">%s</text>`, y+rowText, html.EscapeString(shorten(c.Labels[i], int(math.Floor(width/letters)))))
		c.rect(&b, 0, box{x(math.Min(0, v)), y + rowText + 4, math.Abs(x(v) - x(0)), rowBar}, i)
		c.rowError(&b, i, y+rowText+4+rowBar/2, x)
		fmt.Fprintf(&b, `<text class="chart-text" x="%.1f" y="%.1f">%s</text>`, x(math.Max(0, end))+8, y+rowText+4+rowBar-2, c.number(v))
	}
	if low < 0 {
		fmt.Fprintf(&b, `<line class="chart-axis" x1="%.1f" y1="0" x2="%.1f" y2="%d"/>`, x(0), x(0), rowHeight*len(c.Labels))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil //nolint:gosec // every text in it is escaped here
}
