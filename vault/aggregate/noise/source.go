package noise

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"math/bits"
)

// A Source makes exact draws from random bytes. It reads ahead a little, so what
// it was given is not to be used for anything else. It is not safe for concurrent
// use.
type Source struct {
	r   io.Reader
	buf [512]byte
	at  int // the first byte of buf that is not used

	num, quo, rem big.Int // of drawGaussian, kept so as not to be made for each draw
}

// NewSource returns a source that reads r: crypto/rand.Reader, but in tests.
func NewSource(r io.Reader) *Source {
	s := &Source{r: r}
	s.at = len(s.buf)
	return s
}

// word returns 64 uniform bits.
func (s *Source) word() (uint64, error) {
	if s.at == len(s.buf) {
		if _, err := io.ReadFull(s.r, s.buf[:]); err != nil {
			return 0, fmt.Errorf("reading random bytes: %w", err)
		}
		s.at = 0
	}
	w := binary.LittleEndian.Uint64(s.buf[s.at:])
	clear(s.buf[s.at : s.at+8]) // what was drawn does not stay in memory
	s.at += 8
	return w, nil
}

// Uniform draws from 0 to n-1, each with probability 1/n. n must not be 0.
//
// It multiplies and rejects: D. Lemire, Fast Random Integer Generation in an
// Interval, ACM TOMACS 2019, algorithm 5, which is exact.
func (s *Source) Uniform(n uint64) (uint64, error) {
	if n == 0 {
		return 0, ErrParameter
	}
	for {
		w, err := s.word()
		if err != nil {
			return 0, err
		}
		hi, lo := bits.Mul64(w, n)
		if lo >= n || lo >= -n%n {
			return hi, nil
		}
	}
}

// Bernoulli draws true with probability p/q. p must not be more than q, and q not 0.
//
// It compares the binary digits of a uniform number with those of p/q, 64 at a time,
// until they differ.
func (s *Source) Bernoulli(p, q uint64) (bool, error) {
	if q == 0 || p > q {
		return false, ErrParameter
	}
	if p == q {
		return true, nil
	}
	for p != 0 {
		w, err := s.word()
		if err != nil {
			return false, err
		}
		digits, rest := bits.Div64(p, 0, q)
		if w != digits {
			return w < digits, nil
		}
		p = rest
	}
	return false, nil
}

// BernoulliExp draws true with probability exp(-p/q), for any p and a q that is not
// 0: CKS, algorithm 1.
func (s *Source) BernoulliExp(p, q uint64) (bool, error) {
	if q == 0 {
		return false, ErrParameter
	}
	if ok, err := s.expWhole(p / q); err != nil || !ok {
		return false, err
	}
	p %= q
	return s.expFraction(func() (bool, error) { return s.Bernoulli(p, q) })
}

// expWhole draws true with probability exp(-n): CKS, algorithm 1, the case of more
// than 1.
func (s *Source) expWhole(n uint64) (bool, error) {
	always := func() (bool, error) { return true, nil }
	for ; n > 0; n-- {
		if ok, err := s.expFraction(always); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// expFraction draws true with probability exp(-x), where x at most 1 is the
// probability of what coin draws: CKS, algorithm 1, the case of at most 1. Its coin
// of x/k is two independent ones, of x and of 1/k.
func (s *Source) expFraction(coin func() (bool, error)) (bool, error) {
	for k := uint64(1); ; k++ {
		one, err := s.Uniform(k)
		if err != nil {
			return false, err
		}
		if one == 0 {
			ok, err := coin()
			if err != nil {
				return false, err
			}
			if ok {
				continue
			}
		}
		return k%2 == 1, nil
	}
}

// bernoulliBig is Bernoulli for s.num/q with s.num below q. It changes s.num.
func (s *Source) bernoulliBig(q *big.Int) (bool, error) {
	for s.num.Sign() != 0 {
		w, err := s.word()
		if err != nil {
			return false, err
		}
		s.quo.QuoRem(s.num.Lsh(&s.num, 64), q, &s.rem)
		if digits := s.quo.Uint64(); w != digits {
			return w < digits, nil
		}
		s.num.Set(&s.rem)
	}
	return false, nil
}

// bernoulliExpBig is BernoulliExp for s.num/q. It changes s.num.
func (s *Source) bernoulliExpBig(q *big.Int) (bool, error) {
	s.quo.QuoRem(&s.num, q, &s.rem)
	if !s.quo.IsUint64() {
		return false, ErrRange
	}
	var rest big.Int
	rest.Set(&s.rem)
	if ok, err := s.expWhole(s.quo.Uint64()); err != nil || !ok {
		return false, err
	}
	return s.expFraction(func() (bool, error) {
		s.num.Set(&rest)
		return s.bernoulliBig(q)
	})
}
