package aggregate

import (
	"slices"
)

// A Measure is what is asked of each group.
type Measure string

// The measures.
const (
	// Count is the number of records.
	Count Measure = "count"
	// Sum is the sum of the values, each drawn into the bounds.
	Sum Measure = "sum"
	// Mean is their mean.
	Mean Measure = "mean"
	// Histogram is the number of records in each bin.
	Histogram Measure = "histogram"
	// Quantiles are the values below which given parts of the records lie.
	Quantiles Measure = "quantiles"
)

// A Mechanism is the law of the noise.
type Mechanism string

// The mechanisms.
const (
	// GaussianNoise: epsilon is that of concentrated privacy.
	GaussianNoise Mechanism = "gaussian"
	// LaplaceNoise: epsilon is that of pure differential privacy.
	LaplaceNoise Mechanism = "laplace"
)

// What a query may ask for at most. They keep sums within 62 bits.
const (
	maxPeople    = 1 << 26
	maxRecords   = 1 << 10
	maxGroups    = 1 << 6
	maxBins      = 1 << 10
	maxValue     = 1 << 36 // times records, of a value in the bounds
	maxQuantiles = 99
	maxClosed    = 1 << 16
)

// A Key names a group by up to two of its fields; what is not used is empty.
type Key [2]string

// A Query is a question. Bounds, bins, and declared groups are to be declared by
// whoever describes the data, the catalog, and never found in the data: what they
// say is told in the answer without noise.
//
// All members but those that say so must be given.
type Query struct {
	Measure Measure
	// Low and High bound each value, for Sum and Mean only. A value outside counts
	// as the nearer one.
	Low, High int64
	// Edges are the bins, for Histogram and Quantiles only: bin i has the values from
	// Edges[i] to Edges[i+1]-1. A value outside is in the first or last bin. A
	// category is a number, and its bin is one wide.
	Edges []int64
	// Quantiles are in thousandths, ascending, for Quantiles only: 500 is the median.
	Quantiles []int

	// Records is how many records of one person are counted, at most. Others of theirs
	// are left out at random.
	Records int
	// Groups is in how many groups one person is counted, at most; not more than
	// Records.
	Groups int

	// Closed are the groups, all of which are shown, and no others. Without them the
	// groups are open: those of the data, shown if enough people are in them. One
	// empty key stands for everyone.
	Closed []Key
	// Delta is, for open groups only, the probability that a group with a single person
	// in it is shown.
	Delta Delta
	// MinPeople is, for open groups only, the noisy number of people that a group
	// needs to be shown, if the threshold of Delta is not higher.
	MinPeople int64

	Mechanism Mechanism
	Epsilon   Epsilon
	// Confidence is the probability, in thousandths, with which each interval
	// covers its value: 950 is customary.
	Confidence int
}

// Open reports whether the groups are those of the data.
func (q Query) Open() bool { return len(q.Closed) == 0 }

// Cost returns what an answer to the query takes from a budget. It does not depend on
// data. It is ErrQuery if the query is not valid.
func (q Query) Cost() (Cost, error) {
	if err := q.Validate(); err != nil {
		return Cost{}, err
	}
	return Cost{Rho: q.Epsilon.Rho(), Delta: q.Delta}, nil
}

// A Forecast is what is known of an answer before it is paid for.
type Forecast struct {
	Cost Cost
	// Threshold is that of the answer.
	Threshold int64
	// Error is that of each estimate, for Count, Sum and Histogram. For Mean it is that
	// of the sum of distances from the middle of the bounds, to be divided by the
	// number of records; for Quantiles that of one node of the tree, in records.
	Error float64
	// Width is how far each interval goes to either side, for Count, Sum and Histogram.
	Width float64
}

// Forecast says how far off an answer to the query will be, so that an asker can choose
// an epsilon before any is spent. It does not depend on data. It is ErrQuery if
// the query is not valid.
func (q Query) Forecast() (Forecast, error) {
	cost, err := q.Cost()
	if err != nil {
		return Forecast{}, err
	}
	p, err := newPlan(q)
	if err != nil {
		return Forecast{}, err
	}
	l := p.count
	if q.Measure == Sum || q.Measure == Mean {
		l = p.sum
	}
	f := Forecast{Cost: cost, Threshold: p.threshold, Error: l.Deviation()}
	if q.Measure != Mean && q.Measure != Quantiles {
		f.Width = float64(l.Quantile(q.alpha()))
	}
	return f, nil
}

// Validate returns ErrQuery, with the reason, unless the query can be answered.
func (q Query) Validate() error {
	for _, check := range []func() error{q.checkBounds, q.checkEdges, q.checkGroups} {
		if err := check(); err != nil {
			return err
		}
	}
	switch {
	case q.Mechanism != GaussianNoise && q.Mechanism != LaplaceNoise:
		return refused("the mechanism is neither gaussian nor laplace")
	case q.Epsilon < minEpsilon || q.Epsilon > maxEpsilon:
		return refused("epsilon is not from 0.001 to 10")
	case q.Confidence < 500 || q.Confidence > 999:
		return refused("the confidence is not from 500 to 999 thousandths")
	}
	return nil
}

func (q Query) checkBounds() error {
	switch q.Measure {
	case Sum, Mean:
		if q.Low >= q.High || q.Low < -maxValue || q.High > maxValue {
			return refused("the bounds are not ascending, or too far apart")
		}
		if q.Records > 0 && q.largest() > maxValue/int64(q.Records) {
			return refused("the bounds, times the records of a person, are too large")
		}
	case Count, Histogram, Quantiles:
		if q.Low != 0 || q.High != 0 {
			return refused("bounds are for sum and mean only")
		}
	default:
		return refused("there is no such measure")
	}
	return nil
}

func (q Query) checkEdges() error {
	binned := q.Measure == Histogram || q.Measure == Quantiles
	if !binned && len(q.Edges) != 0 || q.Measure != Quantiles && len(q.Quantiles) != 0 {
		return refused("edges are for histogram and quantiles, quantiles for quantiles only")
	}
	if binned && (len(q.Edges) < 2 || len(q.Edges) > maxBins+1 || !ascending(q.Edges)) {
		return refused("the edges are not ascending, fewer than 2 or more than 1025")
	}
	if !binned || q.Measure == Histogram {
		return nil
	}
	n := len(q.Quantiles)
	if n == 0 || n > maxQuantiles || !ascending(q.Quantiles) || q.Quantiles[0] < 1 || q.Quantiles[n-1] > 999 {
		return refused("the quantiles are not ascending from 1 to 999 thousandths")
	}
	return nil
}

func (q Query) checkGroups() error {
	switch {
	case q.Records < 1 || q.Records > maxRecords:
		return refused("the records of a person are not from 1 to 1024")
	case q.Groups < 1 || q.Groups > min(q.Records, maxGroups):
		return refused("the groups of a person are not from 1 to 64, or more than the records")
	case q.Open() && (q.Delta < 1 || q.Delta > maxDelta || q.MinPeople < 1 || q.MinPeople > maxPeople):
		return refused("open groups need a delta, up to 0.001, and a least number of people")
	case !q.Open() && (q.Delta != 0 || q.MinPeople != 0):
		return refused("closed groups are all shown: delta and a least number of people have no meaning")
	case len(q.Closed) > maxClosed:
		return refused("there are more than 65536 closed groups")
	}
	seen := make(map[Key]bool, len(q.Closed))
	for _, k := range q.Closed {
		seen[k] = true
	}
	if len(seen) != len(q.Closed) {
		return refused("a closed group is named twice")
	}
	return nil
}

func ascending[T int | int64](list []T) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}

// middle is the value about which values are summed for a mean: the least any one
// person can change such a sum by.
func (q Query) middle() int64 { return q.Low + (q.High-q.Low)/2 }

// largest is the most that one record changes the sum by.
func (q Query) largest() int64 {
	if q.Measure == Mean {
		return q.High - q.middle()
	}
	return max(q.High, -q.Low)
}

// bin returns the bin of a value.
func (q Query) bin(value int64) int {
	i, found := slices.BinarySearch(q.Edges, value)
	if !found {
		i--
	}
	return min(max(i, 0), len(q.Edges)-2)
}
