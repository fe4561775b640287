package aggregate_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/fieldvault/fieldvault/vault/aggregate"
)

func TestRhoOfAnEpsilonIsRoundedUp(t *testing.T) {
	for e, want := range map[aggregate.Epsilon]aggregate.Rho{
		-1: 0, 0: 0, 1: 1, 44: 1, 45: 2, 1000: 500, 1001: 502, 1_000_000: 500_000_000, 10_000_000: 50_000_000_000, math.MaxInt64: 1_000_000_000_001,
	} {
		if got := e.Rho(); got != want {
			t.Errorf("epsilon %d: rho %d, want %d", e, got, want)
		}
	}
}

// TestABudgetIsNeverOverspent: whatever is asked in whatever order, with what is spent
// added up by the test. What is refused changes nothing and says what is left.
func TestABudgetIsNeverOverspent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := aggregate.Cost{
			Rho:   aggregate.Rho(rapid.Int64Range(1, 1_000_000_000_000).Draw(t, "rho")),
			Delta: aggregate.Delta(rapid.Int64Range(0, 1_000_000_000_000).Draw(t, "delta")),
		}
		b, err := aggregate.NewBudget(limit)
		if err != nil {
			t.Fatal(err)
		}
		var sum aggregate.Cost
		for range rapid.IntRange(1, 50).Draw(t, "questions") {
			c := aggregate.Cost{
				Rho:   aggregate.Rho(rapid.Int64Range(1, int64(limit.Rho)/5+1).Draw(t, "cost")),
				Delta: aggregate.Delta(rapid.Int64Range(0, int64(limit.Delta)/5).Draw(t, "chance")),
			}
			after, err := b.Spend(c)
			fits := sum.Rho+c.Rho <= limit.Rho && sum.Delta+c.Delta <= limit.Delta
			var spent *aggregate.SpentError
			switch {
			case fits && err == nil:
				sum.Rho, sum.Delta = sum.Rho+c.Rho, sum.Delta+c.Delta
			case fits || !errors.As(err, &spent) || after != b || spent.Left != b.Left():
				t.Fatalf("%v of %v: %v, %v", c, b, after, err)
			}
			if b = after; b.Spent != sum || b.Limit != limit {
				t.Fatalf("spent %v, kept %v", sum, b)
			}
		}
	})
}

func TestNumbersOutOfRangeAreRefused(t *testing.T) {
	good, err := aggregate.NewBudget(aggregate.Cost{Rho: 100, Delta: 5})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []aggregate.Cost{{}, {Rho: -1}, {Rho: 1, Delta: -1}, {Rho: math.MaxInt64}, {Rho: math.MinInt64}, {Rho: 1, Delta: math.MaxInt64}} {
		if _, err := good.Spend(c); !errors.Is(err, aggregate.ErrLimit) {
			t.Errorf("%v was not refused: %v", c, err)
		}
		if _, err := aggregate.NewBudget(c); !errors.Is(err, aggregate.ErrLimit) {
			t.Errorf("a limit of %v was not refused: %v", c, err)
		}
	}
	forged := aggregate.Budget{Limit: good.Limit, Spent: aggregate.Cost{Rho: -50}}
	if _, err := forged.Spend(aggregate.Cost{Rho: 1}); !errors.Is(err, aggregate.ErrLimit) {
		t.Errorf("a budget that was paid back: %v", err)
	}
}

// gaussianDelta is the exact delta of the continuous Gaussian mechanism with a change
// of 1 (Balle and Wang 2018, theorem 8): no sound conversion can promise less.
func gaussianDelta(rho, epsilon float64) float64 {
	mu := math.Sqrt(2 * rho) // the change over the deviation
	phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
	return phi(mu/2-epsilon/mu) - math.Exp(epsilon)*phi(-mu/2-epsilon/mu)
}

// TestEpsilonIsSoundAndTight: never below what the Gaussian really has, never above the
// simple bound of Bun and Steinke 2016, proposition 1.3, and close to the former.
func TestEpsilonIsSoundAndTight(t *testing.T) {
	for _, rho := range []float64{1e-6, 0.001, 0.1, 0.5, 1, 8, 100} {
		for _, delta := range []float64{1e-3, 1e-6, 1e-10} {
			c := aggregate.Cost{Rho: aggregate.Rho(math.Round(rho * 1e9))}
			e := float64(c.Epsilon(aggregate.Delta(math.Round(delta*1e15)))) / 1e6
			if simple := rho + 2*math.Sqrt(rho*math.Log(1/delta)); e > simple+1e-6 {
				t.Errorf("rho %g, delta %g: epsilon %g, more than %g", rho, delta, e, simple)
			}
			if least := gaussianDelta(rho, e); least > delta {
				t.Errorf("rho %g, delta %g: at epsilon %g the Gaussian has %g", rho, delta, e, least)
			}
			if least := gaussianDelta(rho, e*0.8-0.01); rho >= 0.01 && least < delta {
				t.Errorf("rho %g, delta %g: epsilon %g is more than 20 percent too large", rho, delta, e)
			}
		}
	}
	if e := (aggregate.Cost{Rho: 1}).Epsilon(0); e != math.MaxInt64 {
		t.Errorf("with no delta epsilon is %d", e)
	}
}

func TestABudgetForAnEpsilonKeepsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := aggregate.Epsilon(rapid.Int64Range(1000, 10_000_000).Draw(t, "epsilon"))
		d := aggregate.Delta(rapid.Int64Range(2, 1_000_000_000_000).Draw(t, "delta"))
		b, err := aggregate.BudgetFor(e, d)
		if err != nil {
			return // too little for one billionth of rho
		}
		if got := b.Limit.Epsilon(d - b.Limit.Delta); got > e {
			t.Fatalf("a budget for %d gives %d", e, got)
		}
		if more := (aggregate.Cost{Rho: b.Limit.Rho + 1}).Epsilon(d / 2); more <= e {
			t.Fatalf("a budget for %d could have been larger", e)
		}
	})
}
