package aggregate

import (
	"math"
	"math/bits"
)

// Quantiles come from a tree of noisy counts over the declared bins: each level halves
// what a node covers, a record is in one node of each level, and the number of
// records below any edge is a sum of at most one node a level (M. Hay et al.,
// Boosting the Accuracy of Differentially Private Histograms Through
// Consistency, VLDB 2010, section 4; T. Chan, E. Shi, D. Song, Private and Continual
// Release of Statistics, ICALP 2010). All quantiles come from the one tree at no
// further cost, each with an interval. The exponential mechanism, the usual other way,
// draws with weights exp(epsilon·utility/2), which whole-number arithmetic does not
// have for many candidates; it gives no interval, and each quantile costs again.

// A tree holds noisy counts: level l has 2^l nodes for l from 1 to the height, and the
// leaves, at the height, are the bins, filled up with empty ones.
type tree struct {
	levels [][]int64 // levels[l-1] is level l
	height int
}

// grow draws the noisy tree of a cell. Every node has noise of its own.
func (a *Accumulator) grow(bins []int64) (tree, error) {
	t := tree{height: a.query.levels()}
	t.levels = make([][]int64, t.height)
	exact := make([]int64, 1<<t.height)
	copy(exact, bins)
	for l := t.height; l >= 1; l-- {
		noisy, err := draws(a.src, a.plan.count, exact)
		if err != nil {
			return tree{}, err
		}
		t.levels[l-1] = noisy
		for i := range len(exact) / 2 {
			exact[i] = exact[2*i] + exact[2*i+1]
		}
		exact = exact[:len(exact)/2]
	}
	return t, nil
}

// cover calls add for the fewest nodes that cover the leaves from low to high-1.
func (t tree) cover(low, high int, add func(noisy int64)) {
	for low < high {
		size := t.height // the largest aligned block that starts at low and fits
		if low > 0 {
			size = min(size, bits.TrailingZeros(uint(low)))
		}
		size = min(size, bits.Len(uint(high-low))-1, t.height-1)
		add(t.levels[t.height-size-1][low>>size])
		low += 1 << size
	}
}

// A split is what the tree says of the records below an edge and of those above it.
type split struct {
	below, above           int64   // noisy
	nodesBelow, nodesAbove float64 // how many noisy counts each is the sum of
}

// splits returns one for each inner edge of so many bins.
func (t tree) splits(bins int) []split {
	all := make([]split, bins-1)
	for i := range all {
		s := &all[i]
		t.cover(0, i+1, func(noisy int64) { s.below += noisy; s.nodesBelow++ })
		t.cover(i+1, 1<<t.height, func(noisy int64) { s.above += noisy; s.nodesAbove++ })
	}
	return all
}

// excess returns how far an edge weighs above a quantile of q thousandths, in thousandths
// of a record: 1000·(below - q/1000·(below + above)).
func (s split) excess(q int) float64 {
	return float64(int64(1000-q)*s.below - int64(q)*s.above)
}

// width returns what the noise of excess is within, but with probability alpha.
func (a *Accumulator) width(s split, q int, alpha float64) float64 {
	u, v := float64(1000-q), float64(q)
	if a.query.Mechanism == GaussianNoise {
		// E exp(tX) is exp(t²σ²/2) times the sum of the bell moved by tσ² over the sum of
		// the bell at 0, which is the larger one: a discrete Gaussian is sub-Gaussian with
		// its own σ², and a weighted sum of them with σ² times the squares.
		square := u*u*s.nodesBelow + v*v*s.nodesAbove
		return a.plan.count.Deviation() * math.Sqrt(2*square*math.Log(2/alpha)) * (1 + 1e-9)
	}
	nodes := s.nodesBelow + s.nodesAbove // each within its own share of alpha
	return (u*s.nodesBelow + v*s.nodesAbove) * float64(a.plan.count.Quantile(alpha/nodes))
}

// quantiles finds each quantile in one tree of the cell's bins.
func (a *Accumulator) quantiles(c *cell) ([]Estimate, error) {
	t, err := a.grow(c.bins)
	if err != nil {
		return nil, err
	}
	splits := t.splits(len(c.bins))
	all := make([]Estimate, len(a.query.Quantiles))
	for i, q := range a.query.Quantiles {
		all[i] = a.quantile(splits, q)
	}
	return all, nil
}

// quantile takes the bin with as many inner edges below it as weigh below the quantile.
// The interval goes from the highest edge that is certainly below to the lowest that is
// certainly above; it misses only if the noise of some edge is beyond its width, and
// the probabilities of that add up to alpha.
func (a *Accumulator) quantile(splits []split, q int) Estimate {
	edges, each := a.query.Edges, a.query.alpha()/float64(len(splits)+1)
	bin, low, high := 0, 0, len(edges)-1
	for i, s := range splits {
		x, w := s.excess(q), a.width(s, q, each)
		if x <= 0 {
			bin++
		}
		if x < -w {
			low = i + 1
		}
		if x > w {
			high = min(high, i+1)
		}
	}
	e := Estimate{Low: float64(edges[min(low, high)]), High: float64(edges[max(low, high)])}
	e.Raw = (float64(edges[bin]) + float64(edges[bin+1]-1)) / 2
	e.Value = min(max(e.Raw, e.Low), e.High)
	e.Error = (e.High - e.Low) / 2
	return e
}
