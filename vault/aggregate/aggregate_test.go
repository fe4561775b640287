package aggregate_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/aggregate/noise"
)

// stream is an endless stream of bytes that is the same in every run.
func stream(seed byte) io.Reader {
	block, err := aes.NewCipher([]byte{15: seed})
	if err != nil {
		panic(err)
	}
	return cipher.StreamReader{S: cipher.NewCTR(block, make([]byte, aes.BlockSize)), R: zeros{}}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A people is a data set: the records of person i at i.
type people [][]aggregate.Record

// one is a record of the group without a name.
func one(value int64) []aggregate.Record { return []aggregate.Record{{Value: value}} }

func ask(tb testing.TB, q aggregate.Query, all people, rand io.Reader) aggregate.Answer {
	tb.Helper()
	a, err := aggregate.New(q, rand)
	if err != nil {
		tb.Fatal(err)
	}
	for i, records := range all {
		if err := a.Add(fmt.Sprintf("p%07d", i), records); err != nil {
			tb.Fatal(err)
		}
	}
	answer, err := a.Release()
	if err != nil {
		tb.Fatal(err)
	}
	return answer
}

// question is a closed count with Laplace noise and epsilon 1, changed by edits.
func question(edits ...func(*aggregate.Query)) aggregate.Query {
	q := aggregate.Query{
		Measure: aggregate.Count, Records: 1, Groups: 1, Closed: []aggregate.Key{{}},
		Mechanism: aggregate.LaplaceNoise, Epsilon: 1_000_000, Confidence: 950,
	}
	for _, edit := range edits {
		edit(&q)
	}
	return q
}

func gaussian(q *aggregate.Query) { q.Mechanism = aggregate.GaussianNoise }
func sum(q *aggregate.Query)      { q.Measure, q.Low, q.High = aggregate.Sum, 0, 10 }
func mean(q *aggregate.Query)     { q.Measure, q.Low, q.High = aggregate.Mean, 0, 100 }
func open(q *aggregate.Query)     { q.Closed, q.Delta, q.MinPeople = nil, 1_000_000_000, 5 }

func histogram(q *aggregate.Query) {
	q.Measure, q.Edges = aggregate.Histogram, []int64{0, 10, 20, 30, 40}
}

func quantiles(q *aggregate.Query) {
	q.Measure, q.Quantiles = aggregate.Quantiles, []int{100, 500, 900}
	for e := int64(0); e <= 100; e += 5 {
		q.Edges = append(q.Edges, e)
	}
}

func sharp(q *aggregate.Query) { q.Epsilon = 10_000_000 }

func records(records, groups int) func(*aggregate.Query) {
	return func(q *aggregate.Query) { q.Records, q.Groups = records, groups }
}

func TestInvalidQueriesAreRefused(t *testing.T) {
	for name, edit := range map[string]func(*aggregate.Query){
		"nothing":                func(q *aggregate.Query) { *q = aggregate.Query{} },
		"no measure":             func(q *aggregate.Query) { q.Measure = "median" },
		"no mechanism":           func(q *aggregate.Query) { q.Mechanism = "" },
		"no epsilon":             func(q *aggregate.Query) { q.Epsilon = 0 },
		"negative epsilon":       func(q *aggregate.Query) { q.Epsilon = -1_000_000 },
		"large epsilon":          func(q *aggregate.Query) { q.Epsilon = 10_000_001 },
		"certain":                func(q *aggregate.Query) { q.Confidence = 1000 },
		"no records":             records(0, 0),
		"more groups":            records(1, 2),
		"bounds of a count":      func(q *aggregate.Query) { q.High = 1 },
		"equal bounds":           func(q *aggregate.Query) { sum(q); q.Low = q.High },
		"wide bounds":            func(q *aggregate.Query) { sum(q); q.High = 1 << 36; q.Records = 2 },
		"edges of a count":       func(q *aggregate.Query) { q.Edges = []int64{0, 1} },
		"no edges":               func(q *aggregate.Query) { q.Measure = aggregate.Histogram },
		"one edge":               func(q *aggregate.Query) { histogram(q); q.Edges = q.Edges[:1] },
		"edges that fall":        func(q *aggregate.Query) { histogram(q); q.Edges = []int64{2, 1} },
		"no quantiles":           func(q *aggregate.Query) { quantiles(q); q.Quantiles = nil },
		"quantile 1000":          func(q *aggregate.Query) { quantiles(q); q.Quantiles = []int{1000} },
		"open without delta":     func(q *aggregate.Query) { open(q); q.Delta = 0 },
		"open without a minimum": func(q *aggregate.Query) { open(q); q.MinPeople = 0 },
		"closed with delta":      func(q *aggregate.Query) { q.Delta = 1 },
		"closed twice":           func(q *aggregate.Query) { q.Closed = []aggregate.Key{{"a"}, {"a"}} },
	} {
		q := question(edit)
		_, cost := q.Cost()
		_, made := aggregate.New(q, rand.Reader)
		if !errors.Is(cost, aggregate.ErrQuery) || !errors.Is(made, aggregate.ErrQuery) {
			t.Errorf("%s: %v, %v", name, cost, made)
		}
	}
}

func TestPeopleComeOnceAndAnswersGoOnce(t *testing.T) {
	a, err := aggregate.New(question(), stream(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want error
	}{{"b", nil}, {"b", aggregate.ErrOrder}, {"a", aggregate.ErrOrder}, {"ba", nil}, {"c", nil}} {
		if err := a.Add(c.name, one(1)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := a.Release(); err != nil {
		t.Fatal(err)
	}
	_, again := a.Release()
	if after := a.Add("d", nil); !errors.Is(again, aggregate.ErrReleased) || !errors.Is(after, aggregate.ErrReleased) {
		t.Errorf("after the release: %v, %v", again, after)
	}
}

// TestNoRandomnessNoAnswer: for every measure, and not a second try either.
func TestNoRandomnessNoAnswer(t *testing.T) {
	for i, edit := range []func(*aggregate.Query){gaussian, sum, mean, histogram, quantiles, open} {
		a, err := aggregate.New(question(edit), io.LimitReader(stream(1), 100))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Add("a", one(7)); err != nil {
			t.Fatal(err)
		}
		answer, err := a.Release()
		if !errors.Is(err, io.ErrUnexpectedEOF) || answer.Groups != nil {
			t.Errorf("case %d: %v, %v", i, answer, err)
		}
		if _, err := a.Release(); !errors.Is(err, aggregate.ErrReleased) {
			t.Errorf("case %d: a second try: %v", i, err)
		}
	}
}

// TestContributionsAreBounded: one person among 2000 with very many records, wild values
// and many groups moves the answer by no more than the query says.
func TestContributionsAreBounded(t *testing.T) {
	var wild []aggregate.Record
	for i := range 5000 {
		wild = append(wild, aggregate.Record{Group: aggregate.Key{string(rune('a' + i%20))}, Value: 1 << 62})
	}
	var keys []aggregate.Key
	for i := range 20 {
		keys = append(keys, aggregate.Key{string(rune('a' + i))})
	}
	closed := func(q *aggregate.Query) { q.Closed = keys }
	for _, c := range []struct {
		name   string
		q      aggregate.Query
		most   float64
		groups int
	}{
		{"count", question(sharp, closed, records(6, 3)), 6, 3},
		{"sum", question(sharp, closed, sum, records(6, 3)), 60, 3},
		{"histogram", question(sharp, closed, histogram, records(6, 6)), 6, 6},
	} {
		total, touched := 0.0, 0
		with, without := ask(t, c.q, people{wild}, stream(2)), ask(t, c.q, people{nil}, stream(3))
		for i, g := range with.Groups {
			last := len(g.Values) - 1
			d := g.Values[last].Raw - without.Groups[i].Values[last].Raw
			total += d
			if d > c.most/12 {
				touched++
			}
		}
		if slack := c.most * 1.5; total > c.most+slack || touched > c.groups+6 {
			t.Errorf("%s: one person moved %v, in %d groups", c.name, total, touched)
		}
	}
}

// TestAPersonIsInSoManyGroups: 1000 people with a record in each of 20 groups, of whom
// each is counted in three.
func TestAPersonIsInSoManyGroups(t *testing.T) {
	var everywhere []aggregate.Record
	for i := range 20 {
		everywhere = append(everywhere, aggregate.Record{Group: aggregate.Key{string(rune('a' + i))}})
	}
	times, count := 0.0, 0.0
	for _, g := range ask(t, question(sharp, open, gaussian, records(6, 3)), slices.Repeat(people{everywhere}, 1000), stream(13)).Groups {
		times += g.People.Raw
		count += g.Values[0].Raw
	}
	if math.Abs(times-3000) > 20 || math.Abs(count-3000) > 40 {
		t.Errorf("1000 people are counted %v times, with %v records", times, count)
	}
}

// TestWhichRecordsCountIsDrawn: each of a person's groups has the same chance.
func TestWhichRecordsCountIsDrawn(t *testing.T) {
	q := question(sharp, func(q *aggregate.Query) { q.Closed = []aggregate.Key{{"a"}, {"b"}, {"c"}} })
	all := make(people, 30_000)
	for i := range all {
		all[i] = []aggregate.Record{{Group: aggregate.Key{"a"}}, {Group: aggregate.Key{"b"}}, {Group: aggregate.Key{"c"}}, {Group: aggregate.Key{"none of them"}}}
	}
	for _, g := range ask(t, q, all, stream(4)).Groups {
		if n := g.Values[0].Raw; n < 9600 || n > 10_400 {
			t.Errorf("%v has %v of 30000", g.Key, n)
		}
	}
}

func TestClosedGroupsAreAllShownAndOpenOnesOverTheThreshold(t *testing.T) {
	closed := question(func(q *aggregate.Query) { q.Closed = []aggregate.Key{{"z"}, {"a", "b"}} })
	all := people{}
	for range 400 {
		all = append(all, []aggregate.Record{{Group: aggregate.Key{"many"}}})
	}
	all = append(all, []aggregate.Record{{Group: aggregate.Key{"alone"}}})
	got := ask(t, closed, all, stream(5))
	if len(got.Groups) != 2 || got.Groups[0].Key != (aggregate.Key{"a", "b"}) || got.Groups[0].People != nil {
		t.Errorf("closed: %v", got.Groups)
	}
	got = ask(t, question(open), all, stream(6))
	if len(got.Groups) != 1 || got.Groups[0].Key != (aggregate.Key{"many"}) || got.Groups[0].People == nil {
		t.Errorf("open: %v", got.Groups)
	}
	// P(1 + noise >= T) is at most 10^-6: exp(-(T-1))/(1 + 1/e) with scale 1.
	if got.Threshold != 15 {
		t.Errorf("the threshold is %d", got.Threshold)
	}
	high := question(open, func(q *aggregate.Query) { q.MinPeople = 1000 })
	if got := ask(t, high, all, stream(7)); len(got.Groups) != 0 || got.Threshold != 1000 {
		t.Errorf("with a least number of 1000: %v", got)
	}
}

// TestASharpAnswerIsRight: with little noise every measure is what it is of the data.
func TestASharpAnswerIsRight(t *testing.T) {
	all := people{}
	for i := range int64(20_000) {
		all = append(all, one(i%100))
	}
	for name, c := range map[string]struct {
		edit func(*aggregate.Query)
		want []float64
	}{
		"count": {func(*aggregate.Query) {}, []float64{20_000}}, "sum": {sum, []float64{189_000}}, "mean": {mean, []float64{49.5}},
		"histogram": {histogram, []float64{2000, 2000, 2000, 14_000}}, "quantiles": {quantiles, []float64{9.5, 49.5, 89.5}},
	} {
		values := ask(t, question(sharp, gaussian, c.edit), all, stream(8)).Groups[0].Values
		for i, want := range c.want {
			if d := values[i].Value - want; len(values) != len(c.want) || d*d > 36 {
				t.Errorf("%s: %v, want %v", name, values, c.want)
			}
		}
	}
}

// TestAForecastIsWhatTheAnswerSays: for what can be known without the data.
func TestAForecastIsWhatTheAnswerSays(t *testing.T) {
	for _, edit := range []func(*aggregate.Query){gaussian, sum, histogram, open} {
		q := question(edit)
		f, err := q.Forecast()
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, q, make(people, 50), stream(10))
		if f.Cost != got.Cost || f.Threshold != got.Threshold {
			t.Errorf("%s: %v, got %v", q.Measure, f, got)
		}
		for _, g := range got.Groups {
			if e := g.Values[0]; e.Error != f.Error || e.High-e.Raw != f.Width {
				t.Errorf("%s: %v, got %v", q.Measure, f, e)
			}
		}
	}
	if _, err := (aggregate.Query{}).Forecast(); !errors.Is(err, aggregate.ErrQuery) {
		t.Errorf("of nothing: %v", err)
	}
}

// TestQuantilesLieInTheirIntervals: for bins and data of any shape, with little noise,
// against the sorted values. The shapes and the noise are the same in every run.
func TestQuantilesLieInTheirIntervals(t *testing.T) {
	src, rand, asked, missed := noise.NewSource(stream(11)), stream(12), 0, 0
	upTo := func(n uint64) int64 {
		x, err := src.Uniform(n)
		if err != nil {
			t.Fatal(err)
		}
		return int64(x)
	}
	for round := range 200 {
		edges := []int64{-20}
		for range 1 + upTo(40) {
			edges = append(edges, edges[len(edges)-1]+1+upTo(5))
		}
		q := question(sharp, quantiles, func(q *aggregate.Query) { q.Edges, q.Confidence = edges, 990 })
		if round%2 == 0 {
			gaussian(&q)
		}
		values := make([]int64, 30+upTo(200))
		all := make(people, len(values))
		for i := range values {
			values[i] = edges[0] + upTo(uint64(edges[len(edges)-1]-edges[0]))
			all[i] = one(values[i])
		}
		slices.Sort(values)
		for i, e := range ask(t, q, all, rand).Groups[0].Values {
			at := (len(values)*q.Quantiles[i] + 999) / 1000 // the least with so many at or below it
			want := float64(values[at-1])
			if asked++; e.Low > want || want > e.High {
				missed++
			}
			if e.Value < e.Low || e.Value > e.High {
				t.Errorf("%v is outside of its interval", e)
			}
		}
	}
	if missed > asked/100 {
		t.Errorf("%d of %d are outside", missed, asked)
	}
}

// ExampleAccumulator asks how many people are in a collection.
func ExampleAccumulator() {
	q := aggregate.Query{
		Measure: aggregate.Count, Records: 1, Groups: 1, Closed: []aggregate.Key{{}},
		Mechanism: aggregate.GaussianNoise, Epsilon: 500_000, Confidence: 950,
	}
	b, err := aggregate.BudgetFor(1_000_000, 1_000_000_000) // epsilon 1, delta 10^-6
	if err != nil {
		panic(err)
	}
	cost, err := q.Cost()
	if err != nil {
		panic(err)
	}
	if b, err = b.Spend(cost); err != nil {
		fmt.Println(err)
	}
	q.Epsilon = 100_000
	if cost, err = q.Cost(); err != nil {
		panic(err)
	}
	if b, err = b.Spend(cost); err != nil {
		panic(err)
	}
	a, err := aggregate.New(q, rand.Reader)
	if err != nil {
		panic(err)
	}
	for i := range 1000 {
		if err := a.Add(fmt.Sprintf("%04d", i), []aggregate.Record{{}}); err != nil {
			panic(err)
		}
	}
	answer, err := a.Release()
	if err != nil {
		panic(err)
	}
	n := answer.Groups[0].Values[0]
	fmt.Printf("± %.0f; spent %d billionths of rho\n", n.High-n.Raw, b.Spent.Rho)
	// Output:
	// aggregate: the budget is spent: rho 22937446 of 125000000 asked is left (in billionths), delta 500000000 of 0 (in 10^-15)
	// ± 20; spent 5000000 billionths of rho
}

// BenchmarkMillionPeople adds 1,000,000 people with two records each in 2000 open
// groups, and says what stays in memory.
func BenchmarkMillionPeople(b *testing.B) {
	for name, edit := range map[string]func(*aggregate.Query){"Count": gaussian, "Mean": mean, "Histogram": histogram, "Quantiles": quantiles} {
		q := question(open, edit, records(2, 2))
		groups := make([]aggregate.Key, 2000)
		for i := range groups {
			groups[i] = aggregate.Key{fmt.Sprint("band ", i%20), fmt.Sprint("area ", i/20)}
		}
		names := make([]string, 1_000_000)
		for i := range names {
			names[i] = fmt.Sprintf("%07d", i)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				runtime.GC()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				a, err := aggregate.New(q, rand.Reader)
				if err != nil {
					b.Fatal(err)
				}
				two := make([]aggregate.Record, 2)
				for i, name := range names {
					two[0] = aggregate.Record{Group: groups[i%2000], Value: int64(i % 100)}
					two[1] = aggregate.Record{Group: groups[i*7%2000], Value: int64(i % 90)}
					if err := a.Add(name, two); err != nil {
						b.Fatal(err)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				answer, err := a.Release()
				if err != nil || len(answer.Groups) == 0 {
					b.Fatal(err, len(answer.Groups))
				}
				b.ReportMetric(float64(after.HeapAlloc)/1024-float64(before.HeapAlloc)/1024, "KiB-held")
			}
		})
	}
}

// TestNoCountIsBelowZero: what is shown of one stays within its interval, whatever the noise.
func TestNoCountIsBelowZero(t *testing.T) {
	rand, below := stream(13), 0
	for range 500 {
		e := ask(t, question(), nil, rand).Groups[0].Values[0]
		if e.Raw < 0 {
			below++
		}
		if e.Low < 0 || e.Value < e.Low || e.Value > e.High {
			t.Errorf("%+v", e)
		}
	}
	if below < 100 {
		t.Errorf("the noise was below 0 in %d of 500", below)
	}
}

// TestIntervalsHaveTheWidthOfTheirLaw: known ones of discrete Laplace and Gaussian.
func TestIntervalsHaveTheWidthOfTheirLaw(t *testing.T) {
	var widths []int64
	for _, q := range []aggregate.Query{question(), question(gaussian), question(gaussian, records(3, 1))} {
		e := ask(t, q, slices.Repeat(people{one(1)}, 100), stream(9)).Groups[0].Values[0]
		if e.High-e.Raw != e.Raw-e.Low {
			t.Errorf("%v is not in the middle of its interval", e)
		}
		widths = append(widths, int64(e.High-e.Raw))
	}
	if want := []int64{3, 2, 6}; !slices.Equal(widths, want) {
		t.Errorf("half widths %v, want %v", widths, want)
	}
}
