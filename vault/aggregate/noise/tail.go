package noise

import "math"

// slack is more than the relative error of the few float64 operations behind a
// probability, and than what a sum that is cut off leaves out.
const slack = 1e-9

// upward rounds a probability so that it is not below the true one. The smallest
// float64 stands for one that is too small to be told from 0.
func upward(p float64) float64 {
	return min(1, math.Max(p*(1+slack), math.SmallestNonzeroFloat64))
}

// quantile returns the least k with 2·tail(k+1) at most alpha, for a law that is
// symmetric about 0 and whose tail falls.
func quantile(tail func(int64) float64, alpha float64) int64 {
	low, high := int64(-1), int64(1) // tail is too large at low, small enough at high
	for 2*tail(high+1) > alpha && high < maxDraw/2 {
		low, high = high, 2*high
	}
	for low+1 < high {
		mid := low + (high-low)/2
		if 2*tail(mid+1) > alpha {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}
