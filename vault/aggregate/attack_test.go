package aggregate_test

import (
	"errors"
	"io"
	"math"
	"testing"

	"github.com/fieldvault/fieldvault/vault/aggregate"
	"github.com/fieldvault/fieldvault/vault/aggregate/noise"
	"github.com/fieldvault/fieldvault/vault/pacetest"
)

// An oracle answers how many people of a subset have the secret: the noisy number, until
// the budget refuses, or the true one.
type oracle func(has []bool) (float64, bool)

func exact(has []bool) (float64, bool) {
	n := 0.0
	for _, h := range has {
		if h {
			n++
		}
	}
	return n, true
}

// noisy asks with an epsilon under a budget. It spends before it looks at data, as
// whoever uses the package must.
func noisy(t *testing.T, limit aggregate.Rho, e aggregate.Epsilon, rand io.Reader) oracle {
	t.Helper()
	b, err := aggregate.NewBudget(aggregate.Cost{Rho: limit})
	if err != nil {
		t.Fatal(err)
	}
	q := question(gaussian, func(q *aggregate.Query) { q.Epsilon = e })
	return func(has []bool) (float64, bool) {
		cost, err := q.Cost()
		if err != nil {
			t.Fatal(err)
		}
		if b, err = b.Spend(cost); err != nil {
			var spent *aggregate.SpentError
			if !errors.As(err, &spent) {
				t.Fatal(err)
			}
			return 0, false
		}
		all := make(people, len(has))
		for i, h := range has {
			if h {
				all[i] = one(1)
			}
		}
		return ask(t, q, all, rand).Groups[0].Values[0].Raw, true
	}
}

// coins draws n fair coins.
func coins(t *testing.T, src *noise.Source, n int) []bool {
	t.Helper()
	all := make([]bool, n)
	for i := range all {
		x, err := src.Uniform(2)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = x == 1
	}
	return all
}

// difference guesses whether the last person has the secret, from pairs of questions
// with and without them, until it is refused.
func difference(has []bool, ask oracle, most int) bool {
	sum, pairs := 0.0, 0
	for ; pairs < most; pairs++ {
		with, ok := ask(has)
		without, still := ask(has[:len(has)-1])
		if !ok || !still {
			break
		}
		sum += with - without
	}
	return sum > float64(pairs)/2
}

// guessLimit is the most often, of all guesses, that anyone can be right about a fair
// coin through rho-zCDP: half of one plus the total variation, which is at most
// sqrt(KL/2) (Pinsker), and KL is at most rho (Bun and Steinke 2016, definition 1.1).
func guessLimit(rho aggregate.Rho, guesses int) float64 {
	return 0.5 + math.Sqrt(float64(rho)/1e9/2)/2 + 4*math.Sqrt(0.25/float64(guesses))
}

// TestDifferencingFailsAtTheBudgetsLimit: one pair of sharp questions or many vague ones
// come to the same. Without noise one pair is enough.
func TestDifferencingFailsAtTheBudgetsLimit(t *testing.T) {
	pacetest.NeedTime(t)
	const limit = 100_000_000 // rho 0.1
	rounds := 1500
	for _, e := range []aggregate.Epsilon{316_000, 100_000, 50_000} {
		src, rand := noise.NewSource(stream(30)), stream(31)
		right, sure := 0, 0
		for range rounds {
			has := coins(t, src, 20)
			secret := has[len(has)-1]
			if difference(has, noisy(t, limit, e, rand), 1000) == secret {
				right++
			}
			if difference(has, exact, 1) == secret {
				sure++
			}
		}
		if rate := float64(right) / float64(rounds); rate > guessLimit(limit, rounds) {
			t.Errorf("epsilon %d: the secret was found %.3f of the time, at most %.3f is promised", e, rate, guessLimit(limit, rounds))
		}
		if sure != rounds {
			t.Errorf("without noise the attack finds the secret %d of %d times: it proves nothing", sure, rounds)
		}
	}
}

// TestAveragingWithoutABudgetFindsTheSecret: it is the budget that stops the attack.
func TestAveragingWithoutABudgetFindsTheSecret(t *testing.T) {
	pacetest.NeedTime(t)
	const rounds = 40
	src, rand, right := noise.NewSource(stream(32)), stream(33), 0
	for range rounds {
		has := coins(t, src, 20)
		if difference(has, noisy(t, 900_000_000_000, 316_000, rand), 400) == has[19] {
			right++
		}
	}
	if right < rounds-2 {
		t.Errorf("with a thousand times the budget only %d of %d were found", right, rounds)
	}
}

// reconstruct is the attack of I. Dinur and K. Nissim, Revealing Information while
// Preserving Privacy, PODS 2003, by least squares: it asks about random subsets, solves
// for everyone's secret and rounds. It returns in how many it is right.
func reconstruct(t *testing.T, secret []bool, ask oracle, src *noise.Source, questions int) int {
	t.Helper()
	n := len(secret)
	normal, right := make([][]float64, n), make([]float64, n)
	for i := range normal {
		normal[i] = make([]float64, n)
		normal[i][i], right[i] = 1, 0.5 // a weak belief in 1/2, so that there is a solution
	}
	for range questions {
		in := coins(t, src, n)
		has := make([]bool, n)
		for i := range has {
			has[i] = in[i] && secret[i]
		}
		answer, ok := ask(has)
		if !ok {
			break
		}
		for i := range in {
			if !in[i] {
				continue
			}
			right[i] += answer
			for j := range in {
				if in[j] {
					normal[i][j]++
				}
			}
		}
	}
	found := 0
	for i, x := range solve(normal, right) {
		if (x > 0.5) == secret[i] {
			found++
		}
	}
	return found
}

// solve does Gauss's elimination of a positive definite system, in place.
func solve(m [][]float64, b []float64) []float64 {
	n := len(b)
	for k := range n {
		for i := k + 1; i < n; i++ {
			f := m[i][k] / m[k][k]
			for j := k; j < n; j++ {
				m[i][j] -= f * m[k][j]
			}
			b[i] -= f * b[k]
		}
	}
	for k := n - 1; k >= 0; k-- {
		for j := k + 1; j < n; j++ {
			b[k] -= m[k][j] * b[j]
		}
		b[k] /= m[k][k]
	}
	return b
}

// TestReconstructionFailsAtTheBudgetsLimit: without noise, and with noise but no budget
// to speak of, it finds nearly everyone's secret.
func TestReconstructionFailsAtTheBudgetsLimit(t *testing.T) {
	pacetest.NeedTime(t)
	const n, rounds, limit = 64, 25, 100_000_000
	for _, c := range []struct {
		name        string
		ask         func(io.Reader) oracle
		least, most float64
	}{
		{"no noise", func(io.Reader) oracle { return exact }, 0.999, 1},
		{"noise, no budget", func(r io.Reader) oracle { return noisy(t, 900_000_000_000, 2_000_000, r) }, 0.95, 1},
		{"sharp questions", func(r io.Reader) oracle { return noisy(t, limit, 100_000, r) }, 0, guessLimit(limit, n*rounds)},
		{"vague questions", func(r io.Reader) oracle { return noisy(t, limit, 27_950, r) }, 0, guessLimit(limit, n*rounds)},
	} {
		src, rand, found := noise.NewSource(stream(34)), stream(35), 0
		for range rounds {
			found += reconstruct(t, coins(t, src, n), c.ask(rand), src, 4*n)
		}
		if rate := float64(found) / (n * rounds); rate < c.least || rate > c.most {
			t.Errorf("%s: %.3f of the secrets were found, want %.3f to %.3f", c.name, rate, c.least, c.most)
		} else {
			t.Logf("%s: %.3f of the secrets were found", c.name, rate)
		}
	}
}
