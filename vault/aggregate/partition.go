package aggregate

import "slices"

// Selection of open groups.
//
// A group that is shown tells that somebody is in it. So its number of people gets
// noise, and the group is shown only where that reaches a threshold T. Let one
// person be added who makes at most g new groups, each with that person alone: one
// of them is shown with probability at most g·P(1 + noise >= T), and T is the least
// for which that is at most Delta. Unless that happens, the answer is as if those
// groups were not there, and then it is the Gaussian or Laplace mechanism on the
// groups that are there both with and without the person. The answer is therefore
// Delta-approximately rho-zCDP (Bun and Steinke 2016, definition 8.1).
//
// The method is that of A. Korolova et al., Releasing Search Queries and Clicks
// Privately, WWW 2009, with the bounded contributions of R. Wilson et al.,
// Differentially Private SQL with Bounded User Contribution, PoPETs 2020, section 3;
// for discrete and Gaussian noise see D. Desfontaines et al., Differentially Private
// Partition Selection, PoPETs 2022. MinPeople raises the threshold, which takes
// nothing from the proof.

// sortedKeys returns the keys of the groups to look at, in ascending order: the order in
// which people came is not told.
func (a *Accumulator) sortedKeys() []Key {
	keys := make([]Key, 0, len(a.cells))
	for k := range a.cells {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y Key) int { return slices.Compare(x[:], y[:]) })
	return keys
}

// open draws the noisy number of people of a group of the data, and reports whether
// the group is shown.
func (a *Accumulator) open(c *cell) (people int64, shown bool, err error) {
	x, err := a.plan.people.Draw(a.src)
	if err != nil {
		return 0, false, err
	}
	people = c.people + x
	return people, people >= a.plan.threshold, nil
}
