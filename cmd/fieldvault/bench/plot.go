package bench

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fieldvault/fieldvault/vault/portal/chart"
)

// plotStyle is what a page's stylesheet would say.
const plotStyle = `<style>text{font:12px sans-serif;fill:#222}.chart-grid{stroke:#ddd}.chart-axis{stroke:#222}.chart-line{fill:none;stroke-width:2}` +
	`.chart-1{stroke:#0b5fa5;fill:#0b5fa5}.chart-2{stroke:#b3440f;fill:#b3440f}.chart-3{stroke:#1d7a46;fill:#1d7a46}` +
	`.chart-4{stroke:#7b3fa0;fill:#7b3fa0}.chart-5{stroke:#8a6a00;fill:#8a6a00}.chart-6{stroke:#55606e;fill:#55606e}polyline.chart-line{fill:none}</style>`

// Plot draws the latency percentiles of the last measurement of each workload, at most
// as many as a chart has colours for, as an SVG file.
func (r *Report) Plot() ([]byte, error) {
	last := map[string]Figure{}
	var names []string
	for _, f := range r.Figures {
		if f.P50 == 0 {
			continue
		}
		if _, known := last[f.Workload]; !known {
			names = append(names, f.Workload)
		}
		last[f.Workload] = f
	}
	if len(names) == 0 {
		return nil, errors.New("nothing was measured that has a latency")
	}
	c := chart.Chart{
		ID: "latency", Title: "Latency in milliseconds by percentile", Axis: "percentile",
		Summary: "One line a workload.", Labels: []string{"50 %", "90 %", "99 %", "99.9 %"},
	}
	for _, name := range names[:min(len(names), chart.Series)] {
		f := last[name]
		c.Series = append(c.Series, chart.Line{Name: name, Values: []float64{f.P50, f.P90, f.P99, f.P999}})
	}
	svg, err := c.Lines()
	if err != nil {
		return nil, fmt.Errorf("drawing: %w", err)
	}
	head, rest, _ := strings.Cut(string(svg), ">")
	return []byte(strings.Replace(head, "<svg ", `<svg xmlns="http://www.w3.org/2000/svg" `, 1) + ">" + plotStyle + rest + "\n"), nil
}
