// Package aggregate answers questions about many people with noise that hides each
// one: counts, sums, means, histograms and quantiles, by group, under a budget.
//
// It is mathematics alone. Whoever calls it decides whose data may be used, opens
// them, and keeps the budget; this package bounds what one person adds, draws the
// noise, and says how far off the answer may be.
//
//	b, err := b.Spend(cost)         // in a transaction, before any data are read
//	a, err := aggregate.New(query, rand.Reader)
//	err = a.Add(uid, records)       // each person once, in order of uid
//	answer, err := a.Release()
//
// What holds, for an asker who knows everything about everybody else, asks any
// questions the budget admits, and is to learn whether one person is in the data:
//
//   - An answer is Cost.Delta-approximately Cost.Rho-zCDP (Bun and Steinke,
//     Concentrated Differential Privacy, TCC 2016, arXiv 1605.02065), where
//     neighbouring data differ by the adding or taking away of one person with all their
//     records. With Laplace noise and closed groups it is epsilon-differentially
//     private too. Answers that together cost c are (c.Epsilon(d), d + c.Delta)-
//     differentially private.
//   - Noise is whole numbers drawn exactly: see package noise. The numbers it is added
//     to are whole as well, so that sums are exact. Floating point begins after the
//     noise is in.
//   - Costs, limits and conversions are rounded against the asker.
//   - Nothing that depends on the data is told without noise: not the number of people,
//     of groups that are not shown, or of records that were left out. What the query
//     declares is told: bounds, bins, closed groups.
//
// What does not hold: an error of Add or Release, and how long they take, depend on
// the data. An asker is to see that an answer failed, not why, and pays all the same.
// Two people who are one (who have two names) are hidden as two.
package aggregate
