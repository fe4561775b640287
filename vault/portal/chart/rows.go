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

// Rows draws a bar for each label, one below the other, with room for long names. There
// must be one series.
func (c Chart) Rows() (template.HTML, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	if len(c.Series) != 1 {
		return "", fmt.Errorf("rows need one series: there are %d", len(c.Series))
	}
	most := math.Max(c.highest(), math.SmallestNonzeroFloat64)
	var b strings.Builder
	c.open(&b, rowHeight*len(c.Labels))
	for i, v := range c.Series[0].Values {
		y, long := float64(rowHeight*i), v/most*(width-rowValue)
		fmt.Fprintf(&b, `<text class="chart-text" x="0" y="%.1f">%s</text>`, y+rowText, html.EscapeString(shorten(c.Labels[i], int(math.Floor(width/letters)))))
		c.rect(&b, 0, box{0, y + rowText + 4, long, rowBar}, i)
		fmt.Fprintf(&b, `<text class="chart-text" x="%.1f" y="%.1f">%s</text>`, long+6, y+rowText+4+rowBar-2, c.number(v))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()), nil //nolint:gosec // every text in it is escaped here
}
