//go:build e2e

package census_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldvault/fieldvault/accessctl"
	"github.com/fieldvault/fieldvault/cmd/fieldvault/bench"
	"github.com/fieldvault/fieldvault/vault"
	"github.com/fieldvault/fieldvault/vault/vaulttest"
)

var people = flag.Int("people", 20_000, "how many people there are, at least 2,000")

const (
	batch   = 1000
	purpose = accessctl.Purpose("insight")
	second  = accessctl.Purpose("planning")
)

const source = `title: Crowd
purposes:
  support: {title: Help, text: We help., benefit: Help., basis: contract}
  insight: {title: Insight, text: We count., benefit: Better., basis: legitimate_interests}
  planning: {title: Planning, text: We plan., benefit: Better., basis: legitimate_interests}
collections:
  customer:
    fields:
      country: {type: text, purposes: [support, insight, planning]}
      city: {type: text, purposes: [support, insight, planning]}
      born: {type: date, purposes: [support, insight, planning]}
      spent: {type: number, purposes: [support, insight, planning]}
    statistics:
      budgets:
        insight: {epsilon: 10, delta: 0.001, min_people: 5}
        planning: {epsilon: 10, delta: 0.001, min_people: 5}
      fields:
        country: {values: [Brazil, Germany, United States, France, India, Japan]}
        spent: {min: 0, max: 200, bins: 20}
        born: {min: 1940-01-01, max: 2009-12-31, period: year}
    releases:
      purposes:
        planning: {every: P30D, k: 10, l: 2, t: 0.3, max_suppression: 0.05}
      quasi_identifiers:
        country: {tree: {Americas: [Brazil, United States], Asia: [India, Japan], Europe: [France, Germany]}}
        city: {}
        born: {periods: [month, year, decade], finest: 1}
      sensitive:
        spent: {distance: ordered}
`

const policy = `
permit (principal in Role::"app", action == Action::"write", resource);
permit (principal in Role::"analyst", action in [Action::"aggregate", Action::"release"], resource);
permit (principal in Role::"dpo", action in [Action::"erase", Action::"consent"], resource);
permit (principal in Role::"operator", action, resource);
`

// A person is what a generated one has.
type person struct {
	country, city, born string
	spent               int64
	gone                bool
}

// personOf makes person n: place and name as the benchmark has them, the rest of its number.
func personOf(n int) person {
	v := bench.People{Seed: 1}.Values(int64(n))
	h := uint64(n)*0x9e3779b97f4a7c15 + 0x7f4a7c15
	h ^= h >> 31
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 29
	born := time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(h%25_568))
	return person{country: v[6], city: v[4], born: born.Format(time.DateOnly), spent: int64(h / 25_568 % 200)}
}

func subject(n int) string { return "c-" + strconv.Itoa(n) }

// A town is a vault full of people.
type town struct {
	*vaulttest.Vault
	people []person
}

// settle stores everybody, as an import does.
func settle(t *testing.T, n int) *town {
	t.Helper()
	w := &town{Vault: vaulttest.New(t, vaulttest.Options{Catalog: source, Policy: policy}), people: make([]person, n)}
	began := time.Now()
	for at := 0; at < n; at += batch {
		list := make([]vault.Write, 0, batch)
		for i := at; i < min(n, at+batch); i++ {
			p := personOf(i)
			w.people[i] = p
			fields := vaulttest.Values(map[string]string{"country": p.country, "city": p.city, "born": p.born})
			fields["spent"] = json.RawMessage(strconv.FormatInt(p.spent, 10))
			list = append(list, vault.Write{Subject: subject(i), Collection: "customer", Record: "self", Fields: fields})
		}
		out, err := w.PutBatch(t.Context(), w.As("app", "support"), list, vault.Idempotency{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range out {
			if out[i].Err != nil {
				t.Fatal(out[i].Err)
			}
		}
	}
	t.Logf("%d people stored in %s", n, time.Since(began).Round(time.Millisecond))
	return w
}

// ask asks, and says what it took.
func (w *town) ask(t *testing.T, p accessctl.Purpose, q vault.AggregateRequest) *vault.AggregateAnswer {
	t.Helper()
	q.Collection = "customer"
	began := time.Now()
	out, err := w.Aggregate(t.Context(), w.As("analyst", p), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	t.Logf("%s by %v, epsilon %g: %s, %s", q.Measure, q.GroupBy, float64(q.Epsilon)/1e6, time.Since(began).Round(time.Millisecond), memory())
	return out
}

// memory is the most that the process has held at once, of what the machine has.
func memory() string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "memory unknown"
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return "at most" + strings.TrimRight(strings.Join(append([]string{""}, strings.Fields(rest)...), " "), "\n") + " held so far"
		}
	}
	return "memory unknown"
}

// counts are the true numbers of people by what key says, of those who are there.
func (w *town) counts(key func(*person) string) map[string]float64 {
	out := map[string]float64{}
	for i := range w.people {
		if p := &w.people[i]; !p.gone {
			out[key(p)]++
		}
	}
	return out
}

func country(p *person) string { return p.country }

// A tally is of intervals, and of the errors of large numbers against those stated.
type tally struct {
	asked, missed int
	squares       float64
	large         int
}

func (y *tally) note(e vault.Estimate, truth float64) {
	if y.asked++; truth < e.Low || truth > e.High {
		y.missed++
	}
	if truth > 10*e.Error { // one that is cut off at 0 has another error
		y.squares += (e.Value - truth) * (e.Value - truth) / (e.Error * e.Error)
		y.large++
	}
}

// TestCensus: each check fails a right program at most once in 10^9 runs.
func TestCensus(t *testing.T) {
	w := settle(t, *people)
	w.intervals(t)
	before, first := w.counts(country), w.release(t)
	if first.People != *people {
		t.Errorf("%d of %d people are in the table", first.People, *people)
	}
	const gone = 600
	for i := range gone {
		n := i * (*people / gone)
		w.people[n].gone = true
		if i%2 == 0 {
			if _, err := w.Erase(t.Context(), w.As("dpo", ""), vault.Erasing{Subject: subject(n), Reason: "asked"}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, p := range []accessctl.Purpose{purpose, second} {
			if _, err := w.RecordConsent(t.Context(), w.As("dpo", ""), vault.Decided{Subject: subject(n), Purpose: p, Decision: "objected"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	after := w.counts(country)
	out := w.ask(t, second, vault.AggregateRequest{Measure: "count", GroupBy: []string{"country"}, Epsilon: 2_000_000})
	for _, g := range out.Groups {
		e, key := g.Values[0], g.Key[0]
		if limit := 10 * e.Error; math.Abs(e.Value-after[key]) > limit || before[key]-after[key] < 2*limit {
			t.Errorf("%s has %g people, %g before; the answer is %g, with an error of %g", key, after[key], before[key], e.Value, e.Error)
		}
	}
	w.Clock.Advance(30 * 24 * time.Hour)
	if next := w.release(t); next.People != *people-gone {
		t.Errorf("%d people are in the next table, of %d", next.People, *people-gone)
	}
}

// intervals asks for many numbers, and looks how many are where they are said to be.
func (w *town) intervals(t *testing.T) {
	t.Helper()
	truth := w.counts(func(p *person) string { return fmt.Sprint(p.country, "/", p.spent/10) })
	var cells tally
	for range 16 {
		out := w.ask(t, purpose, vault.AggregateRequest{Measure: "histogram", Field: "spent", GroupBy: []string{"country"}, Epsilon: 500_000})
		for _, g := range out.Groups {
			for i, e := range g.Values {
				cells.note(e, truth[fmt.Sprint(g.Key[0], "/", i)])
			}
		}
	}
	sums := map[string]float64{}
	for i := range w.people {
		sums[w.people[i].country] += float64(w.people[i].spent)
	}
	n := w.counts(country)
	for _, measure := range []string{"sum", "mean"} {
		out := w.ask(t, purpose, vault.AggregateRequest{Measure: measure, Field: "spent", GroupBy: []string{"country"}, Epsilon: 500_000})
		for _, g := range out.Groups {
			want, e := sums[g.Key[0]], g.Values[0]
			if measure == "mean" {
				want /= n[g.Key[0]]
			}
			if math.Abs(e.Value-want) > 10*e.Error || e.High-e.Low > 10*e.Error+1 {
				t.Errorf("the %s of %s is %g, the answer %+v", measure, g.Key[0], want, e)
			}
		}
	}
	t.Logf("%d of %d intervals miss; the errors of %d large numbers have %.3f of the stated square", cells.missed, cells.asked, cells.large, cells.squares/float64(cells.large))
	if most := mostMisses(cells.asked, 0.05, 1e-9); cells.missed > most {
		t.Errorf("%d of %d intervals miss, at most %d may", cells.missed, cells.asked, most)
	}
	// The sum of n squares of normal numbers is within this of n, but for one time in 10^9
	// on either side (Laurent and Massart, 2000, lemma 1).
	x := -math.Log(1e-9)
	slack := 2*math.Sqrt(float64(cells.large)*x) + 2*x
	if off := math.Abs(cells.squares - float64(cells.large)); off > slack || cells.large < cells.asked/2 {
		t.Errorf("the squared errors of %d numbers sum up to %g of what is stated, %g off is much", cells.large, cells.squares, slack)
	}
}

// mostMisses is the number that n independent trials, each of which misses with at most
// probability p, exceed with a probability of at most alarm: the Chernoff bound in its
// form with the relative entropy (Hoeffding, 1963, theorem 1).
func mostMisses(n int, p, alarm float64) int {
	for k := int(p*float64(n)) + 1; k < n; k++ {
		q := float64(k) / float64(n)
		if float64(n)*(q*math.Log(q/p)+(1-q)*math.Log((1-q)/(1-p))) >= -math.Log(alarm) {
			return k - 1
		}
	}
	return n
}

// lines counts the rows of a CSV by their class: what stands before the last comma.
type lines struct {
	rest  string
	count map[string]int
	names bool
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, ok := strings.Cut(l.rest, "\n")
		if !ok {
			return len(p), nil
		}
		if l.rest = rest; !l.names {
			l.names = true
			continue
		}
		l.count[line[:strings.LastIndexByte(line, ',')]]++
	}
}

// release releases a table, looks at its classes, and says what it took.
func (w *town) release(t *testing.T) vault.ReleaseReport {
	t.Helper()
	began := time.Now()
	out, err := w.Release(t.Context(), w.As("analyst", second), vault.ReleaseQuery{Collection: "customer", Format: vault.FormatCSV})
	if err != nil {
		t.Fatal(err)
	}
	l := &lines{count: map[string]int{}}
	if err := out.Write(l); err != nil {
		t.Fatal(err)
	}
	r, k, rows := out.Report, *people, 0
	for _, n := range l.count {
		k, rows = min(k, n), rows+n
	}
	if k < 10 || k != r.K || len(l.count) != r.Classes || rows != r.People-r.Suppressed || r.L < 2 || r.T > 0.3 || float64(r.Suppressed) > 0.05*float64(r.People) {
		t.Errorf("%d rows, k %d, in %d classes: %+v", rows, k, len(l.count), r)
	}
	t.Logf("a table of %d people, %d left out, %d classes, k %d, l %g, t %.3f, loss %.3f, %v: %s, %s",
		r.People, r.Suppressed, r.Classes, r.K, r.L, r.T, r.Penalty, r.Columns, time.Since(began).Round(time.Millisecond), memory())
	return r
}
