package catalog

import "time"

// PastReview lists the purposes whose review date has passed: the day after it has
// begun, in UTC. In the order of the catalog.
func (c *Catalog) PastReview(now time.Time) []*Purpose {
	today := now.UTC().Format(time.DateOnly)
	var list []*Purpose
	for i := range c.Purposes {
		if p := &c.Purposes[i]; p.ReviewBy != "" && p.ReviewBy < today {
			list = append(list, p)
		}
	}
	return list
}
