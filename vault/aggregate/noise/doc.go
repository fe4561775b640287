// Package noise draws whole numbers from the laws that differential privacy adds
// to its answers, exactly, from a stream of random bytes.
//
// The laws are the discrete Laplace and the discrete Gaussian on all integers,
// with rational parameters, sampled by algorithms 1 to 3 of
//
//	C. Canonne, G. Kamath, T. Steinke: The Discrete Gaussian for Differential
//	Privacy, NeurIPS 2020, arXiv 2004.00010, section 5 (here: CKS).
//
// What holds:
//
//   - A draw has exactly its law if the bytes are uniform: every step compares whole
//     numbers. Floating-point numbers take no part, for noise made from them can be
//     told apart and its privacy undone (Mironov, CCS 2012).
//   - A reader that fails or ends is an error. No draw is ever made from less.
//   - A draw beyond ±2^62 is an error and not another number. Its probability is
//     below exp(-1000) for every law that is accepted here.
//   - Probabilities of the laws, for intervals and thresholds, are computed in
//     float64 and rounded upward, so that an interval is never too narrow.
//
// How long a draw takes depends on the number drawn (CKS, section 5, says why this is
// hard to avoid). Whoever may time single draws learns about the noise: an answer
// is to be sent as a whole, after reading data whose amount hides the difference.
package noise

import "errors"

// What a law or a draw is refused for.
var (
	// ErrParameter: a parameter is outside of what the function's comment allows.
	ErrParameter = errors.New("noise: a parameter is out of range")
	// ErrRange: the number drawn is beyond ±2^62.
	ErrRange = errors.New("noise: a draw is out of range")
)

// maxDraw bounds what is drawn, and maxScale the deviation of a law.
const (
	maxDraw  = 1 << 62
	maxScale = 1 << 52
)
