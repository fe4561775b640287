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

// A side is how certainly, and how far, an edge lies above or below a quantile.
type side struct {
	excess int64   // noisy: in thousandths of a record, above 0 when the edge is above
	width  float64 // the noise of excess is within it
}

// at weighs edge i, with leaves below and above, for a quantile of q thousandths:
// 1000·(below - q/1000·(below + above)).
func (a *Accumulator) at(t tree, i, q int) side {
	var s side
	var square, weights, nodes float64
	sum := func(weight int64) func(int64) {
		return func(noisy int64) {
			s.excess += weight * noisy
			square += float64(weight * weight)
			weights += math.Abs(float64(weight))
			nodes++
		}
	}
	t.cover(0, i, sum(int64(1000-q)))
	t.cover(i, 1<<t.height, sum(int64(-q)))
	each := a.query.alpha() / float64(len(a.query.Edges)) // all edges hold together
	if a.query.Mechanism == GaussianNoise {
		// A discrete Gaussian is sub-Gaussian with its σ² (CKS 2020, lemma on its moment
		// generating function), hence so is a weighted sum with that times the square.
		s.width = a.plan.count.Deviation() * math.Sqrt(2*square*math.Log(2/each)) * (1 + 1e-9)
	} else {
		s.width = weights * float64(a.plan.count.Quantile(each/nodes))
	}
	return s
}

// quantiles finds each quantile: the value lies in the bin that has as many inner edges
// below it as weigh below it. Its interval goes from the highest edge that is
// certainly below to the lowest that is certainly above; it misses only if the noise
// of some edge is beyond its width, of which the probabilities add up to alpha.
func (a *Accumulator) quantiles(c *cell) ([]Estimate, error) {
	t, err := a.grow(c.bins)
	if err != nil {
		return nil, err
	}
	edges := a.query.Edges
	all := make([]Estimate, len(a.query.Quantiles))
	for n, q := range a.query.Quantiles {
		bin, low, high := 0, 0, len(edges)-1
		for i := 1; i < len(edges)-1; i++ {
			s := a.at(t, i, q)
			if s.excess <= 0 {
				bin++
			}
			if float64(s.excess) < -s.width {
				low = i
			}
			if float64(s.excess) > s.width && high == len(edges)-1 {
				high = i
			}
		}
		e := Estimate{Low: float64(edges[min(low, high)]), High: float64(edges[max(low, high)])}
		e.Raw = (float64(edges[bin]) + float64(edges[bin+1]-1)) / 2
		e.Value = min(max(e.Raw, e.Low), e.High)
		e.Error = (e.High - e.Low) / 2
		all[n] = e
	}
	return all, nil
}
