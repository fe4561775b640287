package noise_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"io"
	"math"
	"math/big"
	"testing"

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

type law interface {
	Draw(*noise.Source) (int64, error)
	Mass(int64) float64
	Tail(int64) float64
	Quantile(float64) int64
	Deviation() float64
}

func laplace(tb testing.TB, t, s int64) law {
	tb.Helper()
	l, err := noise.NewLaplace(big.NewRat(t, s))
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func gaussian(tb testing.TB, a, b int64) law {
	tb.Helper()
	g, err := noise.NewGaussian(big.NewRat(a, b))
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func laws(tb testing.TB) map[string]law {
	return map[string]law{
		"laplace 1/5": laplace(tb, 1, 5), "laplace 1": laplace(tb, 1, 1), "laplace 7/3": laplace(tb, 7, 3), "laplace 20": laplace(tb, 20, 1),
		"gaussian 1/10": gaussian(tb, 1, 10), "gaussian 1": gaussian(tb, 1, 1), "gaussian 7/3": gaussian(tb, 7, 3), "gaussian 200": gaussian(tb, 200, 1),
	}
}

// chi returns how many deviations Pearson's statistic of the draws lies above its mean,
// over all values that are expected ten times at least, and the rest as one.
func chi(tb testing.TB, l law, draw func() (int64, error), n int) float64 {
	tb.Helper()
	seen := map[int64]int{}
	for range n {
		x, err := draw()
		if err != nil {
			tb.Fatal(err)
		}
		seen[x]++
	}
	stat, cells, rest, restSeen := 0.0, 0, float64(n), n
	for x := int64(-2000); x <= 2000; x++ {
		want := l.Mass(x) * float64(n)
		if want < 10 {
			continue
		}
		stat += (float64(seen[x]) - want) * (float64(seen[x]) - want) / want
		cells++
		rest, restSeen = rest-want, restSeen-seen[x]
	}
	stat += (float64(restSeen) - rest) * (float64(restSeen) - rest) / max(rest, 1)
	return (stat - float64(cells)) / math.Sqrt(2*float64(cells))
}

func TestDrawsFollowTheClosedForm(t *testing.T) {
	for name, l := range laws(t) {
		src := noise.NewSource(stream(1))
		if d := chi(t, l, func() (int64, error) { return l.Draw(src) }, 100_000); d > 4 {
			t.Errorf("%s: the statistic is %.1f deviations above its mean", name, d)
		}
	}
}

// TestTheStatisticFindsAWrongLaw: the test above can fail.
func TestTheStatisticFindsAWrongLaw(t *testing.T) {
	src, want := noise.NewSource(stream(1)), gaussian(t, 200, 1)
	for name, wrong := range map[string]law{"5 percent more variance": gaussian(t, 210, 1), "laplace": laplace(t, 10, 1)} {
		if d := chi(t, want, func() (int64, error) { return wrong.Draw(src) }, 100_000); d < 8 {
			t.Errorf("%s: the statistic is only %.1f deviations above its mean", name, d)
		}
	}
	if d := chi(t, want, func() (int64, error) { // a continuous one, floored
		x, err := want.Draw(src)
		return x + 1, err
	}, 100_000); d < 8 {
		t.Errorf("shifted by 1: the statistic is only %.1f deviations above its mean", d)
	}
}

// TestBernoulliExp compares frequencies with exp(-p/q), beyond 1 too.
func TestBernoulliExp(t *testing.T) {
	const n = 100_000
	src := noise.NewSource(stream(2))
	for _, c := range [][2]uint64{{0, 1}, {1, 100}, {1, 2}, {1, 1}, {5, 2}, {7, 1}, {1 << 62, 1<<62 + 1}} {
		got := 0
		for range n {
			ok, err := src.BernoulliExp(c[0], c[1])
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				got++
			}
		}
		p := math.Exp(-float64(c[0]) / float64(c[1]))
		if d := math.Abs(float64(got) - n*p); d > 4*math.Sqrt(n*p*(1-p)) {
			t.Errorf("exp(-%d/%d): %d of %d, want %.0f", c[0], c[1], got, n, n*p)
		}
	}
}

// words gives chosen 64-bit words and then ends.
type words []uint64

func (w *words) Read(p []byte) (int, error) {
	if len(*w) == 0 {
		return 0, io.EOF
	}
	clear(p)
	for i := 0; i+8 <= len(p) && len(*w) > 0; i += 8 {
		for j := range 8 {
			p[i+j] = byte((*w)[0] >> (8 * j))
		}
		*w = (*w)[1:]
	}
	return len(p), nil
}

// TestBernoulliIsExactAtItsEdges: the last word below p/q is true, the next one is
// settled by the digits after it, and the one after that is false.
func TestBernoulliIsExactAtItsEdges(t *testing.T) {
	const third = math.MaxUint64 / 3 // the digits of 1/3, again and again
	for _, c := range []struct {
		words words
		want  bool
	}{
		{words{third - 1}, true},
		{words{third + 1}, false},
		{words{third, third - 1}, true},
		{words{third, third + 1}, false},
		{words{third, third, third, third - 1}, true},
	} {
		got, err := noise.NewSource(&c.words).Bernoulli(1, 3)
		if err != nil || got != c.want {
			t.Errorf("%x: %v, %v", c.words, got, err)
		}
	}
	half := words{1 << 63}
	if got, err := noise.NewSource(&half).Bernoulli(1, 2); err != nil || got {
		t.Errorf("1/2 at its edge: %v, %v", got, err)
	}
}

func TestUniformIsFlat(t *testing.T) {
	const n, draws = 7, 70_000
	var seen [n]int
	src := noise.NewSource(stream(3))
	for range draws {
		x, err := src.Uniform(n)
		if err != nil {
			t.Fatal(err)
		}
		seen[x]++
	}
	for x, got := range seen {
		if d := math.Abs(float64(got) - draws/n); d > 4*math.Sqrt(draws/n) {
			t.Errorf("%d was drawn %d times of %d", x, got, draws)
		}
	}
	// With n = 3 just the word 0 has one multiple too many: it is drawn again.
	again := words{0, math.MaxUint64}
	if x, err := noise.NewSource(&again).Uniform(3); err != nil || x != 2 {
		t.Errorf("the rejected word: %d, %v", x, err)
	}
}

// TestTailsAndQuantilesAreOutward: against sums of the masses.
func TestTailsAndQuantilesAreOutward(t *testing.T) {
	all := laws(t)
	all["gaussian 4096 and more"], all["gaussian 10^6"] = gaussian(t, 4097, 1), gaussian(t, 1_000_000, 1)
	for name, l := range all {
		sum, square := 0.0, 0.0
		tails := map[int64]float64{}
		for m := int64(20_000); m >= 1; m-- {
			sum += l.Mass(m)
			square += 2 * l.Mass(m) * float64(m) * float64(m)
			tails[m] = sum
			if sum > 1e-300 && l.Tail(m) < sum {
				t.Fatalf("%s: P(X >= %d) is %g, more than %g", name, m, sum, l.Tail(m))
			}
		}
		if total := l.Mass(0) + 2*sum; math.Abs(total-1) > 1e-9 {
			t.Errorf("%s: the masses add up to %g", name, total)
		}
		if d := l.Deviation(); d < math.Sqrt(square)*(1-1e-9) || d > math.Sqrt(square)+0.3 {
			t.Errorf("%s: the deviation is %g, not %g", name, d, math.Sqrt(square))
		}
		for _, alpha := range []float64{0.5, 0.05, 0.01, 1e-6} {
			k := l.Quantile(alpha)
			if 2*tails[k+1] > alpha {
				t.Errorf("%s: P(|X| > %d) is %g, more than %g", name, k, 2*tails[k+1], alpha)
			}
			if k > 2 && 2*tails[k-1] <= alpha {
				t.Errorf("%s: %d is not the least for %g", name, k, alpha)
			}
		}
	}
}

// TestAShortReadIsAnError: and nothing is drawn from what was read.
func TestAShortReadIsAnError(t *testing.T) {
	for name, l := range laws(t) {
		src := noise.NewSource(io.LimitReader(stream(4), 2*512+17))
		var err error
		for i := 0; err == nil && i < 10_000; i++ {
			_, err = l.Draw(src)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := noise.NewSource(&words{}).Uniform(2); !errors.Is(err, io.EOF) {
		t.Errorf("no bytes at all: %v", err)
	}
}

func TestParametersOutOfRangeAreRefused(t *testing.T) {
	src := noise.NewSource(stream(5))
	_, uniform := src.Uniform(0)
	_, over := src.Bernoulli(2, 1)
	_, exp := src.BernoulliExp(1, 0)
	_, zero := noise.NewLaplace(new(big.Rat))
	_, wide := noise.NewLaplace(big.NewRat(1<<53, 1))
	_, negative := noise.NewGaussian(big.NewRat(-1, 2))
	_, huge := noise.NewGaussian(new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 105)))
	for i, err := range []error{uniform, over, exp, zero, wide, negative, huge} {
		if !errors.Is(err, noise.ErrParameter) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

// TestWideLawsSpreadAsTheyShould: where products no longer fit 64 bits.
func TestWideLawsSpreadAsTheyShould(t *testing.T) {
	const n = 5000
	variance := new(big.Rat).SetFrac(new(big.Int).Lsh(big.NewInt(12345), 80), big.NewInt(1_000_003))
	g, err := noise.NewGaussian(variance)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]law{"gaussian": g, "laplace": laplace(t, 1<<61-1, 1<<12+1)} {
		src, square, inside := noise.NewSource(stream(6)), 0.0, 0
		k := l.Quantile(0.5)
		for range n {
			x, err := l.Draw(src)
			if err != nil {
				t.Fatal(err)
			}
			z := float64(x) / l.Deviation()
			square += z * z
			if max(x, -x) <= k {
				inside++
			}
		}
		if math.Abs(square/n-1) > 0.15 || math.Abs(float64(inside)/n-0.5) > 0.03 {
			t.Errorf("%s: variance %.3f of what it should be, %d of %d within the median", name, square/n, inside, n)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, c := range []struct {
		name string
		law  law
	}{{"Laplace", laplace(b, 10, 1)}, {"Gaussian", gaussian(b, 100, 1)}, {"GaussianWide", gaussian(b, 1<<60, 7)}} {
		b.Run(c.name, func(b *testing.B) {
			src := noise.NewSource(rand.Reader)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.law.Draw(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
