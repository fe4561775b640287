package bench

import "slices"

// A Ratio is one figure over another, both measured in turns in one run.
type Ratio struct {
	Of     string  `json:"of"`    // what is compared
	Value  float64 `json:"value"` // the median of the rounds' ratios
	Low    float64 `json:"low"`   // the smallest of them
	High   float64 `json:"high"`  // the largest
	Ours   float64 `json:"ours"`  // the median
	Theirs float64 `json:"theirs"`
}

// ratio compares round by round, so that what disturbs the machine disturbs both.
func ratio(of string, ours, theirs []float64) Ratio {
	rounds := make([]float64, len(ours))
	for i := range ours {
		rounds[i] = ours[i] / theirs[i]
	}
	return Ratio{Of: of, Value: median(rounds), Low: slices.Min(rounds), High: slices.Max(rounds), Ours: median(ours), Theirs: median(theirs)}
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
