package chart_test

import (
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/portal/chart"
)

// spent is a chart with error bars, one of which goes below zero.
func spent() chart.Chart {
	return chart.Chart{
		ID: "spent", Title: "What people spent", Summary: "Most spent little.", Axis: "Total", Labels: []string{"0 – 5", "5 – 10", "10 – 15"},
		Series: []chart.Line{{Name: "People", Values: []float64{40, 20, 0}, Low: []float64{30, 10, -10}, High: []float64{50, 30, 10}}},
	}
}

func withIntervals() []drawing {
	return []drawing{{"bars", chart.Chart.Bars}, {"points", chart.Chart.Points}, {"rows", chart.Chart.Rows}}
}

var numbers = regexp.MustCompile(`-?[0-9.]+`)

// errorBars are those of a drawing, each by the numbers of its path.
func errorBars(t testing.TB, markup template.HTML) (list [][]float64) {
	t.Helper()
	for _, n := range elements(t, markup) {
		if n.Data != "path" || attr(n, "class") != "chart-error" {
			continue
		}
		var of []float64
		for _, s := range numbers.FindAllString(attr(n, "d"), -1) {
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			of = append(of, v)
		}
		list = append(list, of)
	}
	return list
}

// number is an attribute that must be one.
func number(t testing.TB, n *html.Node, name string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(attr(n, name), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shapes are the shapes of values: those with words.
func shapes(t testing.TB, markup template.HTML, name string) (list []*html.Node) {
	t.Helper()
	for _, n := range elements(t, markup) {
		if n.Data == name && n.FirstChild != nil {
			list = append(list, n)
		}
	}
	return list
}

// TestErrorBars: upright bars end where the interval does, on the scale of the bar, whose
// end is in their middle where the value is in that of the interval.
func TestErrorBars(t *testing.T) {
	markup, err := spent().Bars()
	if err != nil {
		t.Fatal(err)
	}
	bars, rects := errorBars(t, markup), shapes(t, markup, "rect")
	if len(bars) != 3 || len(rects) != 3 {
		t.Fatalf("%d error bars, %d bars in %s", len(bars), len(rects), markup)
	}
	unit := number(t, rects[0], "height") / 40
	for i, b := range bars { // M x y H x M x y V y M x y H x
		high, low := b[1], b[5]
		if got := (low - high) / unit; math.Abs(got-20) > 0.5 {
			t.Errorf("error bar %d is %.1f high, want 20", i, got)
		}
		if top := number(t, rects[i], "y"); math.Abs((low+high)/2-top) > 0.2 {
			t.Errorf("error bar %d: its middle is %.1f, the bar ends at %.1f", i, (low+high)/2, top)
		}
	}
	if zero := number(t, rects[2], "y"); bars[2][5] <= zero {
		t.Errorf("the interval that goes below zero ends at %.1f, zero is at %.1f", bars[2][5], zero)
	}
}

// TestErrorRows: lying bars, too; those of a row are its own.
func TestErrorRows(t *testing.T) {
	markup, err := spent().Rows()
	if err != nil {
		t.Fatal(err)
	}
	bars, rects := errorBars(t, markup), shapes(t, markup, "rect")
	if len(bars) != 3 || len(rects) != 3 {
		t.Fatalf("%d error bars, %d bars in %s", len(bars), len(rects), markup)
	}
	unit := number(t, rects[0], "width") / 40
	for i, b := range bars { // M x y V y M x y H x M x y V y
		if got := (b[5] - b[0]) / unit; math.Abs(got-20) > 0.5 {
			t.Errorf("error bar %d is %.1f long, want 20", i, got)
		}
		if end := number(t, rects[i], "x") + number(t, rects[i], "width"); math.Abs((b[0]+b[5])/2-end) > 0.2 {
			t.Errorf("error bar %d: its middle is %.1f, the bar ends at %.1f", i, (b[0]+b[5])/2, end)
		}
	}
}

// TestBelowZero: a value below zero hangs from the line of zero.
func TestBelowZero(t *testing.T) {
	c := spent()
	c.Series[0].Values, c.Series[0].Low, c.Series[0].High = []float64{40, -20, 0}, []float64{30, -30, -10}, []float64{50, -10, 10}
	markup, err := c.Bars()
	if err != nil {
		t.Fatal(err)
	}
	rects := shapes(t, markup, "rect")
	zero := number(t, rects[0], "y") + number(t, rects[0], "height")
	if y := number(t, rects[1], "y"); math.Abs(y-zero) > 0.2 || math.Abs(number(t, rects[1], "height")-number(t, rects[0], "height")/2) > 0.2 {
		t.Errorf("-20 begins at %.1f, zero is at %.1f: %s", y, zero, markup)
	}
	if markup, err = c.Rows(); err != nil {
		t.Fatal(err)
	}
	rects = shapes(t, markup, "rect")
	if end := number(t, rects[1], "x") + number(t, rects[1], "width"); math.Abs(end-number(t, rects[0], "x")) > 0.2 {
		t.Errorf("-20 ends at %.1f, 40 begins at %.1f", end, number(t, rects[0], "x"))
	}
}

// TestPointsNeedNoZero: points far from zero use the whole height.
func TestPointsNeedNoZero(t *testing.T) {
	c := spent()
	c.Series[0].Values, c.Series[0].Low, c.Series[0].High = []float64{1000, 1010, 1020}, []float64{995, 1005, 1015}, []float64{1005, 1015, 1025}
	markup, err := c.Points()
	if err != nil {
		t.Fatal(err)
	}
	points := shapes(t, markup, "circle")
	if len(points) != 3 || len(errorBars(t, markup)) != 3 || number(t, points[0], "cy")-number(t, points[2], "cy") < 80 {
		t.Errorf("%s", markup)
	}
}

// TestIntervalsInWords: who does not see the error bars is told their ends.
func TestIntervalsInWords(t *testing.T) {
	for _, d := range withIntervals() {
		markup, err := d.draw(spent())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`<desc id="spent-desc">Most spent little.</desc>`, "<title>10 – 15, People: 0 [-10 … 10]</title>"} {
			if !strings.Contains(string(markup), want) {
				t.Errorf("%s: no %s in %s", d.name, want, markup)
			}
		}
	}
	table, err := spent().Table()
	if err != nil || !strings.Contains(string(table), `<th scope="row">0 – 5</th><td>40 [30 … 50]</td>`) {
		t.Errorf("%v %s", err, table)
	}
}

// TestIntervalsStandInside: whatever the numbers, all error bars stand within the drawing,
// and each has its value within it.
func TestIntervalsStandInside(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "labels")
		c := chart.Chart{ID: "c", Series: []chart.Line{{Name: "s"}}}
		s := &c.Series[0]
		for i := range n {
			v := rapid.Float64Range(-1e9, 1e9).Draw(t, "value")
			c.Labels = append(c.Labels, strconv.Itoa(i))
			s.Values = append(s.Values, v)
			s.Low = append(s.Low, v-rapid.Float64Range(0, 1e9).Draw(t, "below"))
			s.High = append(s.High, v+rapid.Float64Range(0, 1e9).Draw(t, "above"))
		}
		for _, d := range withIntervals() {
			markup, err := d.draw(c)
			if err != nil {
				t.Fatal(err)
			}
			bars := errorBars(tt, markup)
			if len(bars) != n {
				t.Fatalf("%s: %d error bars for %d values", d.name, len(bars), n)
			}
			for _, b := range bars {
				for _, v := range b {
					if math.IsNaN(v) || v < -8 || v > max(408, 38*float64(n)) {
						t.Fatalf("%s: an error bar has %v", d.name, b)
					}
				}
			}
			for _, name := range []string{"rect", "circle"} {
				for _, shape := range shapes(tt, markup, name) {
					for _, a := range []string{"x", "y", "cx", "cy", "width", "height"} {
						if v, err := strconv.ParseFloat(attr(shape, a), 64); attr(shape, a) != "" && (err != nil || v < -0.1 || v > max(400, 38*float64(n))) {
							t.Fatalf("%s: %s has %s=%s", d.name, name, a, attr(shape, a))
						}
					}
				}
			}
		}
	})
}

func TestBadIntervals(t *testing.T) {
	for name, mend := range map[string]func(*chart.Line){
		"a lower end is missing":    func(s *chart.Line) { s.Low = s.Low[:2] },
		"no upper ends":             func(s *chart.Line) { s.High = nil },
		"a value is below":          func(s *chart.Line) { s.Values[0] = 29 },
		"a value is above":          func(s *chart.Line) { s.Values[0] = 51 },
		"an end is no number":       func(s *chart.Line) { s.Low[1] = math.NaN() },
		"an interval has no end":    func(s *chart.Line) { s.High[1] = math.Inf(1) },
		"an interval has no start":  func(s *chart.Line) { s.Low[1] = math.Inf(-1) },
		"a value is no number":      func(s *chart.Line) { s.Values[1] = math.NaN() },
		"a value below, and no end": func(s *chart.Line) { s.Values[1], s.Low, s.High = -1, nil, nil },
	} {
		c := spent()
		mend(&c.Series[0])
		for _, d := range append(withIntervals(), drawing{"table", chart.Chart.Table}) {
			if _, err := d.draw(c); err == nil {
				t.Errorf("%s: %s is drawn", name, d.name)
			}
		}
	}
	for _, d := range []drawing{{"stacked", chart.Chart.Stacked}, {"lines", chart.Chart.Lines}} {
		if _, err := d.draw(spent()); err == nil {
			t.Errorf("%s hides the error bars", d.name)
		}
	}
}

// TestSameScale: charts that are to be compared have the same scale.
func TestSameScale(t *testing.T) {
	for _, d := range withIntervals() {
		var at []float64
		for _, most := range []float64{0, 400} {
			c := spent()
			c.Least, c.Most = -10, most
			markup, err := d.draw(c)
			if err != nil {
				t.Fatal(err)
			}
			b := errorBars(t, markup)[0]
			if d.name == "rows" {
				at = append(at, b[5]-b[0])
			} else {
				at = append(at, b[5]-b[1])
			}
		}
		if at[1] > at[0]/3 {
			t.Errorf("%s: an error bar is as long on a scale to 400 as on one to 50: %v", d.name, at)
		}
	}
}
