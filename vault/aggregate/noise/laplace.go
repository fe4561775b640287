package noise

import (
	"math"
	"math/big"
	"math/bits"
)

// Laplace is the discrete Laplace law: P(x) = (1-p)/(1+p) p^|x| with
// p = exp(-1/scale), on all integers x. Added to a whole-numbered answer that one
// person changes by at most d, with scale d/epsilon, it makes the answer
// epsilon-differentially private (CKS, section 5.2; Ghosh, Roughgarden, Sundararajan,
// STOC 2009).
type Laplace struct {
	t, s uint64 // the scale is t/s
}

// NewLaplace returns the law with a scale, which must be more than 0 and at most
// 2^52, with a numerator and a denominator below 2^62 in lowest terms.
func NewLaplace(scale *big.Rat) (Laplace, error) {
	num, den := scale.Num(), scale.Denom()
	if num.Sign() <= 0 || num.BitLen() > 62 || den.BitLen() > 62 || scale.Cmp(big.NewRat(maxScale, 1)) > 0 {
		return Laplace{}, ErrParameter
	}
	return Laplace{t: num.Uint64(), s: den.Uint64()}, nil
}

// Draw makes one draw: CKS, algorithm 2.
func (l Laplace) Draw(src *Source) (int64, error) {
	for {
		x, err := l.magnitude(src)
		if err != nil {
			return 0, err
		}
		negative, err := src.Uniform(2)
		if err != nil {
			return 0, err
		}
		if negative == 0 {
			return x, nil
		}
		if x != 0 {
			return -x, nil
		}
	}
}

// magnitude draws from the geometric law of the absolute value.
func (l Laplace) magnitude(src *Source) (int64, error) {
	u, err := l.remainder(src)
	if err != nil {
		return 0, err
	}
	var v uint64
	for {
		more, err := src.BernoulliExp(1, 1)
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
		v++
	}
	hi, lo := bits.Mul64(l.t, v)
	lo, carry := bits.Add64(lo, u, 0)
	if hi+carry >= l.s {
		return 0, ErrRange
	}
	y, _ := bits.Div64(hi+carry, lo, l.s)
	if y > maxDraw {
		return 0, ErrRange
	}
	return int64(y), nil
}

// remainder draws u below t with probability in proportion to exp(-u/t).
func (l Laplace) remainder(src *Source) (uint64, error) {
	for {
		u, err := src.Uniform(l.t)
		if err != nil {
			return 0, err
		}
		ok, err := src.BernoulliExp(u, l.t)
		if err != nil || ok {
			return u, err
		}
	}
}

// rate returns 1/scale.
func (l Laplace) rate() float64 { return float64(l.s) / float64(l.t) }

// Mass returns P(X = x), as near as float64 comes.
func (l Laplace) Mass(x int64) float64 {
	a := l.rate()
	return math.Tanh(a/2) * math.Exp(-a*math.Abs(float64(x)))
}

// Tail returns P(X >= m) for m at least 1, rounded upward: exp(-m/scale)/(1+p), a
// geometric series.
func (l Laplace) Tail(m int64) float64 {
	a := l.rate()
	return upward(math.Exp(-a*float64(m)) / (1 + math.Exp(-a)))
}

// Quantile returns the least k with P(|X| > k) at most alpha, or one more than
// that. alpha must be more than 0 and less than 1.
func (l Laplace) Quantile(alpha float64) int64 { return quantile(l.Tail, alpha) }

// Deviation returns the root of the variance, which is 2p/(1-p)^2.
func (l Laplace) Deviation() float64 {
	return math.Sqrt2 / (2 * math.Sinh(l.rate()/2))
}
