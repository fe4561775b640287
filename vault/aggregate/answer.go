package aggregate

import (
	"fmt"
	"math"

	"github.com/fieldvault/fieldvault/vault/aggregate/noise"
)

// An Answer is what the asker gets. How many groups or people are not in it is not
// told, and nothing in it is exact but the question.
type Answer struct {
	Query Query
	// Cost is what the answer takes from the budget, whether it is looked at or not.
	Cost Cost
	// Threshold is, for open groups, the noisy number of people from which on a group
	// is shown.
	Threshold int64
	// Groups are in ascending order of their keys.
	Groups []Group
}

// A Group is what is told of one.
type Group struct {
	Key Key
	// People is the number of people in an open group. Because only groups with a high
	// enough number are shown, it tends to be too high close to the threshold, and
	// its interval covers less often there. Of a closed group it is nil.
	People *Estimate
	// Values holds one estimate, or one for each bin or quantile.
	Values []Estimate
}

// An Estimate is a noisy number.
//
// Its interval is about the data as they were counted, after bounds and with each
// person's contribution bounded; it knows nothing of what was left out. It is made from
// Raw and not from Value, so that making Value presentable does not bias it.
type Estimate struct {
	// Value is Raw as a reader expects it: no count below 0, no mean outside of
	// the bounds.
	Value float64
	// Raw is the noisy number itself, which averages out to the true one for a count
	// and a sum.
	Raw float64
	// Low and High contain the true number with the query's confidence at least, each
	// estimate for itself. For a quantile they are edges of bins, for a count at least 0.
	Low, High float64
	// Error is the root of the expected square of Raw's error, or close above it. For
	// a quantile it is half the width of the interval.
	Error float64
}

// Release draws the noise and returns the answer. It can be called once: the sums are
// gone afterwards, whether it succeeds or not, for a second answer about the same
// people has a cost of its own. An error is one of the reader's, or of a draw
// that is out of range.
func (a *Accumulator) Release() (Answer, error) {
	if a.done {
		return Answer{}, ErrReleased
	}
	cost, err := a.query.Cost()
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Query: a.query, Cost: cost, Threshold: a.plan.threshold}
	for _, key := range a.sortedKeys() {
		g, shown, err := a.group(key)
		if err != nil {
			a.forget()
			return Answer{}, fmt.Errorf("drawing noise: %w", err)
		}
		if shown {
			answer.Groups = append(answer.Groups, g)
		}
	}
	a.forget()
	return answer, nil
}

func (a *Accumulator) forget() { a.done, a.cells, a.picked, a.last = true, nil, nil, "" }

// group returns what is told of a group, and whether it is told.
func (a *Accumulator) group(key Key) (g Group, shown bool, err error) {
	c := a.cells[key]
	g.Key = key
	if a.query.Open() {
		people, shown, err := a.open(c)
		if err != nil || !shown {
			return Group{}, false, err
		}
		e := a.query.counted(people, a.plan.people)
		g.People = &e
	}
	if a.query.peopleOnly() {
		g.Values = []Estimate{*g.People}
		return g, true, nil
	}
	g.Values, err = a.values(c)
	return g, true, err
}

func (a *Accumulator) values(c *cell) ([]Estimate, error) {
	switch a.query.Measure {
	case Sum:
		sum, err := draw(a.src, a.plan.sum, c.sum)
		return []Estimate{a.query.around(sum, a.plan.sum)}, err
	case Mean:
		return a.mean(c)
	case Histogram:
		noisy, err := draws(a.src, a.plan.count, c.bins)
		all := make([]Estimate, len(noisy))
		for i, n := range noisy {
			all[i] = a.query.counted(n, a.plan.count)
		}
		return all, err
	case Quantiles:
		return a.quantiles(c)
	case Count:
	}
	n, err := draw(a.src, a.plan.count, c.count)
	return []Estimate{a.query.counted(n, a.plan.count)}, err
}

// draw returns a true number with noise.
func draw(src *noise.Source, l law, exact int64) (int64, error) {
	x, err := l.Draw(src)
	if err != nil {
		return 0, err
	}
	return exact + x, nil // neither is beyond 2^62
}

// draws returns true numbers, each with noise of its own.
func draws(src *noise.Source, l law, exact []int64) ([]int64, error) {
	noisy := make([]int64, len(exact))
	for i, n := range exact {
		var err error
		if noisy[i], err = draw(src, l, n); err != nil {
			return nil, err
		}
	}
	return noisy, nil
}

// alpha is the probability with which an interval may miss.
func (q Query) alpha() float64 { return float64(1000-q.Confidence) / 1000 * (1 - 1e-9) }

// around is the estimate of a number that has noise of one law.
func (q Query) around(noisy int64, l law) Estimate {
	k := l.Quantile(q.alpha())
	return Estimate{
		Value: float64(noisy), Raw: float64(noisy), Error: l.Deviation(),
		Low: floor(noisy - k), High: ceil(noisy + k),
	}
}

// counted is around for a number that cannot be below 0.
func (q Query) counted(noisy int64, l law) Estimate {
	e := q.around(noisy, l)
	e.Value, e.Low, e.High = max(0, e.Value), max(0, e.Low), max(0, e.High)
	return e
}

// floor and ceil are the nearest float64 on the named side; up to 2^53 the number.
func floor(n int64) float64 {
	if f := float64(n); math.Abs(f) > 1<<53 {
		return math.Nextafter(f, math.Inf(-1))
	}
	return float64(n)
}

func ceil(n int64) float64 { return -floor(-n) }

// mean divides a noisy sum of distances from the middle of the bounds by a noisy
// count. Each of the two is within an interval that misses with half of the allowed
// probability, and the extremes of the quotient over both intervals bound the mean
// (the union bound). Where the count may be 0 nothing is known but the bounds.
func (a *Accumulator) mean(c *cell) ([]Estimate, error) {
	sum, err := draw(a.src, a.plan.sum, c.sum)
	if err != nil {
		return nil, err
	}
	count, err := draw(a.src, a.plan.count, c.count)
	if err != nil {
		return nil, err
	}
	low, high, mid := float64(a.query.Low), float64(a.query.High), float64(a.query.middle())
	s, n := float64(sum), math.Max(1, float64(count))
	ws := float64(a.plan.sum.Quantile(a.query.alpha() / 2))
	wn := float64(a.plan.count.Quantile(a.query.alpha() / 2))
	e := Estimate{Raw: mid + s/n, Low: low, High: high}
	e.Value = min(max(e.Raw, low), high)
	e.Error = min(high-low, math.Hypot(a.plan.sum.Deviation(), s/n*a.plan.count.Deviation())/n)
	if least, most := float64(count)-wn, float64(count)+wn; least >= 1 {
		const slack = 1e-12 // more than float64 loses, in parts of the span
		e.Low = max(low, mid+min((s-ws)/least, (s-ws)/most)-slack*(high-low))
		e.High = min(high, mid+max((s+ws)/least, (s+ws)/most)+slack*(high-low))
	}
	return []Estimate{e}, nil
}
