package console_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/html"

	"github.com/fieldvault/fieldvault/vault"
)

// shoppers makes people who all agreed to be counted: from two countries, of whom those
// of the second spent more.
func shoppers(t *testing.T, s *site, n int) {
	t.Helper()
	for i := range n {
		person, country, total := fmt.Sprintf("s-%d", i), "Chile", "1.98"
		if i%3 == 0 {
			country, total = "Norway", "13.86"
		}
		for collection, fields := range map[string]map[string]json.RawMessage{
			"customer": {"country": json.RawMessage(`"` + country + `"`)},
			"invoice":  {"country": json.RawMessage(`"` + country + `"`), "total": json.RawMessage(total), "date": json.RawMessage(`"2023-05-05"`)},
		} {
			w := vault.Write{Subject: person, Collection: collection, Record: "self", Fields: fields}
			if _, err := s.Vault.Vault.Put(t.Context(), s.As("app", ""), w, vault.Idempotency{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.RecordConsent(t.Context(), s.As("dpo", ""), vault.Decided{Subject: person, Purpose: "analytics", Decision: "granted"}); err != nil {
			t.Fatal(err)
		}
	}
}

// answers is how many answers the budgets of the site have paid for.
func (s *site) answers(t *testing.T) (n int64) {
	t.Helper()
	list, err := s.Budgets(t.Context(), s.As("dpo", ""))
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i := range list {
		n += list[i].Answers
	}
	return n
}

// ask is where a question is asked.
func ask(q url.Values) string { return "/console/statistics/ask?" + q.Encode() }

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z0-9]+)" value="([^"]*)">`)

// form reads what the second form of a page sends.
func formOf(t *testing.T, r reply) url.Values {
	t.Helper()
	_, post, ok := strings.Cut(r.body, `<form method="post" action="/console/statistics/ask">`)
	if !ok {
		t.Fatalf("%s has no form that asks:\n%s", r.path, r.body)
	}
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(post, -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// TestAnalystAsks: an analyst sees the budget and what an answer costs before it is paid
// for; gets it with its error bars, as a table and as a file; and neither a reload nor a
// second click pays again.
func TestAnalystAsks(t *testing.T) {
	s := newSite(t)
	shoppers(t, s, 30)
	b := s.as(t, "analyst")
	wants(t, b.get(t, "/console"), "/console/statistics")
	wants(t, b.get(t, "/console/statistics"), "of=invoice.analytics", "of=customer.analytics", "ever be learnt: nothing")
	q := url.Values{"of": {"invoice.analytics"}, "what": {"histogram:total"}, "group": {"country"}, "confidence": {"990"}}
	r := b.get(t, ask(q))
	wants(t, r, "Distribution of “Total”", "99%", `value="rough"`, `value="precise"`)
	if s.answers(t) != 0 {
		t.Fatal("looking at the costs was paid for")
	}
	form := formOf(t, r)
	form.Set("precision", "precise")
	r = b.post(t, "/console/statistics/ask", form)
	wants(t, r, "<svg class=\"chart\"", "chart-error", "Chile", "Norway", "0–0.99", "answer.csv", "99%")
	if !strings.HasPrefix(r.path, "/console/statistics/answers/") {
		t.Fatalf("it ended at %s", r.path)
	}
	for name, again := range map[string]reply{
		"another click": b.post(t, "/console/statistics/ask", form), "a reload": b.get(t, r.path),
		"German": b.get(t, r.path+"?lang=de"),
	} {
		if again.status != 200 || !strings.HasPrefix(again.path, r.path) {
			t.Errorf("%s: %d at %s", name, again.status, again.path)
		}
		if got, want := bodyCells(again.body), bodyCells(r.body); name != "German" && got != want {
			t.Errorf("%s shows another answer:\n%s\n%s", name, got, want)
		}
	}
	if n := s.answers(t); n != 1 {
		t.Errorf("%d answers were paid for", n)
	}
	b.get(t, "/console/statistics?lang=en")
	wants(t, b.get(t, "/console/statistics"), "about 10%")
	file := b.get(t, r.path+"/answer.csv")
	lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
	if err != nil || file.header.Get("Content-Type") != "text/csv; charset=utf-8" || len(lines) != 1+24*26 || strings.Join(lines[0], " ") != "country part value low high" {
		t.Errorf("the file: %v, %d lines, %v", err, len(lines), lines[0])
	}
}

var cell = regexp.MustCompile(`<td data-label="[^"]*">.*?</td>`)

func bodyCells(body string) string { return strings.Join(cell.FindAllString(body, -1), "\n") }

// TestAllShapesOfQuestions: each that the form offers has an answer.
func TestAllShapesOfQuestions(t *testing.T) {
	s := newSite(t)
	shoppers(t, s, 12)
	b := s.as(t, "analyst")
	option := regexp.MustCompile(`<option value="([a-z]+:[a-z_]*)"`)
	asked := 0
	for _, of := range []string{"invoice.analytics", "customer.analytics"} {
		for _, m := range option.FindAllStringSubmatch(b.get(t, ask(url.Values{"of": {of}})).body, -1) {
			for _, group := range []string{"", "country"} {
				if m[1] == "count:" && group == "" {
					continue
				}
				form := formOf(t, b.get(t, ask(url.Values{"of": {of}, "what": {m[1]}, "group": {group}})))
				form.Set("precision", "rough")
				r := b.post(t, "/console/statistics/ask", form)
				if asked++; r.status != 200 || !strings.Contains(r.body, "chart-error") || cell.FindString(r.body) == "" {
					t.Errorf("%s by %q: %d\n%s", m[1], group, r.status, r.body)
				}
			}
		}
	}
	if n := s.answers(t); asked < 16 || n != int64(asked) {
		t.Errorf("%d questions, %d answers", asked, n)
	}
}

// TestClicksAtOnce: of many clicks at the same time one is paid for, and all lead to its answer.
func TestClicksAtOnce(t *testing.T) {
	s := newSite(t)
	shoppers(t, s, 6)
	b := s.as(t, "analyst")
	form := formOf(t, b.get(t, ask(url.Values{"of": {"customer.analytics"}, "what": {"count:"}, "group": {"country"}})))
	form.Set("precision", "normal")
	paths := make([]string, 8)
	var wait sync.WaitGroup
	for i := range paths {
		wait.Go(func() { paths[i] = b.post(t, "/console/statistics/ask", form).path })
	}
	wait.Wait()
	for _, p := range paths {
		if p != paths[0] || !strings.HasPrefix(p, "/console/statistics/answers/") {
			t.Errorf("the clicks lead to %v", paths)
		}
	}
	if n := s.answers(t); n != 1 {
		t.Errorf("%d answers were paid for", n)
	}
}

// TestAskUntilRefused: when the budget is spent, the page says so and that it is for ever,
// and asks nothing any more.
func TestAskUntilRefused(t *testing.T) {
	s := newSite(t)
	shoppers(t, s, 3)
	b := s.as(t, "analyst")
	q := url.Values{"of": {"customer.analytics"}, "what": {"count:"}, "group": {"country"}, "epsilon": {"0,8"}}
	stale := formOf(t, b.get(t, ask(q)))
	stale.Set("precision", "own")
	for i := 0; ; i++ {
		form := formOf(t, b.get(t, ask(q)))
		form.Set("precision", "own")
		r := b.post(t, "/console/statistics/ask", form)
		if r.status == 200 && i < 10 {
			continue
		}
		if r.status != http.StatusConflict || !strings.Contains(r.body, "The budget does not suffice") || !strings.Contains(r.body, "refused for ever") {
			t.Fatalf("after %d answers: %d at %s\n%s", i, r.status, r.path, r.body)
		}
		if !strings.Contains(r.body, `value="own" disabled`) {
			t.Errorf("it is offered again:\n%s", r.body)
		}
		break
	}
	n := s.answers(t)
	if r := b.post(t, "/console/statistics/ask", stale); r.status != http.StatusConflict || s.answers(t) != n {
		t.Errorf("a form from before: %d", r.status)
	}
	for _, epsilon := range []string{"0.4", "0.2", "0.1", "0.05", "0.02", "0.01", "0.005", "0.002", "0.001"} { // what is left, to the last
		for i := 0; i < 20; i++ {
			q.Set("epsilon", epsilon)
			r := b.get(t, ask(q))
			if strings.Contains(r.body, `value="own" disabled`) || r.status != 200 {
				break
			}
			form := formOf(t, r)
			form.Set("precision", "own")
			if b.post(t, "/console/statistics/ask", form).status != 200 {
				break
			}
		}
	}
	r := b.get(t, "/console/statistics")
	wants(t, r, "all of it", "refused for ever")
	if strings.Contains(r.body, "of=customer.analytics") || !strings.Contains(r.body, "of=invoice.analytics") {
		t.Error("what is spent can be asked for, or what is not cannot")
	}
}

// TestAskForms: what lacks is said beside the field, and nothing is spent; what no form of
// ours sends is nowhere.
func TestAskForms(t *testing.T) {
	s := newSite(t)
	b := s.as(t, "analyst")
	good := url.Values{"of": {"invoice.analytics"}, "what": {"count:"}, "group": {"country"}}
	with := func(key, value string) url.Values {
		q := url.Values{}
		for k, v := range good {
			q[k] = v
		}
		q.Set(key, value)
		return q
	}
	for name, q := range map[string]url.Values{
		"no group": with("group", ""), "the same group twice": with("group2", "country"), "too many numbers": with("group2", "date"),
		"an epsilon beyond": with("epsilon", "11"), "an epsilon below": with("epsilon", "0.0001"), "no number": with("epsilon", "much"), "no end": with("epsilon", "Inf"),
	} {
		if r := b.get(t, ask(q)); r.status != 200 || !strings.Contains(r.body, `aria-invalid="true"`) || strings.Contains(r.body, `method="post" action="/console/statistics/ask"`) {
			t.Errorf("%s: %d\n%s", name, r.status, r.body)
		}
	}
	form := formOf(t, b.get(t, ask(good)))
	form.Set("precision", "normal")
	for name, change := range map[string]func(url.Values){
		"another collection": func(f url.Values) { f.Set("of", "employee.analytics") }, "another purpose": func(f url.Values) { f.Set("of", "invoice.billing") },
		"no such measure": func(f url.Values) { f.Set("what", "max:total") }, "a field that does not count": func(f url.Values) { f.Set("what", "count:address") },
		"a group that is none": func(f url.Values) { f.Set("group", "address") }, "no precision": func(f url.Values) { f.Del("precision") },
		"another precision": func(f url.Values) { f.Set("precision", "exact") }, "an own one that is none": func(f url.Values) { f.Set("precision", "own") },
		"nothing": func(f url.Values) { clear(f) }, "more numbers than a page has": func(f url.Values) { f.Set("group2", "date") },
	} {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		change(f)
		if r := b.post(t, "/console/statistics/ask", f); r.status != 404 {
			t.Errorf("%s: %d at %s", name, r.status, r.path)
		}
	}
	for _, mark := range []string{"", "x", form.Get("mark") + "x"} {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		f.Set("mark", mark)
		r := b.post(t, "/console/statistics/ask", f)
		if r.status != http.StatusConflict || formOf(t, r).Get("mark") == mark {
			t.Errorf("the mark %q: %d", mark, r.status)
		}
	}
	if n := s.answers(t); n != 0 {
		t.Errorf("%d answers were paid for", n)
	}
}

// TestWhoSeesStatistics: who may ask, and who inspects the service sees the budgets alone;
// an answer is its asker's; and an analyst sees nothing of people.
func TestWhoSeesStatistics(t *testing.T) {
	s := newSite(t)
	shoppers(t, s, 3)
	b := s.as(t, "analyst")
	form := formOf(t, b.get(t, ask(url.Values{"of": {"customer.analytics"}, "what": {"count:"}, "group": {"country"}})))
	form.Set("precision", "normal")
	path := b.post(t, "/console/statistics/ask", form).path
	for _, role := range []string{"support", "billing"} {
		o := s.as(t, role)
		for _, p := range []string{"/console/statistics", "/console/statistics/ask?of=customer.analytics", path, path + "/answer.csv"} {
			if r := o.get(t, p); r.status != 403 {
				t.Errorf("%s at %s: %d", role, p, r.status)
			}
		}
		if r := o.post(t, "/console/statistics/ask", form); r.status != 403 {
			t.Errorf("%s asks: %d", role, r.status)
		}
		if strings.Contains(o.get(t, "/console").body, "/console/statistics") {
			t.Errorf("%s is offered statistics", role)
		}
	}
	dpo := s.as(t, "dpo")
	r := dpo.get(t, "/console/statistics")
	wants(t, r, "about 2%")
	if strings.Contains(r.body, "/console/statistics/ask") {
		t.Error("an officer is offered to ask")
	}
	for _, o := range []*browser{dpo, s.as(t, "second/analyst")} {
		for _, p := range []string{path, path + "/answer.csv", "/console/statistics/answers/x", "/console/statistics/answers/" + strings.ToUpper(path[len(path)-36:])} {
			if r := o.get(t, p); r.status != 404 {
				t.Errorf("%s: %d", p, r.status)
			}
		}
	}
	if r := s.as(t, "second/analyst").post(t, "/console/statistics/ask", form); r.status != http.StatusConflict || s.answers(t) != 1 {
		t.Errorf("another asks with the mark: %d", r.status)
	}
	for _, p := range []string{"/console/people", "/console/people/s-1", "/console/requests", "/console/reports", "/console/catalog", "/console/audit", "/console/keys", "/console/approvals"} {
		if r := b.get(t, p); r.status != 403 {
			t.Errorf("an analyst at %s: %d", p, r.status)
		}
	}
}
