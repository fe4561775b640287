package noise

import (
	"math"
	"math/big"
)

// Gaussian is the discrete Gaussian law: P(x) in proportion to exp(-x²/(2 σ²)), on
// all integers x. Added to whole-numbered answers that one person changes by at most
// d in Euclidean distance, with σ = d/epsilon, it makes them epsilon²/2-concentrated
// differentially private (CKS, theorems 4 and 14).
type Gaussian struct {
	sigma float64 // for probabilities only
	norm  float64 // the sum of exp(-x²/(2σ²)) over all integers
	lap   Laplace // of scale t = ⌊σ⌋+1, from which draws are accepted or not

	// A draw y is accepted with probability exp(-(|y|·bt - a)²/den), where σ² = a/b,
	// bt = b·t and den = 2·a·b·t²: algorithm 3's exponent with one denominator.
	a, bt, den *big.Int
}

// NewGaussian returns the law with the parameter σ² = variance, which must be more
// than 0 and at most 2^104.
func NewGaussian(variance *big.Rat) (Gaussian, error) {
	limit := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 104))
	if variance.Sign() <= 0 || variance.Cmp(limit) > 0 {
		return Gaussian{}, ErrParameter
	}
	a, b := new(big.Int).Set(variance.Num()), variance.Denom()
	t := new(big.Int).Quo(a, b)
	t.Sqrt(t).Add(t, big.NewInt(1)) // the root of the floor has the floor of the root
	bt := new(big.Int).Mul(b, t)
	den := new(big.Int).Mul(a, bt)
	den.Mul(den, t).Lsh(den, 1)
	v, _ := variance.Float64()
	g := Gaussian{sigma: math.Sqrt(v), lap: Laplace{t: t.Uint64(), s: 1}, a: a, bt: bt, den: den}
	g.norm = math.Sqrt(2*math.Pi) * g.sigma
	if g.sigma <= small {
		g.norm = 1 + 2*g.sum(1)
	}
	return g, nil
}

// Draw makes one draw: CKS, algorithm 3.
func (g Gaussian) Draw(src *Source) (int64, error) {
	for {
		y, err := g.lap.Draw(src)
		if err != nil {
			return 0, err
		}
		src.num.SetInt64(max(y, -y))
		src.num.Mul(&src.num, g.bt).Sub(&src.num, g.a)
		src.quo.Mul(&src.num, &src.num)
		src.num.Set(&src.quo)
		ok, err := src.bernoulliExpBig(g.den)
		if err != nil || ok {
			return y, err
		}
	}
}

// small is the σ below which sums over single integers are taken. Above it the sum
// of exp(-x²/(2σ²)) over all integers is that of the integral, sqrt(2π) σ, to more
// digits than float64 has (Poisson's summation formula).
const small = 64

// sum returns the sum of exp(-x²/(2σ²)) over x >= m, for m at least 1.
func (g Gaussian) sum(m int64) float64 {
	total := 0.0
	for x := float64(m); ; x++ {
		term := math.Exp(-x * x / (2 * g.sigma * g.sigma))
		total += term
		if term <= total*1e-18 {
			return total
		}
	}
}

// Mass returns P(X = x), as near as float64 comes.
func (g Gaussian) Mass(x int64) float64 {
	return math.Exp(-float64(x)*float64(x)/(2*g.sigma*g.sigma)) / g.norm
}

// Tail returns an upper bound on P(X >= m) for m at least 1: the sum itself where σ
// is small, otherwise that of the continuous law from m-1 on (CKS, section 3, on utility).
func (g Gaussian) Tail(m int64) float64 {
	if g.sigma > small {
		return upward(math.Erfc(float64(m-1)/(g.sigma*math.Sqrt2)) / 2)
	}
	return upward(g.sum(m) / g.norm)
}

// Quantile returns the least k for which [Gaussian.Tail] shows that P(|X| > k) is at
// most alpha. alpha must be more than 0 and less than 1.
func (g Gaussian) Quantile(alpha float64) int64 { return quantile(g.Tail, alpha) }

// Deviation returns σ, an upper bound on the root of the variance (CKS, section 3).
func (g Gaussian) Deviation() float64 { return g.sigma }
