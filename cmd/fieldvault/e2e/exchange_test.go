//go:build e2e

package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/deploy/sample"
)

// The key of the sample's index of e-mail addresses is exchanged while the service runs,
// one of its processes is killed on the way, and people are found all the while.
// Afterwards no entry and no key of the old version is in the database.
func indexKeyExchanged(t *testing.T, w *world) {
	const was = "purposes: [support, billing, marketing], index: {kind: equality}}"
	source := string(sample.Catalog())
	at := strings.LastIndex(source, was)
	source = source[:at] + strings.Replace(was, "equality", "equality, version: 2", 1) + source[at+len(was):]
	people := map[string]string{"c-17": "jacksmith@microsoft.com"}
	for i := range 300 {
		id := fmt.Sprintf("n06-%d", i)
		w.put(t, id, fields{"email": id + "@example.org"})
		if i%30 == 0 {
			people[id] = id + "@example.org"
		}
	}
	w.put(t, "n06-gone", fields{"email": "n06-gone@example.org"})
	urls := []string{w.url}
	if w.production { // a node that dies on the way
		p, other := w.second(t)
		urls = append(urls, other)
		defer p.Kill()
		go func() { time.Sleep(1500 * time.Millisecond); p.Kill() }()
	}
	search := func(url, value string) (list []string, ok bool) {
		a, err := w.try(t, url, call{token: w.token(t, "app"), purpose: "support", method: "POST", path: "/v1/search", body: fields{"collection": "customer", "field": "email", "equals": value}})
		if err != nil {
			return nil, false // it was killed
		}
		var found struct{ Matches []struct{ Subject string } }
		a.want(t, "searching", "200").decode(t, &found)
		for _, m := range found.Matches {
			list = append(list, m.Subject)
		}
		return list, true
	}
	check := func(when string) {
		t.Helper()
		for id, email := range people {
			for _, url := range urls {
				if got, ok := search(url, email); ok && !slices.Equal(got, []string{id}) {
					t.Errorf("%s, a search for %s finds %q", when, id, got)
				}
			}
		}
	}
	check("before")
	yaml := map[string]string{"Content-Type": "application/yaml"}
	w.do(t, call{token: w.token(t, "operator"), method: "PUT", path: "/v1/catalog", body: source, header: yaml}).want(t, "applying", "200")
	w.erase(t, "n06-gone").want(t, "erasing", "200")
	for state, until := "", time.Now().Add(2*time.Minute); state != "done"; {
		check("while the job is " + state)
		var list struct {
			Jobs []struct{ Kind, State, Note string }
		}
		w.do(t, call{token: w.token(t, "operator"), path: "/v1/jobs"}).want(t, "jobs", "200").decode(t, &list)
		i := slices.IndexFunc(list.Jobs, func(j struct{ Kind, State, Note string }) bool { return j.Kind == "reindex" })
		if i < 0 {
			t.Fatal("no job is on record")
		}
		if state = list.Jobs[i].State; state == "failed" || time.Now().After(until) {
			t.Fatalf("the job: %+v", list.Jobs[i])
		}
	}
	check("afterwards")
	if got, _ := search(w.url, "n06-gone@example.org"); len(got) != 0 {
		t.Errorf("a search for the erased finds %q", got)
	}
	version := func(query string) (list []string) {
		for _, r := range w.rows(t, query) {
			list = append(list, fmt.Sprint(r...))
		}
		return list
	}
	const email = ` FROM tenant t WHERE t.name = 'default'`
	if got := version(`SELECT DISTINCT version FROM search_index WHERE collection = 1 AND field = 11 AND tenant = (SELECT t.id` + email + `)`); !slices.Equal(got, []string{"2"}) {
		t.Errorf("the versions of entries are %q", got)
	}
	if got := version(`SELECT label FROM tenant_key WHERE label LIKE 'index/1/11/%' AND tenant = (SELECT t.id` + email + `)`); !slices.Equal(got, []string{"index/1/11/2"}) {
		t.Errorf("the keys are %q", got)
	}
	a := w.do(t, call{token: w.token(t, "operator"), method: "PUT", path: "/v1/catalog", body: strings.Replace(source, "version: 2", "version: 1", 1), header: yaml})
	if a.want(t, "going back", "400 invalid"); !strings.Contains(string(a.body), "must be 2 or more") {
		t.Errorf("going back: %s", a.body)
	}
	if w.production {
		if got := run(t, 0, nil, "catalog", "reindex", "--config", w.config("node")); !strings.Contains(got, "Nothing is left to do") {
			t.Errorf("catalog reindex: %s", got)
		}
	}
}
