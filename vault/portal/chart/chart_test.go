package chart_test

import (
	"html/template"
	"math"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/portal/chart"
)

func reads() chart.Chart {
	return chart.Chart{
		ID: "reads", Title: "Readings by purpose", Summary: "Most were for invoices.", Axis: "Month",
		Labels: []string{"October", "November"},
		Series: []chart.Line{{Name: "Helping you", Values: []float64{3, 12}}, {Name: "Invoices", Values: []float64{40, 38}}},
	}
}

type drawing struct {
	name string
	draw func(chart.Chart) (template.HTML, error)
}

func drawings() []drawing {
	return []drawing{{"bars", chart.Chart.Bars}, {"stacked", chart.Chart.Stacked}, {"lines", chart.Chart.Lines}}
}

// elements parses markup and returns all its elements.
func elements(t testing.TB, markup template.HTML) (list []*html.Node) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(markup)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestReaders: whoever cannot see the chart gets its title, its summary and every number.
func TestReaders(t *testing.T) {
	c := reads()
	for _, d := range drawings() {
		markup, err := d.draw(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`role="img" aria-labelledby="reads-title reads-desc"`, `<title id="reads-title">Readings by purpose</title>`,
			`<desc id="reads-desc">Most were for invoices.</desc>`, "<title>November, Helping you: 12</title>",
		} {
			if !strings.Contains(string(markup), want) {
				t.Errorf("%s: no %s in %s", d.name, want, markup)
			}
		}
		for _, n := range elements(t, markup) {
			if attr(n, "style") != "" || n.Data == "script" || n.Data == "style" {
				t.Errorf("%s: %s would be refused by the policy", d.name, n.Data)
			}
		}
	}
	table, err := c.Table()
	if err != nil {
		t.Fatal(err)
	}
	want := `<tr><th scope="row">October</th><td>3</td><td>40</td></tr><tr><th scope="row">November</th><td>12</td><td>38</td></tr>`
	if !strings.Contains(string(table), want) {
		t.Errorf("no %s in %s", want, table)
	}
}

// TestStackedHeights: a pile is as high as the sum, on one scale for all.
func TestStackedHeights(t *testing.T) {
	markup, err := reads().Stacked()
	if err != nil {
		t.Fatal(err)
	}
	var heights []float64
	for _, n := range elements(t, markup) {
		if n.Data == "rect" && n.FirstChild != nil {
			h, err := strconv.ParseFloat(attr(n, "height"), 64)
			if err != nil {
				t.Fatal(err)
			}
			heights = append(heights, h)
		}
	}
	one := heights[0] / 3
	for i, v := range []float64{3, 12, 40, 38} {
		if math.Abs(heights[i]-one*v) > 1 {
			t.Errorf("the value %g is %.1f high, 1 is %.1f", v, heights[i], one)
		}
	}
}

// TestRows: a bar for each label, whose lengths are as the values, and its number.
func TestRows(t *testing.T) {
	c := reads()
	if _, err := c.Rows(); err == nil {
		t.Error("rows of two series are drawn")
	}
	c.Series = c.Series[:1]
	markup, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	var long []float64
	for _, n := range elements(t, markup) {
		if n.Data == "rect" {
			w, err := strconv.ParseFloat(attr(n, "width"), 64)
			if err != nil {
				t.Fatal(err)
			}
			long = append(long, w)
		}
	}
	if len(long) != 2 || math.Abs(long[1]-4*long[0]) > 1 {
		t.Errorf("3 and 12 are %v long", long)
	}
	for _, want := range []string{">October</text>", ">12</text>", "<title>November, Helping you: 12</title>"} {
		if !strings.Contains(string(markup), want) {
			t.Errorf("no %s in %s", want, markup)
		}
	}
}

// TestEverythingIsInside: whatever the numbers, all shapes stand within the drawing.
func TestEverythingIsInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := chart.Chart{ID: "c"}
		n := rapid.IntRange(1, 60).Draw(t, "labels")
		for i := range n {
			c.Labels = append(c.Labels, "label "+strconv.Itoa(i))
		}
		for range rapid.IntRange(1, chart.Series).Draw(t, "series") {
			c.Series = append(c.Series, chart.Line{Name: "s", Values: rapid.SliceOfN(rapid.Float64Range(0, 1e12), n, n).Draw(t, "values")})
		}
		of := drawings()
		if len(c.Series) == 1 {
			of = append(of, drawing{"rows", chart.Chart.Rows})
		}
		for _, d := range of {
			markup, err := d.draw(c)
			if err != nil {
				t.Fatal(err)
			}
			root, _ := html.Parse(strings.NewReader(string(markup)))
			for node := range root.Descendants() {
				for _, name := range []string{"x", "y", "cx", "cy", "width", "height", "y1"} {
					if v, err := strconv.ParseFloat(attr(node, name), 64); attr(node, name) != "" && (err != nil || v < 0 || v > max(400, 38*float64(n))) {
						t.Fatalf("%s: %s has %s=%s", d.name, node.Data, name, attr(node, name))
					}
				}
			}
		}
	})
}

// TestTextIsInert: markup in the words of a chart makes no element.
func TestTextIsInert(t *testing.T) {
	bad := `"></title><script>alert(1)</script><img src=x onerror=alert(1)>`
	c := reads()
	c.Title, c.Summary, c.Axis, c.Labels[0], c.Series[0].Name = bad, bad, bad, bad, bad
	c.Format = func(float64) string { return bad }
	one := func(c chart.Chart) (template.HTML, error) { c.Series = c.Series[:1]; return c.Rows() }
	for _, d := range append(drawings(), drawing{"table", chart.Chart.Table}, drawing{"rows", one}) {
		markup, err := d.draw(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range elements(t, markup) {
			if n.Data == "script" || n.Data == "img" {
				t.Errorf("%s: the words made an element %s", d.name, n.Data)
			}
		}
	}
}

func TestBadCharts(t *testing.T) {
	for name, mend := range map[string]func(*chart.Chart){
		"no id":           func(c *chart.Chart) { c.ID = "" },
		"an id of markup": func(c *chart.Chart) { c.ID = `a" onload="` },
		"no labels":       func(c *chart.Chart) { c.Labels = nil },
		"no series":       func(c *chart.Chart) { c.Series = nil },
		"too many series": func(c *chart.Chart) { c.Series = make([]chart.Line, chart.Series+1) },
		"missing values":  func(c *chart.Chart) { c.Series[1].Values = c.Series[1].Values[:1] },
		"negative":        func(c *chart.Chart) { c.Series[1].Values[0] = -1 },
		"no number":       func(c *chart.Chart) { c.Series[1].Values[0] = math.NaN() },
		"without end":     func(c *chart.Chart) { c.Series[1].Values[0] = math.Inf(1) },
	} {
		c := reads()
		mend(&c)
		for _, d := range append(drawings(), drawing{"table", chart.Chart.Table}, drawing{"rows", chart.Chart.Rows}) {
			if _, err := d.draw(c); err == nil {
				t.Errorf("%s: %s is drawn", name, d.name)
			}
		}
	}
}
