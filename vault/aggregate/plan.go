package aggregate

import (
	"math/big"
	"math/bits"

	"github.com/fieldvault/fieldvault/vault/aggregate/noise"
)

// A law is one of [noise.Laplace] and [noise.Gaussian].
type law interface {
	Draw(src *noise.Source) (int64, error)
	Tail(m int64) float64
	Quantile(alpha float64) int64
	Deviation() float64
}

// A memo is a law that remembers its quantiles, which take a while to find and are asked
// for again in each group and bin.
type memo struct {
	law
	known map[float64]int64
}

func (m memo) Quantile(alpha float64) int64 {
	k, ok := m.known[alpha]
	if !ok {
		k = m.law.Quantile(alpha)
		m.known[alpha] = k
	}
	return k
}

// A plan is the noise of an answer: which laws, and from which number of people on a
// group is shown.
//
// One person who is added or taken away changes the counts of records by at most
// Records together, hence also by that in Euclidean distance; the sums by that times
// the largest value; and the counts of people by 1 in each of Groups groups. The
// parts of an answer (people, counts, sums, each level of a tree) share the
// query's epsilon: k parts take epsilon/sqrt(k) each with Gaussian noise, for then
// the squared changes over the squared deviations add up to epsilon² (Canonne, Kamath,
// Steinke 2020, theorem 14), and epsilon/k with Laplace noise.
type plan struct {
	people    law // of open groups
	count     law
	sum       law // of Sum and Mean
	threshold int64
}

func newPlan(q Query) (p plan, err error) {
	parts, records := int64(q.parts()), int64(q.Records)
	if q.Open() {
		if p.people, err = q.law(parts, int64(q.Groups), int64(q.Groups)); err != nil {
			return plan{}, err
		}
		p.threshold = q.threshold(p.people)
	}
	if p.count, err = q.law(parts, records, records*records); err != nil {
		return plan{}, err
	}
	if q.Measure == Sum || q.Measure == Mean {
		most := big.NewInt(records * q.largest())
		p.sum, err = q.lawBig(parts, most, new(big.Int).Mul(most, most))
	}
	return p, err
}

// parts is in how many the epsilon is shared.
func (q Query) parts() int {
	n := 1
	switch q.Measure {
	case Count, Sum, Histogram:
	case Mean:
		n = 2
	case Quantiles:
		n = q.levels()
	}
	if q.Open() && !q.peopleOnly() {
		n++
	}
	return n
}

// peopleOnly reports whether the number of records in an open group is that of its
// people, so that one noisy number is both.
func (q Query) peopleOnly() bool { return q.Open() && q.Measure == Count && q.Records == 1 }

// levels is the height of the tree over the bins: see quantile.go.
func (q Query) levels() int { return max(1, bits.Len(uint(len(q.Edges)-2))) }

// law returns the noise of one of so many parts, which a person changes by at most l1
// in sum and by the root of l2 in Euclidean distance.
func (q Query) law(parts, l1, l2 int64) (law, error) {
	return q.lawBig(parts, big.NewInt(l1), big.NewInt(l2))
}

func (q Query) lawBig(parts int64, l1, l2 *big.Int) (law, error) {
	each := big.NewRat(parts*int64(unitEpsilon), int64(q.Epsilon)) // parts/epsilon
	if q.Mechanism == LaplaceNoise {
		l, err := noise.NewLaplace(each.Mul(each, new(big.Rat).SetInt(l1)))
		return memo{l, map[float64]int64{}}, err
	}
	each.Mul(each, each).Quo(each, big.NewRat(parts, 1)) // parts/epsilon²
	g, err := noise.NewGaussian(each.Mul(each, new(big.Rat).SetInt(l2)))
	return memo{g, map[float64]int64{}}, err
}

// threshold returns the least noisy number of people at which a group is shown: see
// partition.go.
func (q Query) threshold(people law) int64 {
	each := float64(q.Delta) * unitDelta / float64(q.Groups) * (1 - 1e-9)
	low, high := int64(1), int64(2) // low is too low, for 1 + noise reaches 1 half of the time
	for people.Tail(high-1) > each {
		low, high = high, 2*high
	}
	for low+1 < high {
		mid := low + (high-low)/2
		if people.Tail(mid-1) > each {
			low = mid
		} else {
			high = mid
		}
	}
	return max(high, q.MinPeople)
}
