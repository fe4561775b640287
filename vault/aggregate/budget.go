package aggregate

import "math"

// Epsilon is a privacy parameter in millionths: 1_000_000 is 1.
type Epsilon int64

// Rho is the parameter of zero-concentrated differential privacy, in billionths.
type Rho int64

// Delta is a probability in units of 10^-15.
type Delta int64

// The units as numbers of their own, and what is accepted of each: an epsilon from
// 0.001 to 10, a rho up to 1000, a delta up to 0.001.
const (
	unitEpsilon Epsilon = 1_000_000
	unitRho     Rho     = 1_000_000_000
	unitDelta           = 1e-15
	minEpsilon          = unitEpsilon / 1000
	maxEpsilon          = 10 * unitEpsilon
	maxRho              = 1000 * unitRho
	maxDelta    Delta   = 1_000_000_000_000
)

// Rho returns epsilon²/2 in billionths, rounded up. It is what an answer with a
// Gaussian of that concentrated epsilon costs (Canonne, Kamath, Steinke 2020,
// theorem 14), and what a pure epsilon costs at most (Bun and Steinke 2016,
// proposition 1.4). An epsilon above 40 costs more than any budget has.
func (e Epsilon) Rho() Rho {
	if e <= 0 {
		return 0
	}
	if e > 40*unitEpsilon {
		return maxRho + 1
	}
	return Rho((int64(e)*int64(e) + 1999) / 2000)
}

// A Cost is what an answer takes from a budget. An answer that costs it is
// delta-approximately rho-zCDP (Bun and Steinke 2016, definition 8.1).
type Cost struct {
	Rho   Rho
	Delta Delta
}

// valid reports whether both numbers are in range.
func (c Cost) valid() bool {
	return c.Rho >= 0 && c.Rho <= maxRho && c.Delta >= 0 && c.Delta <= maxDelta
}

// A Budget is how much may be learnt from one data set for one purpose, and how much
// was. It is a value: [Budget.Spend] returns another one, and whoever keeps it does
// so in the transaction that records the question, before data is read. Costs add up
// (Bun and Steinke 2016, lemma 2.3 and, with delta, lemma 8.2), exactly, for
// they are whole numbers.
type Budget struct {
	Limit Cost
	Spent Cost
}

// NewBudget returns a budget of which nothing is spent. A delta of 0 admits no
// answer with open groups.
func NewBudget(limit Cost) (Budget, error) {
	if !limit.valid() || limit.Rho == 0 {
		return Budget{}, ErrLimit
	}
	return Budget{Limit: limit}, nil
}

// BudgetFor returns the largest budget under which everything that is ever answered
// is, together, (epsilon, delta)-differentially private. Half of delta is left to
// answers with open groups, and half to the conversion from rho. All roundings go
// against the asker.
func BudgetFor(e Epsilon, d Delta) (Budget, error) {
	if e < minEpsilon || e > maxEpsilon || d < 2 || d > maxDelta {
		return Budget{}, ErrLimit
	}
	low, high := Rho(0), maxRho // low is affordable
	for low+1 < high {
		mid := low + (high-low)/2
		if (Cost{Rho: mid}).Epsilon(d/2) <= e {
			low = mid
		} else {
			high = mid
		}
	}
	return NewBudget(Cost{Rho: low, Delta: d / 2})
}

// Left returns what can still be spent.
func (b Budget) Left() Cost {
	return Cost{Rho: max(0, b.Limit.Rho-b.Spent.Rho), Delta: max(0, b.Limit.Delta-b.Spent.Delta)}
}

// Spend returns the budget after a cost, or a [*SpentError] and the budget as it was.
// A budget or a cost with a number out of range is ErrLimit.
func (b Budget) Spend(c Cost) (Budget, error) {
	if !b.Limit.valid() || !b.Spent.valid() || !c.valid() || c.Rho == 0 {
		return b, ErrLimit
	}
	if left := b.Left(); c.Rho > left.Rho || c.Delta > left.Delta {
		return b, &SpentError{Cost: c, Left: left}
	}
	b.Spent.Rho += c.Rho
	b.Spent.Delta += c.Delta
	return b, nil
}

// Epsilon returns an epsilon, rounded up to millionths, for which what costs c is
// (epsilon, d + c.Delta)-differentially private. With a d of 0 or less there is none,
// and the result is the largest number.
//
// For every alpha above 1, rho-zCDP implies (epsilon, d) with
//
//	epsilon = alpha rho + ln(1 - 1/alpha) + (ln(1/d) - ln alpha)/(alpha - 1)
//
// which is proposition 12 (section 2.3) of Canonne, Kamath, Steinke 2020, solved for
// epsilon. The search for the best alpha need not be exact for the result to hold.
func (c Cost) Epsilon(d Delta) Epsilon {
	if c.Rho == 0 {
		return 0
	}
	if d <= 0 {
		return math.MaxInt64
	}
	rho, lnD := float64(c.Rho)/float64(unitRho), math.Log(float64(d)*unitDelta)
	at := func(x float64) float64 { // alpha = 1 + exp(x)
		a1 := math.Exp(x)
		return (1+a1)*rho + x - math.Log1p(a1) + (-lnD-math.Log1p(a1))/a1
	}
	low, high := -20.0, 40.0
	for range 200 {
		left, right := low+(high-low)/3, high-(high-low)/3
		if at(left) < at(right) {
			high = right
		} else {
			low = left
		}
	}
	const slack = 1e-9 // more than float64 loses
	return Epsilon(math.Ceil(max(0, at(low))*(1+slack)*float64(unitEpsilon) + slack))
}
