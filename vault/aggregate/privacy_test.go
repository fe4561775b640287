package aggregate_test

import (
	"io"
	"math"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

// A neighbour is a pair of data sets that differ by one person, and what an asker looks
// at in an answer.
type neighbour struct {
	name          string
	q             aggregate.Query
	with, without people
	look          func(aggregate.Answer) float64
}

// first is the first number of the first group, and a number of its own if there is none.
func first(a aggregate.Answer) float64 {
	if len(a.Groups) == 0 {
		return math.Inf(-1)
	}
	return a.Groups[0].Values[0].Raw
}

// total adds up the last number of all groups.
func total(a aggregate.Answer) float64 {
	sum := 0.0
	for _, g := range a.Groups {
		sum += g.Values[len(g.Values)-1].Raw
	}
	return sum
}

// trials draws n answers and returns what was looked at, in ascending order.
func trials(tb testing.TB, q aggregate.Query, all people, look func(aggregate.Answer) float64, rand io.Reader, n int) []float64 {
	tb.Helper()
	seen := make([]float64, n)
	for i := range seen {
		seen[i] = look(ask(tb, q, all, rand))
	}
	slices.Sort(seen)
	return seen
}

// excess returns the most, over all events "at least v" and "at most v", by which P(event)
// with the one data set exceeds e^epsilon P(event) with the other plus delta, less four
// deviations of what n trials can tell. Above 0 it disproves (epsilon, delta).
func excess(p, q []float64, epsilon, delta float64) float64 {
	n, worst := float64(len(p)), math.Inf(-1)
	at := func(a, b float64) { // counts of the event in p and in q
		a, b = a/n, b/n
		e := math.Exp(epsilon)
		dev := math.Sqrt((a*(1-a) + e*e*(b*(1-b)+1/n)) / n)
		worst = max(worst, a-e*b-delta-4*dev)
	}
	for i := 0; i < len(p); i += max(1, len(p)/500) {
		below := func(s []float64) float64 { k, _ := slices.BinarySearch(s, p[i]); return float64(k) }
		notAbove := func(s []float64) float64 {
			k, _ := slices.BinarySearch(s, math.Nextafter(p[i], math.Inf(1)))
			return float64(k)
		}
		at(n-below(p), n-below(q))
		at(notAbove(p), notAbove(q))
	}
	return worst
}

// loss returns the worst excess of both directions for what the claim promises: pure
// epsilon with Laplace noise, and the conversion of its cost, at three deltas, else.
func loss(tb testing.TB, c neighbour, claim aggregate.Query) float64 {
	tb.Helper()
	rand, n := stream(20), 60_000
	p, q := trials(tb, c.q, c.with, c.look, rand, n), trials(tb, c.q, c.without, c.look, rand, n)
	cost, err := claim.Cost()
	if err != nil {
		tb.Fatal(err)
	}
	delta := float64(cost.Delta) * 1e-15
	if claim.Mechanism == aggregate.LaplaceNoise {
		e := float64(claim.Epsilon) / 1e6
		return max(excess(p, q, e, delta), excess(q, p, e, delta))
	}
	worst := math.Inf(-1)
	for _, d := range []aggregate.Delta{100_000_000_000_000, 10_000_000_000_000, 1_000_000_000_000} {
		e := float64(cost.Epsilon(d)) / 1e6
		worst = max(worst, excess(p, q, e, delta+float64(d)*1e-15), excess(q, p, e, delta+float64(d)*1e-15))
	}
	return worst
}

func few(values ...int64) (all people) {
	for _, v := range values {
		all = append(all, one(v))
	}
	return all
}

// neighbours puts the added person last, at their strongest.
func neighbours() []neighbour {
	three := func(q *aggregate.Query) { q.Closed = []aggregate.Key{{"a"}, {"b"}, {"c"}} }
	everywhere := []aggregate.Record{{Group: aggregate.Key{"a"}}, {Group: aggregate.Key{"b"}}, {Group: aggregate.Key{"c"}}}
	hundred := slices.Repeat(one(1<<40), 100)
	lone := people{{{Group: aggregate.Key{"rare disease"}}}}
	likely := func(q *aggregate.Query) { open(q); q.Delta, q.MinPeople = 1_000_000_000_000, 1 }
	add := func(to people, records []aggregate.Record) people { return append(slices.Clone(to), records) }
	return []neighbour{
		{"laplace count", question(), few(1, 2, 3), few(1, 2), first},
		{"gaussian count", question(gaussian), few(1, 2, 3), few(1, 2), first},
		{"laplace sum, value beyond its bounds", question(sum), few(1, 2, 1<<50), few(1, 2), first},
		{"gaussian sum, many records", question(gaussian, sum, records(3, 1)), add(few(1), hundred), few(1), first},
		{"count of all groups", question(three, records(2, 2)), people{everywhere}, nil, total},
		{"gaussian histogram, the person's bin", question(gaussian, histogram, records(4, 1)), people{hundred}, nil, total},
		{"laplace mean", question(mean), few(50, 50, 1<<40), few(50, 50), first},
		{"gaussian mean", question(gaussian, mean), few(50, 50, 1<<40), few(50, 50), first},
		{"median", question(quantiles), few(50, 50, 99), few(50, 50), func(a aggregate.Answer) float64 { return a.Groups[0].Values[1].Raw }},
		{"a group of one", question(likely), lone, nil, first},
		{"a group of one, gaussian", question(gaussian, likely), lone, nil, first},
		{"an open group that grows", question(likely, sum), few(1, 1, 1, 1, 1, 1, 1, 1, 1, 9), few(1, 1, 1, 1, 1, 1, 1, 1, 1), first},
	}
}

// TestPrivacyLossStaysUnderEpsilon estimates, for each measure, how well an asker can
// tell two data sets apart that differ by one person.
func TestPrivacyLossStaysUnderEpsilon(t *testing.T) {
	pacetest.NeedTime(t)
	for _, c := range neighbours() {
		if x := loss(t, c, c.q); x > 0 {
			t.Errorf("%s: the privacy loss is more than promised, by %.4f", c.name, x)
		}
	}
}

// TestTheEstimateFindsABrokenMechanism: noise of half the scale, a bound on
// contributions that is not kept, and a threshold that is too low.
func TestTheEstimateFindsABrokenMechanism(t *testing.T) {
	pacetest.NeedTime(t)
	for _, c := range neighbours()[:6] {
		broken := c
		broken.q.Epsilon *= 2
		if x := loss(t, broken, c.q); x <= 0 {
			t.Errorf("%s: noise of half the scale was not found: %.4f", c.name, x)
		}
	}
	split := neighbours()[0]
	split.with = few(1, 2, 3, 3, 3)
	if x := loss(t, split, split.q); x <= 0 {
		t.Errorf("a person under three names was not found: %.4f", x)
	}
	lone := neighbours()[9]
	claim := lone.q
	lone.q.Closed, lone.q.Delta, lone.q.MinPeople = []aggregate.Key{{"rare disease"}}, 0, 0 // shown with certainty
	lone.look = func(a aggregate.Answer) float64 { return float64(len(a.Groups)) }
	shown := trials(t, lone.q, lone.with, lone.look, stream(21), 5000)
	if x := excess(shown, make([]float64, len(shown)), 1, float64(claim.Delta)*1e-15); x <= 0 {
		t.Errorf("a group that shows itself was not found: %.4f", x)
	}
}

// farMean is a mean close to one of its bounds, where the noise of the count tells most.
func farMean(q *aggregate.Query) { mean(q); q.High = 1000 }

// TestPartsAddUpToTheEpsilon: what one person changes each part of an answer by, over the
// noise that the part says it has.
func TestPartsAddUpToTheEpsilon(t *testing.T) {
	all := slices.Repeat(people{one(5)}, 3000)
	vague := func(q *aggregate.Query) { q.Epsilon = 20_000 } // 0.02: scales so wide that they are close to continuous
	for _, c := range []struct {
		name string
		edit func(*aggregate.Query)
		most float64
	}{{"count", records(2, 2), 2}, {"sum", sum, 10}, {"histogram", histogram, 1}} {
		for law, edit := range map[string]func(*aggregate.Query){"laplace": func(*aggregate.Query) {}, "gaussian": gaussian} {
			g := ask(t, question(vague, c.edit, open, edit), all, stream(23)).Groups[0]
			groups := 1.0 // the change of the counts of people, squared or in sum
			if c.name == "count" {
				groups = 2
			}
			x, y := math.Sqrt(groups)/g.People.Error, c.most/g.Values[0].Error
			got := math.Hypot(x, y)
			if law == "laplace" { // whose deviation is nearly sqrt(2) times its scale
				got = math.Sqrt2 * (groups/g.People.Error + y)
			}
			if math.Abs(got-0.02) > 1e-5 {
				t.Errorf("%s, %s: the parts come to %.5f and not to 0.02", c.name, law, got)
			}
		}
	}
}

// TestIntervalsCoverAtTheStatedRate: for every measure and both laws. Where one law alone
// makes the interval it is not much wider than needed either.
func TestIntervalsCoverAtTheStatedRate(t *testing.T) {
	pacetest.NeedTime(t)
	all := people{}
	for i := range int64(300) {
		all = append(all, one(i*i%100))
	}
	truth := map[aggregate.Measure][]float64{aggregate.Count: {300}, aggregate.Sum: {0}, aggregate.Mean: {0}, aggregate.Histogram: make([]float64, 4)}
	var sorted []float64
	bins := question(histogram).Edges
	for _, p := range all {
		v := p[0].Value
		sorted = append(sorted, float64(v))
		truth[aggregate.Sum][0] += float64(min(v, 10))
		truth[aggregate.Mean][0] += float64(v) / 300
		i, found := slices.BinarySearch(bins, v)
		if !found {
			i--
		}
		truth[aggregate.Histogram][min(i, 3)]++
	}
	slices.Sort(sorted)
	truth[aggregate.Quantiles] = []float64{sorted[29], sorted[149], sorted[269]}
	n := 3000
	for _, edit := range []func(*aggregate.Query){func(*aggregate.Query) {}, sum, mean, farMean, histogram, quantiles} {
		for _, law := range []func(*aggregate.Query){func(*aggregate.Query) {}, gaussian} {
			for _, confidence := range []int{500, 900, 990} {
				q := question(edit, law, func(q *aggregate.Query) { q.Confidence = confidence })
				rand, want := stream(22), truth[q.Measure]
				covered := 0
				for range n {
					for i, e := range ask(t, q, all, rand).Groups[0].Values {
						if e.Low <= want[i] && want[i] <= e.High {
							covered++
						}
					}
				}
				draws := float64(n * len(want))
				rate, stated := float64(covered)/draws, float64(confidence)/1000
				if slack := 4 * math.Sqrt(stated*(1-stated)/draws); rate < stated-slack {
					t.Errorf("%s, %s: covers %.4f, states %.4f", q.Measure, q.Mechanism, rate, stated)
				}
				if q.Measure == aggregate.Sum && rate > stated+0.06 {
					t.Errorf("%s, %s: covers %.4f, states %.4f: too wide", q.Measure, q.Mechanism, rate, stated)
				}
			}
		}
	}
}
