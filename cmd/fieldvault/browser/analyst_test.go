//go:build e2e

package browser_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// askingPath and budgetsPath are where questions are asked, and what they cost is seen.
const (
	budgetsPath = "/console/statistics"
	askingPath  = "/console/statistics/ask"
	ofInvoices  = `main a[href="` + askingPath + `?of=invoice.analytics"]`
	answerTo    = `form[method=post][action="` + askingPath + `"] `
)

// TestAnalyst learns from everybody without seeing anyone, in every manner, each on a
// service of its own: what is left, what an answer costs, the answer with its error bars,
// that a reload pays nothing, and the end of the budget.
func TestAnalyst(t *testing.T) {
	root := chromium(t)
	for _, m := range []manner{
		{name: "mouse", lang: "en", width: 1440, scripts: true, pictures: true},
		{name: "keyboard", lang: "en", width: 1440, scripts: true, keyboard: true},
		{name: "phone", lang: "de", width: 360},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := dev(t)
			for i := range 59 { // all customers of the sample agree to be counted
				path := fmt.Sprintf("/v1/subjects/c-%d/consents/analytics", i+1)
				if status, body := s.request(t, caller{role: "dpo"}, http.MethodPut, path, `{"decision":"granted"}`); status >= 300 {
					t.Fatalf("%s: %d %s", path, status, body)
				}
			}
			o := &officer{walk: &walk{service: s, visitor: newVisitor(root, t, m, nil), root: root}}
			for _, step := range []struct {
				name string
				do   func(*officer, *testing.T)
			}{
				{"A01", (*officer).seesBudgets},
				{"A02", (*officer).asksForADistribution},
				{"A03", (*officer).asksByCountry},
				{"A04", (*officer).asksForQuantiles},
				{"A05", (*officer).asksUntilRefused},
			} {
				if !t.Run(step.name, func(t *testing.T) { step.do(o, t) }) {
					return // the others go on from here
				}
			}
		})
	}
}

// budget is what the API says of the invoices' budget.
func (o *officer) budget(t *testing.T) (b struct {
	Collection  string
	Answers     int
	LeftEpsilon float64 `json:"left_epsilon"`
},
) {
	t.Helper()
	list := get[struct {
		Budgets []struct {
			Collection  string
			Answers     int
			LeftEpsilon float64 `json:"left_epsilon"`
		}
	}](t, o.service, caller{role: "analyst"}, "/v1/budgets")
	for _, x := range list.Budgets {
		if x.Collection == "invoice" {
			b = x
		}
	}
	return b
}

// seesBudgets, of which nothing is spent, and nothing of people.
func (o *officer) seesBudgets(t *testing.T) {
	o.as(t, o.Tokens["analyst"])
	o.look(t, "console-today-analyst")
	if got := eval[int](o.visitor, t, `document.querySelectorAll(".with-nav > nav a").length`); got != 2 {
		t.Errorf("an analyst is offered %d parts of the console, want 2", got)
	}
	o.page(t, budgetsPath, "console-statistics")
	if got := eval[float64](o.visitor, t, `document.querySelector("progress").value`); got != 0 {
		t.Errorf("%g %% are spent before anything was asked", got)
	}
}

// asksForADistribution: the costs come before the answer; it has an error bar for each bin,
// whose numbers stand in the table; and a reload shows the same and pays nothing.
func (o *officer) asksForADistribution(t *testing.T) {
	o.follow(t, ofInvoices, askingPath)
	o.look(t, "console-ask-what")
	o.chooses(t, `#what`, "histogram:total")
	o.follow(t, `form[method=get] button`, askingPath)
	o.look(t, "console-ask")
	if b := o.budget(t); b.Answers != 0 {
		t.Fatalf("the costs were paid for: %+v", b)
	}
	o.chooseLevel(t, "precise")
	o.loads(t, o.use(t, answerTo+"button"))
	o.look(t, "console-answer-distribution")
	path := o.path(t)
	if !strings.HasPrefix(path, "/console/statistics/answers/") {
		t.Fatalf("the answer is at %s\n%s", path, o.text(t))
	}
	o.chartsAgree(t, 26)
	first, paid := o.cells(t), o.budget(t)
	if paid.Answers != 1 {
		t.Fatalf("one answer: %+v", paid)
	}
	for range 2 {
		o.loads(t, chromedp.Reload())
	}
	if got := o.cells(t); got != first || o.path(t) != path {
		t.Errorf("a reload shows another answer, at %s", o.path(t))
	}
	if now := o.budget(t); now != paid {
		t.Errorf("a reload was paid for: %+v, before %+v", now, paid)
	}
	lines, err := csv.NewReader(strings.NewReader(string(o.take(t, `main a[href="`+path+`/answer.csv"]`, "answer.csv")))).ReadAll()
	if err != nil || len(lines) != 27 || strings.Join(lines[0], " ") != "part value low high" {
		t.Errorf("the file: %v %v", lines, err)
	}
	o.page(t, budgetsPath, "console-statistics-some")
	if got := eval[float64](o.visitor, t, `document.querySelectorAll("progress")[1].value`); got != 10 {
		t.Errorf("%g %% are spent", got)
	}
}

// asksByCountry clicks twice, as people do who are in a hurry.
func (o *officer) asksByCountry(t *testing.T) {
	o.follow(t, ofInvoices, askingPath)
	o.loads(t, o.use(t, `form[method=get] button`)) // people are counted, but by what?
	o.look(t, "console-ask-wrong")
	if !o.has(t, `#group[aria-invalid="true"]`) {
		t.Error("people are counted by nothing")
	}
	o.chooses(t, `#what`, "sum:total")
	o.chooses(t, `#group`, "country")
	o.follow(t, `form[method=get] button`, askingPath)
	o.look(t, "console-ask-sum")
	before := o.budget(t)
	o.chooseLevel(t, "precise")
	if o.keyboard || !o.scripts {
		o.loads(t, o.use(t, answerTo+"button"))
	} else {
		o.loads(t, chromedp.DoubleClick(chromedp.CSS(answerTo+"button")))
	}
	await(t, "the answer", func() bool {
		return strings.HasPrefix(o.path(t), "/console/statistics/answers/") && o.has(t, "table.numbers")
	})
	o.look(t, "console-answer-sum")
	o.chartsAgree(t, 24)
	if now := o.budget(t); now.Answers != before.Answers+1 {
		t.Errorf("two clicks: %+v, before %+v", now, before)
	}
}

// asksForQuantiles for each of many groups: each group has a chart.
func (o *officer) asksForQuantiles(t *testing.T) {
	o.open(t, o.URL+askingPath+"?of=invoice.analytics&what=quantiles:total&confidence=800", http.StatusOK)
	o.chooseLevel(t, "precise")
	o.loads(t, o.use(t, answerTo+"button"))
	o.look(t, "console-answer-quantiles")
	o.chartsAgree(t, 5)
	o.open(t, o.URL+askingPath+"?of=invoice.analytics&what=histogram:country&group=total", http.StatusOK)
	o.chooseLevel(t, "normal")
	o.loads(t, o.use(t, answerTo+"button"))
	o.look(t, "console-answer-groups")
	o.chartsAgree(t, 6*24)
}

// asksUntilRefused: the budget ends, and the page says why and what then.
func (o *officer) asksUntilRefused(t *testing.T) {
	for i := range 12 {
		o.open(t, o.URL+askingPath+"?of=customer.analytics&what=count:&group=country&epsilon=0.7", http.StatusOK)
		if o.has(t, `#precision-own[disabled]`) {
			break
		}
		if i == 0 {
			o.look(t, "console-ask-own")
		}
		o.chooseLevel(t, "own")
		o.loads(t, o.use(t, answerTo+"button"))
	}
	o.look(t, "console-ask-beyond")
	// Somebody else asks meanwhile for what the form still offers.
	o.chooseLevel(t, "normal")
	for range 30 {
		status, _ := o.request(t, caller{"analyst", "analytics"}, http.MethodPost, "/v1/aggregates", `{"collection":"customer","measure":"count","group_by":["country"],"epsilon":0.1}`)
		if status != http.StatusOK {
			break
		}
	}
	if status := o.loads(t, o.use(t, answerTo+"button")); status != http.StatusConflict {
		t.Errorf("beyond the budget: %d\n%s", status, o.text(t))
	}
	o.heard(t, "a question beyond the budget", http.StatusConflict)
	o.look(t, "console-ask-refused")
	if !o.has(t, `main .errors[role=alert]`) {
		t.Error("the page does not say why")
	}
	o.page(t, budgetsPath, "console-statistics-spent")
}

// chooseLevel takes a precision.
func (o *officer) chooseLevel(t *testing.T, level string) {
	t.Helper()
	if !o.keyboard {
		o.do(t, o.use(t, `#precision-`+level))
		return
	}
	o.tabTo(t, `input[name=precision]`)
	for range 4 {
		if eval[string](o.visitor, t, `document.activeElement.value`) == level {
			o.do(t, chromedp.KeyEvent(" "))
			return
		}
		o.do(t, chromedp.KeyEvent(kb.ArrowDown))
	}
	t.Fatalf("the keyboard does not reach %s", level)
}

// cells are the numbers of the answer's table.
func (o *officer) cells(t *testing.T) string {
	t.Helper()
	return eval[string](o.visitor, t, `[...document.querySelectorAll("table.numbers td")].map(c => c.textContent).join(" ")`)
}

// chartsAgree fails unless there are so many numbers, each with an error bar in a chart
// whose words say what the table says.
func (o *officer) chartsAgree(t *testing.T, numbers int) {
	t.Helper()
	if got := eval[int](o.visitor, t, `document.querySelectorAll("svg.chart .chart-error").length`); got != min(numbers, 12*24) {
		t.Errorf("there are %d error bars for %d numbers", got, numbers)
	}
	differ := eval[string](o.visitor, t, `(() => {
		const rows = [...document.querySelectorAll("table.numbers tbody tr")].map(r => [...r.querySelectorAll("td")].map(c => c.textContent));
		const said = [...document.querySelectorAll("svg.chart :is(rect,circle) > title")].map(e => e.textContent);
		if (rows.length !== `+fmt.Sprint(numbers)+` || said.length > rows.length) return rows.length + " rows, " + said.length + " shapes";
		return said.filter((s, i) => !s.endsWith(": " + rows[i][0] + " [" + rows[i][1] + " … " + rows[i][2] + "]")).join("; ");
	})()`)
	if differ != "" {
		t.Errorf("%s: the charts say what the table does not: %s", o.path(t), differ)
	}
}
